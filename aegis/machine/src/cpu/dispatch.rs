//! Dispatch blocks: from what exceptions and calls are dispatched. The vectors read them at any time.
//!
//! A block has three tables with a word for each exception code, so that the code, already scaled by 4 in Cause, is all that
//! a vector adds to the block's address:
//! - `dispatch`: where to go. A program's handler, or, with the sign bit set, code of the kernel's;
//! - `save`: the save area that goes with a program's handler. With code of the kernel's goes the block itself, which starts with
//!   scratch words, so that a vector may save the first register before it looks where to go, and the code knows the block;
//! - `user`: the program's handler, for exceptions that pass through the kernel first.
//!
//! Before them stand the save areas for those, and the words that a protected control transfer needs.

use super::family::{cp0, vectors};
use crate::memory::KSEG0;
use aegis_abi::limits::{ENVS, EXCEPTIONS, SAVE_AREA_BYTES};
use aegis_kernel::Block;
use core::arch::global_asm;
use core::mem::offset_of;
use stlb::{Geometry, Native, Word};

/// Exception codes of the register Cause that the kernel treats apart.
pub(super) mod code {
    pub const INTERRUPT: usize = 0;
    pub const TLB_LOAD: usize = 2;
    pub const TLB_STORE: usize = 3;
    pub const SYSCALL: usize = 8;
    pub const RESERVED_INSTRUCTION: usize = 10;
}

/// The block of one environment. The first words are of `TABLE_BYTES`, then come the tables.
#[repr(C, align(512))]
pub(super) struct DispatchBlock {
    /// Goes with code of the kernel's in place of a save area, so that this is the block's address. Never read.
    pub scratch: [Word; SAVE_AREA_BYTES as usize / size_of::<Word>()],
    /// The environment's name. 0: no environment.
    pub pid: Word,
    /// The environment's name, if it lives and has a gate: what the name that a synchronous transfer is given is compared with, and
    /// then loaded into EntryHi and Context. Otherwise a name that leads to another block.
    pub gate_pid: Word,
    /// Where synchronous transfers arrive.
    pub gate: Word,
    /// As `gate_pid`, for asynchronous transfers.
    pub agate_pid: Word,
    /// Where these arrive.
    pub agate: Word,
    /// The save area for TLB misses.
    pub tlbx: Word,
    /// The save area for other exceptions.
    pub genx: Word,
    /// Status to return to it with: with coprocessor 1 usable while the floating-point unit is on for it, and so only while it runs.
    pub status: Word,
    /// Why transfers are refused while the gates are closed: an error's number.
    pub refusal: Word,
    /// 1: the slice of the environment, which runs, is over.
    pub over: Word,
    unused: [Word; 18],
    pub dispatch: [Word; EXCEPTIONS],
    pub save: [Word; EXCEPTIONS],
    pub user: [Word; EXCEPTIONS],
}

/// Bytes of each table, and of what stands before them.
const TABLE_BYTES: usize = EXCEPTIONS * size_of::<Word>();

impl DispatchBlock {
    const fn new() -> DispatchBlock {
        DispatchBlock {
            scratch: [const { Word::new(0) }; SAVE_AREA_BYTES as usize / size_of::<Word>()],
            pid: Word::new(0),
            gate_pid: Word::new(0),
            gate: Word::new(0),
            agate_pid: Word::new(0),
            agate: Word::new(0),
            tlbx: Word::new(0),
            genx: Word::new(0),
            status: Word::new(0),
            refusal: Word::new(0),
            over: Word::new(0),
            unused: [const { Word::new(0) }; 18],
            dispatch: [const { Word::new(0) }; EXCEPTIONS],
            save: [const { Word::new(0) }; EXCEPTIONS],
            user: [const { Word::new(0) }; EXCEPTIONS],
        }
    }
}

/// log2 of the bytes of a block.
pub(super) const BLOCK_SHIFT: u32 = 9;

