//! Exceptions: the processor's causes, and the context that a handler gets.
//!
//! A handler is a plain function. It runs on the exception stack, in user mode like everything else, may change what it
//! likes in the [`Context`], and returns; the program then continues with the changed context, without the kernel.

use crate::branch;
use core::ops::{Index, IndexMut};

#[cfg(target_os = "none")]
pub use crate::rt::dispatch::{handle, handle_raw, unhandle};

macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        /// What raised an exception: the field ExcCode of the register Cause.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Cause { $($(#[$doc])* $name = $code,)* }

        impl Cause {
            /// Every cause.
            pub const ALL: &[Cause] = &[$(Cause::$name),*];

            /// The cause with this code.
            pub const fn from_code(code: u32) -> Option<Cause> {
                match code { $($code => Some(Cause::$name),)* _ => None }
            }

            /// What happened, in a few words.
            pub const fn text(self) -> &'static str {
                match self { $(Cause::$name => $text,)* }
            }
        }
    };
}

causes! {
    /// A store to a page that is not writable.
    Modified = 1, "store to a read-only page";
    /// A load or an instruction fetch from a page without a mapping.
    TlbLoad = 2, "segmentation fault on load or fetch";
    /// A store to a page without a mapping.
    TlbStore = 3, "segmentation fault on store";
    /// A misaligned load, or one from outside user space.
    AddressLoad = 4, "address error on load or fetch";
    /// A misaligned store, or one to outside user space.
    AddressStore = 5, "address error on store";
    /// A bus error on an instruction fetch.
    BusFetch = 6, "bus error on fetch";
    /// A bus error on a load or store.
    BusData = 7, "bus error on data";
    /// A `syscall` with a number that is not Aegis' own.
    Syscall = 8, "system call of another system";
    /// `break`.
    Breakpoint = 9, "breakpoint";
    /// A reserved instruction.
    Reserved = 10, "reserved instruction";
    /// An instruction of a coprocessor that the program may not use. (The floating-point unit, coprocessor 1, it may: the library has turned
    /// it on, if the processor has it, before a handler is called.)
    Coprocessor = 11, "coprocessor unusable";
    /// Overflow in a trapping addition or subtraction.
    Overflow = 12, "integer overflow";
    /// A trap instruction.
    Trap = 13, "trap";
    /// A floating-point exception.
    FloatingPoint = 15, "floating-point exception";
    /// A watched address.
    Watch = 23, "watchpoint";
    /// The processor found itself inconsistent.
    MachineCheck = 24, "machine check";
}

/// The general registers, by their names in the o32 convention.
#[allow(missing_docs, reason = "the names are the documentation")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
#[rustfmt::skip]
pub enum Register {
    Zero, At, V0, V1, A0, A1, A2, A3, T0, T1, T2, T3, T4, T5, T6, T7,
    S0, S1, S2, S3, S4, S5, S6, S7, T8, T9, K0, K1, Gp, Sp, Fp, Ra,
}

/// The names of the registers, by number.
#[rustfmt::skip]
pub const REGISTER_NAMES: [&str; 32] = [
    "zero", "at", "v0", "v1", "a0", "a1", "a2", "a3", "t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7",
    "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "t8", "t9", "k0", "k1", "gp", "sp", "fp", "ra",
];

/// What a handler may see and change: the program as it was interrupted.
///
/// The entries for `$zero`, `$k0` and `$k1` have no meaning: the first cannot be changed, the others are nobody's.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Context {
    /// The general registers.
    pub registers: [u32; 32],
    /// Upper half of a product, or remainder.
    pub hi: u32,
    /// Lower half of a product, or quotient.
    pub lo: u32,
    /// The instruction that raised the exception, or the branch in whose delay slot it stands; execution continues here.
    pub epc: u32,
    /// The address that could not be accessed, for causes that concern one.
    pub badvaddr: u32,
    /// The processor's register Cause.
    pub cause: u32,
}

impl Context {
    const BRANCH_DELAY: u32 = 1 << 31;

    /// The exception's code, the field ExcCode of Cause.
    pub fn code(&self) -> u32 {
        self.cause >> 2 & 31
    }

    /// The coprocessor that could not be used, if that was the cause.
    pub fn unusable_coprocessor(&self) -> Option<u32> {
        (self.code() == Cause::Coprocessor as u32).then_some(self.cause >> 28 & 3)
    }

    /// Did the instruction stand in a branch delay slot?
    pub fn in_delay_slot(&self) -> bool {
        self.cause & Self::BRANCH_DELAY != 0
    }

    /// The address of the instruction that raised the exception.
    pub fn instruction(&self) -> u32 {
        if self.in_delay_slot() { self.epc.wrapping_add(4) } else { self.epc }
    }

