//! The numbers that the assembly needs: register numbers as the assembler wants them, offsets in what Rust defines.

use super::dispatch::{DispatchBlock, Dispatcher, code};
use super::fault::Registers;
use crate::info::InfoPage;
use aegis_abi::Info;
use aegis_abi::info::Counters;
use aegis_abi::limits::{EXCEPTIONS, GUARANTEED_END};
use core::mem::offset_of;

/// Bytes of a word.
pub(super) const WORD: usize = 4;

/// Offset of the table `dispatch` in a block.
pub(super) const DISPATCH: usize = offset_of!(DispatchBlock, dispatch);
/// Offset of the table `save` in a block.
pub(super) const SAVE: usize = offset_of!(DispatchBlock, save);
/// Offset of the table `user` in a block.
pub(super) const USER: usize = offset_of!(DispatchBlock, user);
/// Offset of the address of the save area for TLB misses in a block.
pub(super) const TLBX: usize = offset_of!(DispatchBlock, tlbx);
/// Offset of the address of the save area for other exceptions in a block.
pub(super) const GENX: usize = offset_of!(DispatchBlock, genx);
/// Offset of the Status to return with in a block.
pub(super) const STATUS: usize = offset_of!(DispatchBlock, status);
/// Offset of the name in a block.
pub(super) const PID: usize = offset_of!(DispatchBlock, pid);

/// Offset of the name to compare with at a synchronous transfer.
pub(super) const GATE_PID: usize = offset_of!(DispatchBlock, gate_pid);
/// Offset of where that arrives.
pub(super) const GATE: usize = offset_of!(DispatchBlock, gate);
/// Offset of the name to compare with at an asynchronous transfer.
pub(super) const AGATE_PID: usize = offset_of!(DispatchBlock, agate_pid);
/// Offset of where that arrives.
pub(super) const AGATE: usize = offset_of!(DispatchBlock, agate);
/// Offset of why transfers are refused.
pub(super) const REFUSAL: usize = offset_of!(DispatchBlock, refusal);

/// Offset of the current block's address in the dispatcher. The kernel's own block stands at its start.
pub(super) const CURRENT: usize = offset_of!(Dispatcher, current);
/// Offset in the dispatcher of the address of the block to resume.
pub(super) const RESUME: usize = offset_of!(Dispatcher, resume);
/// Offset in the dispatcher of the block of who has the current slice.
pub(super) const HOLDER: usize = offset_of!(Dispatcher, holder);
const _: () = assert!(offset_of!(Dispatcher, kernel_block) == 0);

/// The exception code in Cause, which so is an offset in a table of a block.
pub(super) const CODE_MASK: usize = (EXCEPTIONS - 1) * WORD;

/// In a table of a block: the word for `syscall`.
pub(super) const SYSCALL: usize = code::SYSCALL * WORD;

/// Address bits within the guaranteed segment.
pub(super) const GUARANTEED_SHIFT: u32 = GUARANTEED_END.trailing_zeros();
const _: () = assert!(GUARANTEED_END.is_power_of_two());

/// Offset in the information page of the counter of refills from the overflow buffer.
pub(super) const COUNT_OVERFLOW: usize = offset_of!(Info, counters) + offset_of!(Counters, overflow);
/// Offset in the information page of the counter of misses handed to the application.
pub(super) const COUNT_UPCALLS: usize = offset_of!(Info, counters) + offset_of!(Counters, upcalls);
const _: () = assert!(align_of::<InfoPage>() >= size_of::<Info>());

/// Offset of register `n` in [`Registers`].
pub(super) const fn register(n: usize) -> usize {
    offset_of!(Registers, r) + n * WORD
}