/// All blocks. The alignment lets an environment number be inserted into their address with one instruction.
#[repr(C, align(65536))]
pub(super) struct DispatchBlocks([DispatchBlock; ENVS]);

pub(super) static BLOCKS: DispatchBlocks = DispatchBlocks([const { DispatchBlock::new() }; ENVS]);

/// Which block counts, and the kernel's own. They stand together so that the vectors reach all with one address, and the words
/// behind the block with one upper half.
#[repr(C)]
pub(super) struct Dispatcher {
    /// The kernel's own block: every exception that it takes is a fault of its own.
    pub kernel_block: DispatchBlock,
    /// Address of the block from which exceptions are dispatched now.
    pub current: Word,
    /// Address of the block of the environment that runs when the kernel is left.
    pub resume: Word,
    /// Address of the block of the environment that has the current slice; 0: whoever runs has it. Asynchronous transfers set it.
    pub holder: Word,
}

pub(super) static DISPATCHER: Dispatcher = Dispatcher {
    kernel_block: DispatchBlock::new(),
    current: Word::new(0),
    resume: Word::new(0),
    holder: Word::new(0),
};

// What the vectors take for granted.
const _: () = {
    assert!(offset_of!(DispatchBlock, scratch) == 0);
    assert!(offset_of!(DispatchBlock, dispatch) == TABLE_BYTES && TABLE_BYTES == 128);
    assert!(size_of::<DispatchBlock>() == 1 << BLOCK_SHIFT && size_of::<DispatchBlocks>() <= 1 << 16);
    assert!(size_of::<Dispatcher>() == 2 * size_of::<DispatchBlock>());
};

// Names for who watches from outside (`./x tlb`): where the address of the block of the environment that runs stands, and where
// in a block the environment's name.
global_asm!(
    ".globl watch_resume",
    ".set   watch_resume, {DISPATCHER} + {RESUME}",
    ".globl watch_pid",
    ".set   watch_pid, {PID}",
    DISPATCHER = sym DISPATCHER,
    RESUME = const offset_of!(Dispatcher, resume),
    PID = const offset_of!(DispatchBlock, pid),
);

fn address<T>(object: &'static T) -> u32 {
    core::ptr::from_ref(object) as u32
}

/// Fills the kernel's own block and makes it the current one.
pub(super) fn init() {
    let block = &DISPATCHER.kernel_block;
    for code in 0..EXCEPTIONS {
        block.dispatch[code].set(vectors::kernel_fault());
        block.save[code].set(address(block));
        block.user[code].set(vectors::kernel_fault());
    }
    // The kernel is interrupted only while it waits.
    block.dispatch[code::INTERRUPT].set(vectors::interrupt());
    block.tlbx.set(address(block));
    block.genx.set(address(block));
    DISPATCHER.current.set(address(block));
    for number in 0..ENVS {
        set_block(number, None);
    }
    DISPATCHER.resume.set(address(&BLOCKS.0[0]));
}

/// A name that leads to another block than that of `number`, so that no name given for this one is equal to it.
fn nobody(number: usize) -> u32 {
    (number as u32 ^ 1) << Native::ASID_SHIFT
}

