//! The machines that Aegis runs on, as the host tool tells them apart.

use crate::board::Emulator;
use crate::{decstation, malta};
use clap::ValueEnum;
use std::fmt;

/// A machine: a board, its processor, and the emulator that has both.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, ValueEnum)]
pub enum Machine {
    /// MIPS Malta, a MIPS32r2 processor, under QEMU
    #[default]
    Malta,
    /// DECstation 5000/200, an R3000, the machine of the thesis, under GXemul
    Decstation,
}

/// Where a processor enters the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Vectors {
    /// On a miss of the TLB.
    pub refill: u32,
    /// On all other exceptions.
    pub general: u32,
}

impl Machine {
    /// All machines.
    pub const ALL: [Machine; 2] = [Machine::Malta, Machine::Decstation];

    /// The name on command lines and in front of tests.
    pub fn name(self) -> &'static str {
        match self {
            Machine::Malta => "malta",
            Machine::Decstation => "decstation",
        }
    }

    /// How its emulator is started and watched.
    pub fn emulator(self) -> &'static dyn Emulator {
        match self {
            Machine::Malta => &malta::Qemu,
            Machine::Decstation => &decstation::Gxemul,
        }
    }

    /// Its vectors.
    pub fn vectors(self) -> Vectors {
        match self {
            Machine::Malta => Vectors { refill: 0x8000_0000, general: 0x8000_0180 },
            Machine::Decstation => Vectors { refill: 0x8000_0000, general: 0x8000_0080 },
        }
    }

    /// Does its processor have the instructions of MIPS I alone?
    pub fn is_mips1(self) -> bool {
        self == Machine::Decstation
    }

    /// Arguments with which cargo builds for it: `core` and `alloc` too, since no toolchain brings them along.
    pub fn cargo_arguments<'a>(self) -> impl Iterator<Item = &'a str> {
        let target: &[&'a str] = match self {
            Machine::Malta => &["mipsel-unknown-none"],
            Machine::Decstation => &["mipsel-dec-none.json", "-Zjson-target-spec"],
        };
        let core = ["-Zbuild-std=core,alloc", "-Zbuild-std-features=compiler-builtins-mem"];
        ["--release", "--target"].into_iter().chain(target.iter().copied()).chain(core)
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
