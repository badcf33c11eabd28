//! Interrupts: of the processor's own timer. There is no driver for input yet.
//!
//! Under QEMU Count goes up every 6 ns. With `-icount shift=4,sleep=off`, which the host tool gives, an instruction takes 16
//! ns, so that the timer counts instructions.

use crate::board::interrupts::{Event, Missing, Source};
use crate::cpu::timer;
use stlb::Word;

/// Line of the timer, as a bit of Cause and Status (IP7).
const TIMER: u32 = 1 << 15;
/// Lines of the processor that are used, as bits of Cause and Status.
pub const LINES: u32 = TIMER;

/// Nanoseconds that Count takes to go up by one.
const NANOSECONDS_PER_COUNT: u32 = 6;
/// Counts from tick to tick in real time: 256 ticks a second.
const REAL_TIME: u32 = 1_000_000_000 / 256 / NANOSECONDS_PER_COUNT;
/// Counts from tick to tick of the clock of instructions: 16,400 of 16 ns, as on the DECstation.
const INSTRUCTIONS: u32 = 16_400 * 16 / NANOSECONDS_PER_COUNT;

/// Counts from tick to tick; 0: the clock is off.
static PERIOD: Word = Word::new(0);

/// Lets a device interrupt.
pub fn enable(source: Source) -> Result<(), Missing> {
    let period = match source {
        Source::RealTimeClock => REAL_TIME,
        Source::InstructionClock => INSTRUCTIONS,
        Source::Input => return Err(Missing),
    };
    PERIOD.set(period);
    timer::start(period);
    Ok(())
}

/// Reports why the processor was interrupted, given Cause, and makes the timer withdraw its request.
pub fn handle(cause: u32, mut report: impl FnMut(Event)) {
    if cause & TIMER == 0 {
        return;
    }
    // Count meets Compare once in a while even if nobody asked for it.
    match PERIOD.get() {
        0 => timer::withdraw(),
        period => {
            timer::acknowledge(period);
            report(Event::Tick);
        }
    }
}
