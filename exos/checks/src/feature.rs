//! What not every machine can show. A test that [`needs`] it is skipped on a machine without, which is found out at run time
//! from the names in the kernel's information page: the tests are the same for all machines.

use crate::tap::{NotPassed, Outcome};
use exos::machine::{info, text};

/// Something that a processor or its emulator may lack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Feature {
    /// Instructions that trap on a condition, as `teq`.
    Traps,
    /// Code in MIPS16e, at odd addresses.
    Mips16e,
    /// An exception when `addi` overflows upwards.
    AddiOverflow,
    /// Moves from and to coprocessor 0 are the kernel's alone.
    PrivilegedMoves,
    /// An exception at a jump to an address that is no multiple of 4.
    MisalignedFetch,
    /// Exceptions of floating-point operations.
    FloatExceptions,
    /// Interrupts between any two instructions.
    FineInterrupts,
    /// A clock that tells how much of a tick has passed, and how many have.
    FineClock,
}

impl Feature {
    /// Why this machine lacks it; `None` if it has it.
    pub fn lack(self) -> Option<&'static str> {
        let info = info();
        let is_mips1 = matches!(text(&info.processor), "MIPS R2000" | "MIPS R3000" | "a MIPS I processor");
        let is_decstation = text(&info.board).starts_with("DECstation");
        // The one emulator of this board. (On hardware these would be there; nobody has tried.)
        let is_gxemul = is_decstation;
        match self {
            Feature::Traps => is_mips1.then_some("MIPS I has no trap instructions"),
            Feature::Mips16e => is_mips1.then_some("MIPS I has no MIPS16e"),
            Feature::AddiOverflow => is_gxemul.then_some("GXemul raises no exception when addi overflows upwards"),
            Feature::PrivilegedMoves => is_gxemul.then_some("GXemul lets programs use mfc0 and mtc0"),
            Feature::FloatExceptions => is_gxemul.then_some("GXemul raises no floating-point exceptions"),
            Feature::FineInterrupts => is_gxemul
                .then_some("GXemul runs up to five loads or stores in a row as one, and interrupts none of them"),
            Feature::FineClock => {
                is_decstation.then_some("the DECstation's clocks tell neither parts of ticks nor how many have passed")
            }
            Feature::MisalignedFetch => is_gxemul.then_some("GXemul ignores the two low bits of a jump's target"),
        }
    }
}

/// Ends the test as skipped where the machine lacks `feature`.
pub fn needs(feature: Feature) -> Outcome {
    match feature.lack() {
        Some(why) => Err(NotPassed::Skipped(why)),
        None => Ok(()),
    }
}
