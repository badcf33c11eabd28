//! Interrupts: what can cause one, and what one reports. A board supplies the rest.
//!
//! All are off until they are enabled. They are taken while a program runs, or nobody does, never in the kernel otherwise.

use core::str::FromStr;

pub use super::this::interrupts::{LINES, enable, handle, is_prompt};

/// Where the ticks of the clock of instructions fall, at the same rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Course {
    /// Instructions by which the first tick comes earlier; all others follow.
    pub phase: u32,
    /// Seed of what moves each tick by up to 64 instructions; 0: none is moved.
    pub jitter: u32,
}

/// A device that can interrupt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// A clock that ticks in real time.
    RealTimeClock,
    /// A clock that ticks whenever so many instructions were executed, so that each run of a program is like the last.
    InstructionClock(Course),
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

    /// The name of a clock on the kernel's command line; behind that of the clock of instructions, with commas, its course.
    fn from_str(words: &str) -> Result<Source, ()> {
        let (name, course) = words.split_once(',').unwrap_or((words, ""));
        match name {
            "rtc" => Ok(Source::RealTimeClock),
            "deterministic" => course.parse().map(Source::InstructionClock),
            _ => Err(()),
        }
    }
}

impl FromStr for Course {
    type Err = ();

    /// Words as `phase=N` and `jitter=SEED`, with commas between.
    fn from_str(words: &str) -> Result<Course, ()> {
        let mut course = Course::default();
        for word in words.split(',').filter(|word| !word.is_empty()) {
            let (name, value) = word.split_once('=').ok_or(())?;
            let value = value.parse().map_err(|_| ())?;
            match name {
                "phase" => course.phase = value,
                "jitter" => course.jitter = value,
                _ => return Err(()),
            }
        }
        Ok(course)
    }
}

/// What an interrupt reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// The clock has ticked, so many times since it was reported last.
    Ticks(u32),
    /// The console has received something, which is to be taken, or its interrupt turned off.
    Input,
}