    /// Continues after the instruction that raised the exception; where that is in a branch delay slot, the branch is carried
    /// out. `fetch` reads the instruction at an address.
    ///
    /// # Errors
    /// Where the next instruction cannot be told: see [`CannotSkip`]. The context is then unchanged.
    pub fn skip_with(&mut self, fetch: impl Fn(u32) -> Option<u32>) -> Result<(), CannotSkip> {
        if self.epc & 3 != 0 {
            return Err(CannotSkip::Misaligned);
        }
        if !self.in_delay_slot() {
            self.epc = self.epc.wrapping_add(4);
            return Ok(());
        }
        let word = fetch(self.epc).ok_or(CannotSkip::Unreadable)?;
        let outcome = branch::outcome(word, self.epc, &self.registers).map_err(CannotSkip::Branch)?;
        if let Some((register, value)) = outcome.link {
            self.registers[register] = value;
        }
        self.epc = outcome.next;
        self.cause &= !Self::BRANCH_DELAY;
        Ok(())
    }

    /// Continues after the instruction that raised the exception, also where it stands in a branch delay slot.
    ///
    /// # Errors
    /// Where the next instruction cannot be told; the context is then unchanged.
    #[cfg(target_os = "none")]
    pub fn skip(&mut self) -> Result<(), CannotSkip> {
        self.skip_with(crate::rt::memory::peek)
    }
}

/// Why [`Context::skip_with`] cannot tell the next instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CannotSkip {
    /// The program counter is no multiple of 4: a bad jump, or code in MIPS16e.
    Misaligned,
    /// The branch before the instruction cannot be read.
    Unreadable,
    /// The outcome of the branch is unknown.
    Branch(branch::Unknown),
}

impl core::fmt::Display for CannotSkip {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            CannotSkip::Misaligned => "the program counter is no multiple of 4",
            CannotSkip::Unreadable => "the branch before the delay slot cannot be read",
            CannotSkip::Branch(branch::Unknown::NotABranch) => "there is no branch before the delay slot",
            CannotSkip::Branch(branch::Unknown::Coprocessor) => "the branch depends on a coprocessor",
        })
    }
}

impl core::error::Error for CannotSkip {}

impl Index<Register> for Context {
    type Output = u32;
    fn index(&self, register: Register) -> &u32 {
        &self.registers[register as usize]
    }
}

impl IndexMut<Register> for Context {
    fn index_mut(&mut self, register: Register) -> &mut u32 {
        &mut self.registers[register as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(epc: u32, delay_slot: bool) -> Context {
        let cause = 12 << 2 | if delay_slot { 1 << 31 } else { 0 };
        Context { registers: [0; 32], hi: 0, lo: 0, epc, badvaddr: 0, cause }
    }

    #[test]
    fn skips_a_plain_instruction() {
        let mut c = context(0x100, false);
        assert_eq!(c.skip_with(|_| panic!("nothing to read")), Ok(()));
        assert_eq!(c.epc, 0x104);
    }

    #[test]
    fn carries_out_the_branch_before_a_delay_slot() {
        let mut c = context(0x100, true);
        assert_eq!(c.instruction(), 0x104);
        // jal 0x400
        assert_eq!(c.skip_with(|address| (address == 0x100).then_some(3 << 26 | 0x100)), Ok(()));
        assert_eq!((c.epc, c[Register::Ra], c.in_delay_slot()), (0x400, 0x108, false));
        assert_eq!(c.code(), 12);
    }

    #[test]
    fn says_what_it_cannot_skip() {
        for (epc, delay_slot, word, why) in [
            (0x101, false, Some(0), CannotSkip::Misaligned),
            (0x102, false, Some(0), CannotSkip::Misaligned),
            (0x100, true, None, CannotSkip::Unreadable),
            (0x100, true, Some(0), CannotSkip::Branch(branch::Unknown::NotABranch)),
            (0x100, true, Some(17 << 26 | 8 << 21), CannotSkip::Branch(branch::Unknown::Coprocessor)),
        ] {
            let mut c = context(epc, delay_slot);
            let before = c.clone();
            assert_eq!(c.skip_with(|_| word), Err(why));
            assert_eq!((c.epc, c.cause, c.registers), (before.epc, before.cause, before.registers));
        }
    }

    #[test]
    fn causes_and_codes_agree() {
        for &cause in Cause::ALL {
            assert_eq!(Cause::from_code(cause as u32), Some(cause));
        }
        assert_eq!(Cause::from_code(14), None);
        assert_eq!(REGISTER_NAMES[Register::Ra as usize], "ra");
        assert_eq!(REGISTER_NAMES[Register::T8 as usize], "t8");
    }
}
