//! All that the portable kernel sees of the hardware.

use crate::{board, cpu, env_data, info, memory};
use aegis_abi::limits::PAGE_SHIFT;
use aegis_abi::{Handler, Pid};
use aegis_kernel::machine::Live;
use aegis_kernel::{Block, Machine, Refill, Upcall};
use stlb::{Registers, Stlb};

/// The machine that this is compiled for.
pub struct Hardware;

impl Machine for Hardware {
    type Geometry = stlb::Native;

    #[inline]
    fn stlb(&self) -> &Stlb<Self::Geometry> {
        cpu::stlb()
    }

    #[inline]
    fn tlb_write(&self, asid: u32, context: u32, registers: Registers) {
        cpu::tlb::write(asid, context, registers);
    }

    fn tlb_update(&self, asid: u32, context: u32, registers: Registers) {
        cpu::tlb::update(asid, context, registers);
    }

    fn live(&self, index: u32) -> Option<Live> {
        cpu::tlb::read(index)
    }

    fn set_block(&self, number: usize, block: Option<&Block>) {
        cpu::dispatch::set_block(number, block);
    }

    #[inline]
    fn current(&self) -> usize {
        cpu::dispatch::current()
    }

    fn set_current(&self, number: usize) {
        cpu::dispatch::set_current(number);
    }

    fn has_fpu(&self) -> bool {
        cpu::has_fpu()
    }

    fn clear_fpu(&self) {
        cpu::clear_fpu();
    }

    fn set_fpu(&self, on: bool) {
        cpu::dispatch::set_fpu(on);
    }

    fn holder(&self) -> Option<usize> {
        cpu::dispatch::holder()
    }

    fn set_holder(&self, number: Option<usize>) {
        cpu::dispatch::set_holder(number);
    }

    fn is_prompt(&self) -> Option<bool> {
        board::interrupts::is_prompt()
    }

    fn set_over(&self, over: bool) {
        cpu::dispatch::set_over(over);
    }

    fn suspend(&self, number: usize) {
        cpu::suspended::suspend(number);
    }

    fn suspended_pc(&self, number: usize) -> Handler {
        cpu::suspended::pc(number)
    }

    fn resume_fpu(&self, number: usize) -> bool {
        cpu::suspended::resume_fpu(number)
    }

    fn resume(&self, number: usize, pc: Handler, upcall: Option<Upcall>) {
        crate::owned::left_kernel();
        cpu::suspended::resume(number, pc, upcall);
    }

    fn put_off(&self, n: usize) {
        cpu::suspended::put_off(n);
    }

    fn arrive(&self, n: usize, pc: Handler, caller: Pid) {
        crate::owned::left_kernel();
        cpu::suspended::arrive(n, pc, caller.0);
    }

    fn run(&self, pc: u32, [a0, a1]: [u32; 2]) {
        crate::owned::left_kernel();
        cpu::enter(pc, a0, a1);
    }

    fn idle(&self) {
        crate::owned::left_kernel();
        cpu::idle();
    }

    fn info_frame(&self) -> u32 {
        info::frames().start
    }

    fn physical(&self, address: usize) -> u32 {
        address as u32 - memory::KSEG0
    }

    fn write_data(&self, number: usize, offset: usize, from: &[u8]) {
        env_data::write(number, offset, from);
    }

    fn frames(&self) -> u32 {
        board::memory_bytes() >> PAGE_SHIFT
    }

    fn read(&self, address: u32, into: &mut [u8]) {
        memory::read(address, into);
    }

    fn write(&self, address: u32, from: &[u8]) {
        memory::write(address, from);
    }

    fn zero(&self, frame: u32) {
        memory::zero(frame);
    }

    fn copy(&self, to: u32, from: u32) {
        memory::copy(to, from);
    }

    fn fill(&self, address: u32, byte: u8, bytes: u32) {
        memory::fill(address, byte, bytes as usize);
    }

    fn sync_instructions(&self, frame: u32) {
        cpu::sync_instructions(frame << PAGE_SHIFT);
    }

    fn console(&self, bytes: &[u8]) -> usize {
        board::console_write_some(bytes)
    }

    fn receive(&self) -> Option<u8> {
        board::receive()
    }

    fn listen(&self, on: bool) {
        board::listen(on);
    }

    fn count(&self, refill: Refill) {
        info::count(refill);
    }

    fn count_slice(&self) {
        info::count_slice();
    }

    fn power_off(&self, status: u8) {
        board::power_off(status);
    }
}

impl Hardware {
    /// Does the kernel's image, or what the board keeps for itself, occupy this frame?
    pub fn is_reserved(frame: u32) -> bool {
        frame < memory::kernel_frames()
    }
}
