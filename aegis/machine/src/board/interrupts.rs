//! Interrupts: what can cause one, and what one reports. A board supplies the rest.
//!
//! All are off until they are enabled. They are taken while a program runs, or nobody does, never in the kernel otherwise.

use core::str::FromStr;

pub use super::this::interrupts::{LINES, enable, handle};

/// A device that can interrupt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// A clock that ticks in real time.
    RealTimeClock,
    /// A clock that ticks whenever so many instructions were executed, so that each run of a program is like the last.
    InstructionClock,
    /// Input on the console.
    Input,
}

/// Ticks a second of the clock in real time. What Ultrix used.
pub(super) const REAL_TIME_RATE: u32 = 256;

/// Ticks a second of a clock; 0 if it does not count time.
pub fn rate(clock: Source) -> u32 {
    if clock == Source::RealTimeClock { REAL_TIME_RATE } else { 0 }
}

impl FromStr for Source {
    type Err = ();

    /// The name of a clock on the kernel's command line.
    fn from_str(name: &str) -> Result<Source, ()> {
        match name {
            "rtc" => Ok(Source::RealTimeClock),
            "deterministic" => Ok(Source::InstructionClock),
            _ => Err(()),
        }
    }
}

/// What an interrupt reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// The clock has ticked.
    Tick,
    /// The console has received something, which is to be taken, or its interrupt turned off.
    Input,
}
