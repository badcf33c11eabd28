//! Dispatch blocks: from what exceptions and calls are dispatched. The vectors read them at any time.
//!
//! A block has three tables with a word for each exception code, so that the code, already scaled by 4 in Cause, is all that
//! a vector adds to the block's address:
//! - `dispatch`: where to go. A program's handler, or, with the sign bit set, code of the kernel's;
//! - `save`: the save area that goes with a program's handler. With code of the kernel's goes a scratch word, so that a vector
//!   may save the first register before it looks where to go;
//! - `user`: the program's handler, for exceptions that pass through the kernel first.
//!
//! Then come the save areas for those, and the words that a protected control transfer needs.

use super::family::{cp0, vectors};
use crate::memory::KSEG0;
use aegis_abi::limits::{ENVS, EXCEPTIONS, SAVE_AREA_BYTES};
use aegis_kernel::Block;
use core::mem::offset_of;
use stlb::Word;

/// Exception codes of the register Cause that the kernel treats apart.
pub(super) mod code {
    pub const INTERRUPT: usize = 0;
    pub const TLB_LOAD: usize = 2;
    pub const TLB_STORE: usize = 3;
    pub const SYSCALL: usize = 8;
    pub const RESERVED_INSTRUCTION: usize = 10;
}

/// The block of one environment.
#[repr(C, align(512))]
pub(super) struct DispatchBlock {
    pub dispatch: [Word; EXCEPTIONS],
    pub save: [Word; EXCEPTIONS],
    pub user: [Word; EXCEPTIONS],
    /// The save area for TLB misses.
    pub tlbx: Word,
    /// The save area for other exceptions.
    pub genx: Word,
    /// The environment's name: to be compared by a transfer, and loaded into EntryHi and Context. 0: no environment.
    pub pid: Word,
}

impl DispatchBlock {
    const fn new() -> DispatchBlock {
        DispatchBlock {
            dispatch: [const { Word::new(0) }; EXCEPTIONS],
            save: [const { Word::new(0) }; EXCEPTIONS],
            user: [const { Word::new(0) }; EXCEPTIONS],
            tlbx: Word::new(0),
            genx: Word::new(0),
            pid: Word::new(0),
        }
    }
}

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
    /// What a program had in `k0` when it was interrupted, to be put back.
    pub k0: Word,
    /// Goes with code of the kernel's in place of a save area. Never read.
    pub scratch: [Word; SAVE_AREA_BYTES as usize / size_of::<Word>()],
}

pub(super) static DISPATCHER: Dispatcher = Dispatcher {
    kernel_block: DispatchBlock::new(),
    current: Word::new(0),
    resume: Word::new(0),
    k0: Word::new(0),
    scratch: [const { Word::new(0) }; SAVE_AREA_BYTES as usize / size_of::<Word>()],
};

// What the vectors take for granted.
const _: () = {
    assert!(offset_of!(DispatchBlock, dispatch) == 0);
    assert!(size_of::<DispatchBlock>() == 512 && size_of::<DispatchBlocks>() <= 1 << 16);
    assert!(EXCEPTIONS * size_of::<Word>() == 128);
    assert!(size_of::<Dispatcher>() == 2 * size_of::<DispatchBlock>());
};

fn address<T>(object: &'static T) -> u32 {
    core::ptr::from_ref(object) as u32
}

/// Fills the kernel's own block and makes it the current one.
pub(super) fn init() {
    for code in 0..EXCEPTIONS {
        DISPATCHER.kernel_block.dispatch[code].set(vectors::kernel_fault());
        DISPATCHER.kernel_block.save[code].set(address(&DISPATCHER.scratch));
        DISPATCHER.kernel_block.user[code].set(vectors::kernel_fault());
    }
    DISPATCHER.kernel_block.tlbx.set(address(&DISPATCHER.scratch));
    DISPATCHER.kernel_block.genx.set(address(&DISPATCHER.scratch));
    DISPATCHER.current.set(address(&DISPATCHER.kernel_block));
    for number in 0..ENVS {
        set_block(number, None);
    }
}

/// Sets what exceptions of environment `number` are dispatched from; `None`: there is no such environment.
pub fn set_block(number: usize, block: Option<&Block>) {
    let words = &BLOCKS.0[number];
    let Some(block) = block else {
        words.pid.set(0);
        return;
    };
    let unhandled = vectors::unhandled();
    let scratch = address(&DISPATCHER.scratch);
    let save = |area: Option<u32>| area.map_or(scratch, |physical| KSEG0 + physical);
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
            code::SYSCALL => vectors::call(),
            code::RESERVED_INSTRUCTION => vectors::reserved_instruction().unwrap_or(handler),
            _ => handler,
        };
        words.user[code].set(handler);
        words.dispatch[code].set(dispatch);
        words.save[code].set(if dispatch >= KSEG0 { scratch } else { save(area) });
    }
    words.pid.set(block.pid.0);
}

/// Makes `number` the environment that runs when the kernel is left.
pub fn set_current(number: usize) {
    let block = &BLOCKS.0[number];
    DISPATCHER.resume.set(address(block));
    let pid = block.pid.get();
    // The pid is laid out so that its bits serve both registers.
    cp0::set_entry_hi(pid);
    cp0::set_context(pid);
    cp0::hazard();
}
