//! Why the interpreter stops.

use core::fmt;

/// An instruction that the interpreter does not execute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Its address.
    pub at: u32,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong with an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// There is none at this address.
    Fetch,
    /// This word is not in the subset, for this processor.
    Reserved(u32),
    /// It is an `add` whose sum does not fit into a signed word: an exception within the exception.
    Overflow,
    /// It uses this address, which is no multiple of 4.
    Unaligned(u32),
    /// It loads from this address, where nothing may be read.
    Load(u32),
    /// It stores to this address, where nothing may be written.
    Store(u32),
    /// It uses this register of coprocessor 0, which is not there, or writes it although it can only be read.
    Cp0(u8),
    /// It is a branch, or `eret`, in a delay slot.
    BranchInDelaySlot,
    /// It uses this register, which the instruction right before it loads (MIPS I).
    LoadDelay(u8),
    /// It writes the TLB with no barrier since the last `mtc0` (MIPS32).
    Hazard,
    /// It is an `eret`, but Status shows no exception, or an error (ERL).
    NoException,
    /// It would be one more than this many, which is the limit.
    Limit(u64),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "at {:#010x}: ", self.at)?;
        match self.reason {
            Reason::Fetch => write!(f, "nothing to execute"),
            Reason::Reserved(word) => write!(f, "{word:#010x} is no instruction of the interpreter's subset"),
            Reason::Overflow => write!(f, "a sum that overflows"),
            Reason::Unaligned(address) => write!(f, "{address:#010x} is not aligned"),
            Reason::Load(address) => write!(f, "a load from {address:#010x}, where nothing may be read"),
            Reason::Store(address) => write!(f, "a store to {address:#010x}, where nothing may be written"),
            Reason::Cp0(number) => write!(f, "coprocessor 0 has no register {number} that can be used like this"),
            Reason::BranchInDelaySlot => write!(f, "a branch in a delay slot"),
            Reason::LoadDelay(register) => write!(f, "register {register} is used in its load delay slot"),
            Reason::Hazard => write!(f, "a TLB write without ehb since the last mtc0"),
            Reason::NoException => write!(f, "eret, but Status shows no exception to return from"),
            Reason::Limit(limit) => write!(f, "still running after {limit} instructions"),
        }
    }
}

impl core::error::Error for Fault {}
