//! What the kernel needs of a machine.

use crate::interrupt::Upcall;
use aegis_abi::limits::EXCEPTIONS;
use aegis_abi::{Error, Handler, Pid};
use stlb::{Geometry, Registers, Stlb};

/// How a miss was answered, for the counters of the information page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refill {
    /// From the overflow buffer.
    Overflow,
    /// From a guaranteed mapping.
    Guaranteed,
}

/// What a place of the hardware TLB holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Live {
    /// Nothing that a user address can match.
    Unused,
    /// A page (pair).
    Pair {
        /// Its address space identifier, as EntryHi holds it.
        asid: u32,
        /// Its page (pair), as the Context register holds it, under the process tag 0.
        context: u32,
        /// Its halves.
        registers: Registers,
    },
}

/// What exceptions of one environment are dispatched from. The machine turns it into whatever its vectors read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Block {
    /// The environment's name.
    pub pid: Pid,
    /// Physical address of the save area for TLB misses; `None`: there is none, or it was lost.
    pub tlbx: Option<u32>,
    /// Physical address of the save area for other exceptions, alike.
    pub genx: Option<u32>,
    /// The environment's handlers by exception code; 0: none.
    pub xh: [Handler; EXCEPTIONS],
    /// Where synchronous control transfers arrive; 0: nowhere.
    pub gate: Handler,
    /// Where asynchronous control transfers arrive, alike.
    pub agate: Handler,
    /// Why transfers are refused while the gates are closed.
    pub refusal: Error,
}

/// The hardware. Its methods take `&self`: hardware is shared by nature, and the kernel runs alone.
///
/// Addresses are physical. The kernel passes only addresses in frames that it has checked against [`Machine::frames`].
pub trait Machine {
    /// The processor's TLB.
    type Geometry: Geometry;

    /// The software TLB.
    fn stlb(&self) -> &Stlb<Self::Geometry>;

    /// Writes the pair that `context` names into the hardware TLB for the address space `asid`, over its live entry if there
    /// is one.
    fn tlb_write(&self, asid: u32, context: u32, registers: Registers);

    /// Rewrites the live entry of the pair that `context` names, if there is one; removes it if no half is valid.
    fn tlb_update(&self, asid: u32, context: u32, registers: Registers);

    /// The `index`-th entry of the hardware TLB. `None` beyond the last.
    fn live(&self, index: u32) -> Option<Live>;

    /// Sets what exceptions of environment `number` are dispatched from; `None`: there is no such environment.
    fn set_block(&self, number: usize, block: Option<&Block>);

    /// The environment that runs when the kernel is left. The machine keeps it, since control transfers change it without the
    /// kernel's Rust code.
    fn current(&self) -> usize;

    /// Makes `number` the environment that runs when the kernel is left, with the floating-point unit off.
    fn set_current(&self, number: usize);

    /// Has the processor a floating-point unit?
    fn has_fpu(&self) -> bool;

    /// Clears all registers of the floating-point unit.
    fn clear_fpu(&self);

    /// Turns the floating-point unit on or off for the environment that runs when the kernel is left. The machine turns it off when
    /// another one is made current, and at control transfers.
    fn set_fpu(&self, on: bool);

    /// Who has the current slice, where that is not who runs: an asynchronous transfer or a directed yield has given away the rest of
    /// it only. The machine keeps it, as transfers change it.
    fn holder(&self) -> Option<usize>;

    /// Notes who has the current slice; `None`: whoever runs.
    fn set_holder(&self, number: Option<usize>);

    /// Has the last tick been just now? So a slice that begins counts as begun at the tick, and an
    /// environment whose slice is over has given up the processor at once. `None`: the machine has no
    /// clock finer than the tick.
    fn is_prompt(&self) -> Option<bool>;

    /// Notes whether the slice of the current environment is over. If it is, transfers of its own come to
    /// [`Kernel::transfer_late`](crate::Kernel::transfer_late). Another environment that is made current
    /// has none that is over.
    fn set_over(&self, over: bool);

    /// Keeps what the processor's registers hold of environment `number`, which runs and is interrupted;
    /// those of the floating-point unit too, if that is on.
    fn suspend(&self, number: usize);

    /// Where suspended environment `number` was interrupted.
    fn suspended_pc(&self, number: usize) -> Handler;

    /// Gives suspended environment `number`, which is the current one, its floating-point registers back,
    /// and turns the unit on, if it was. Was it?
    fn resume_fpu(&self, number: usize) -> bool;

    /// Lets suspended environment `number`, which is the current one, go on at `pc` with its registers, or
    /// be called up there. Does not return on hardware.
    fn resume(&self, number: usize, pc: Handler, upcall: Option<Upcall>);

    /// Keeps the registers of whoever runs, which has called a transfer, as a message that waits for slice
    /// `n`.
    fn put_off(&self, n: usize);

    /// Lets the current environment run at its gate `pc`, with the message that has waited for slice `n`, from
    /// `caller`. Does not return on hardware.
    fn arrive(&self, n: usize, pc: Handler, caller: Pid);

    /// Lets the current environment run, at `pc` with `arguments` in `a0` and `a1` and all other registers 0. Does not return on
    /// hardware.
    fn run(&self, pc: Handler, arguments: [u32; 2]);

    /// Waits for an interrupt, with nobody running. Does not return on hardware.
    fn idle(&self);

    /// The frame of the information page.
    fn info_frame(&self) -> u32;

    /// The physical address of something of the kernel's, given where the kernel sees it.
    fn physical(&self, address: usize) -> u32;

    /// Writes to the data of environment `number`, from `offset` on, all of it within `ENV_DATA_BYTES`.
    fn write_data(&self, number: usize, offset: usize, from: &[u8]);

    /// Number of physical frames, 0 to this less 1.
    fn frames(&self) -> u32;

    /// Copies physical memory out.
    fn read(&self, address: u32, into: &mut [u8]);

    /// Copies into physical memory.
    fn write(&self, address: u32, from: &[u8]);

    /// Fills a frame with zeros.
    fn zero(&self, frame: u32);

    /// Copies a frame to another.
    fn copy(&self, to: u32, from: u32);

    /// Fills physical memory with a byte.
    fn fill(&self, address: u32, byte: u8, bytes: u32);

    /// Makes the processor see as instructions what was written to a frame as data.
    fn sync_instructions(&self, frame: u32);

    /// Hands the console the first of these bytes, as many as it takes without a wait, and returns
    /// how many.
    fn console(&self, bytes: &[u8]) -> usize;

    /// Takes a byte that the console has received, if there is one.
    fn receive(&self) -> Option<u8>;

    /// Turns the console's interrupt on or off. While it is on and the console holds a byte that it
    /// has received, there is an interrupt.
    fn listen(&self, on: bool);

    /// Counts a refill that the assembly did not count itself.
    fn count(&self, refill: Refill);

    /// Counts a slice that begins.
    fn count_slice(&self);

    /// Stops the machine with an exit status. Does not return on hardware.
    fn power_off(&self, status: u8);
}