/// Sets what exceptions of environment `number` are dispatched from; `None`: there is no such environment.
pub fn set_block(number: usize, block: Option<&Block>) {
    let words = &BLOCKS.0[number];
    words.gate_pid.set(nobody(number));
    words.agate_pid.set(nobody(number));
    let Some(block) = block else {
        words.pid.set(0);
        words.status.set(cp0::USER_STATUS);
        words.over.set(0);
        return;
    };
    let unhandled = vectors::unhandled();
    let save = |area: Option<u32>| area.map_or(address(words), |physical| KSEG0 + physical);
    words.tlbx.set(save(block.tlbx));
    words.genx.set(save(block.genx));
    for code in 0..EXCEPTIONS {
        let is_miss = matches!(code, code::TLB_LOAD | code::TLB_STORE);
        let area = if is_miss { block.tlbx } else { block.genx };
        let handler = block.xh[code];
        let handler = if handler == 0 || area.is_none() { unhandled } else { handler };
        let dispatch = match code {
            code::INTERRUPT => vectors::interrupt(),
            code::TLB_LOAD | code::TLB_STORE => vectors::tlb_invalid(),
            code::SYSCALL => call(words),
            code::RESERVED_INSTRUCTION => vectors::reserved_instruction().unwrap_or(handler),
            _ => handler,
        };
        words.user[code].set(handler);
        words.dispatch[code].set(dispatch);
        words.save[code].set(if dispatch >= KSEG0 { address(words) } else { save(area) });
    }
    // Of other exceptions a program does not see BadVAddr, which may be another's.
    for (code, place) in vectors::with_address() {
        if words.dispatch[code].get() < KSEG0 {
            words.dispatch[code].set(place);
            words.save[code].set(address(words));
        }
    }
    words.refusal.set(block.refusal as u32);
    words.gate.set(block.gate);
    words.agate.set(block.agate);
    words.pid.set(block.pid.0);
    if block.gate != 0 {
        words.gate_pid.set(block.pid.0);
    }
    if block.agate != 0 {
        words.agate_pid.set(block.pid.0);
    }
}

/// Where system calls go. After the end of a slice, that is by way of code that keeps transfers; while the floating-point unit is on,
/// of code that turns it off before a transfer.
fn call(block: &DispatchBlock) -> u32 {
    if block.over.get() != 0 {
        return vectors::call_over();
    }
    if block.status.get() == cp0::USER_STATUS { vectors::call() } else { vectors::call_fpu() }
}

/// Turns the floating-point unit on or off for the environment that runs when the kernel is left.
pub fn set_fpu(on: bool) {
    let block = &BLOCKS.0[current()];
    let status = if on { cp0::USER_STATUS | cp0::FPU_USABLE } else { cp0::USER_STATUS };
    if block.status.get() != status {
        block.status.set(status);
        block.dispatch[code::SYSCALL].set(call(block));
        cp0::set_returning_status(status);
    }
}

/// Is the floating-point unit on for an environment that runs?
pub(super) fn has_fpu_on(number: usize) -> bool {
    BLOCKS.0[number].status.get() != cp0::USER_STATUS
}

/// Status of the environment that runs when the kernel is left. (On MIPS32 the assembly reads it.)
#[cfg(target_vendor = "dec")]
pub(super) fn status() -> u32 {
    BLOCKS.0[current()].status.get()
}

/// Notes whether the slice of the current environment is over.
pub fn set_over(over: bool) {
    let block = &BLOCKS.0[current()];
    if block.over.get() != u32::from(over) {
        block.over.set(over.into());
        if block.pid.get() != 0 {
            block.dispatch[code::SYSCALL].set(call(block));
        }
    }
}

/// The environment that runs when the kernel is left.
#[inline]
pub fn current() -> usize {
    number(DISPATCHER.resume.get())
}

/// Who has the current slice, if not whoever runs.
pub fn holder() -> Option<usize> {
    Some(DISPATCHER.holder.get()).filter(|&block| block != 0).map(number)
}

/// Notes who has the current slice; `None`: whoever runs.
pub fn set_holder(number: Option<usize>) {
    DISPATCHER.holder.set(number.map_or(0, |number| address(&BLOCKS.0[number])));
}

/// The environment whose block is at this address.
#[inline]
fn number(block: u32) -> usize {
    block as usize >> BLOCK_SHIFT & (ENVS - 1)
}

/// Makes `number` the environment that runs when the kernel is left, with the floating-point unit off.
pub fn set_current(number: usize) {
    set_fpu(false);
    let block = &BLOCKS.0[number];
    DISPATCHER.resume.set(address(block));
    let pid = block.pid.get();
    // The pid is laid out so that its bits serve both registers.
    cp0::set_entry_hi(pid);
    cp0::set_context(pid);
    cp0::hazard();
}
