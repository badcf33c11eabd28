//! Interrupts: of the processor's own timer, and of the console through the interrupt controllers.
//!
//! Under QEMU Count goes up every 6 ns. With `-icount shift=4,sleep=off`, which the host tool gives, an instruction takes 16
//! ns, so that the timer counts instructions.

use super::{console, i8259};
use crate::board::interrupts::{Course, Event, REAL_TIME_RATE, Source};
use crate::cpu::timer;
use aegis_kernel::comparator::Jitter;
use stlb::Word;

/// Line of the timer, as a bit of Cause and Status (IP7).
const TIMER: u32 = 1 << 15;
/// Line of the interrupt controllers (IP2).
const CONTROLLERS: u32 = 1 << 10;
/// Lines of the processor that are used, as bits of Cause and Status.
pub const LINES: u32 = TIMER | CONTROLLERS;
/// The console's input at the controllers.
const CONSOLE: u8 = 4;

/// Nanoseconds that Count takes to go up by one.
const NANOSECONDS_PER_COUNT: u32 = 6;
/// Counts from tick to tick in real time.
const REAL_TIME: u32 = 1_000_000_000 / REAL_TIME_RATE / NANOSECONDS_PER_COUNT;
/// Counts from tick to tick of the clock of instructions: 16,400 of 16 ns, as on the DECstation.
const INSTRUCTIONS: u32 = counts(16_400);
/// Counts in which a tick comes whose clock has a jitter.
const JITTER_RANGE: u32 = counts(64);

/// Counts from tick to tick; 0: the clock is off.
static PERIOD: Word = Word::new(0);
/// State of the clock's [`Jitter`]: its random number.
static RANDOM: Word = Word::new(0);
/// State of the clock's [`Jitter`]: counts by which the last tick came too late.
static LATE: Word = Word::new(0);

/// Counts that so many instructions take.
const fn counts(instructions: u32) -> u32 {
    instructions * 16 / NANOSECONDS_PER_COUNT
}

/// Turns all interrupts off that a boot loader may have left on.
pub(super) fn init() {
    i8259::init();
}

/// Lets a device interrupt.
pub fn enable(source: Source) {
    match source {
        Source::RealTimeClock => start(REAL_TIME, Course::default()),
        Source::InstructionClock(course) => start(INSTRUCTIONS, course),
        Source::Input => {
            console::listen(true);
            i8259::enable(CONSOLE);
        }
    }
}

/// Starts the clock.
fn start(period: u32, Course { phase, jitter }: Course) {
    PERIOD.set(period);
    RANDOM.set(jitter);
    // Short of a whole period, and of the multiplication's end.
    timer::start(counts(phase % (1 << 24)) % period, period);
}

/// Has the last tick been just now: within what an epilogue takes to save registers and to yield, with
/// room to spare? `None`: the clock is off.
pub fn is_prompt() -> Option<bool> {
    /// Of a clock of instructions, so many of them.
    const INSTRUCTIONS_GRACE: u32 = counts(2000);
    /// As many take 80 microseconds at 25 million a second.
    const REAL_TIME_GRACE: u32 = 80_000 / NANOSECONDS_PER_COUNT;
    let (period, grace) = match PERIOD.get() {
        0 => return None,
        REAL_TIME => (REAL_TIME, REAL_TIME_GRACE),
        period => (period, INSTRUCTIONS_GRACE),
    };
    // A tick that is due and not answered yet has all passed.
    let passed = period.saturating_sub(timer::until_tick());
    Some(passed <= grace)
}

/// Counts from the tick that comes now to the next one.
fn next_period(period: u32) -> u32 {
    let (counts, jitter) = Jitter { random: RANDOM.get(), late: LATE.get() }.next(period, JITTER_RANGE);
    RANDOM.set(jitter.random);
    LATE.set(jitter.late);
    counts
}

/// Reports why the processor was interrupted, given Cause, and makes the devices withdraw their requests.
pub fn handle(cause: u32, mut report: impl FnMut(Event)) {
    if cause & TIMER != 0 {
        // Count meets Compare once in a while even if nobody asked for it.
        match PERIOD.get() {
            0 => timer::withdraw(),
            period => report(Event::Ticks(timer::acknowledge(next_period(period)))),
        }
    }
    if cause & CONTROLLERS != 0 {
        let input = i8259::acknowledge();
        if input == CONSOLE {
            report(Event::Input);
        }
        i8259::end(input);
    }
}
