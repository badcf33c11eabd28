//! The processor: giving it up, and time.

use crate::interrupts::{self, giving_up, may_wait};
use crate::rt::cell::Cell;
use crate::rt::{call, park};
use aegis_abi::calls::NEXT;
use aegis_abi::{Error, Pid};

/// Gives up the rest of the slice to whoever has the next one.
///
/// # Panics
/// In a critical section.
#[track_caller]
pub fn yield_now() {
    // It is not refused: it names nobody.
    let _ = giving_up("schedule::yield_now", || park::give_up(NEXT));
}

/// Gives the rest of the slice to an environment.
///
/// # Errors
/// `NoSuchEnvironment`, `NoGate`; `NotStarted`, where it has never run and is another's to start.
///
/// # Panics
/// In a critical section.
#[track_caller]
pub fn yield_to(pid: Pid) -> Result<(), Error> {
    if pid == NEXT {
        // To the kernel it means whoever is next.
        return Err(Error::NoSuchEnvironment);
    }
    giving_up("schedule::yield_to", || park::give_up(pid))
}

/// Ticks of the clock since the machine was started; wraps around at 2^32.
pub fn ticks() -> u32 {
    call::now()
}

/// Ticks a second; `None` where the clock counts something else than time, or there is none.
pub fn rate() -> Option<u32> {
    Some(call::clock_rate()).filter(|&rate| rate != 0)
}

/// Has the time come that [`sleep`] waits for?
static AWAKE: Cell<bool> = Cell::new(false);

/// Waits for so many ticks, and leaves the processor to others. There is one timer: a program that handles its interrupts itself must
/// not sleep.
///
/// # Panics
/// In a critical section, and in an interrupt handler: the timer's interrupt would never come.
#[track_caller]
pub fn sleep(ticks: u32) {
    may_wait("schedule::sleep");
    if ticks == 0 {
        return;
    }
    AWAKE.set(false);
    let before = interrupts::handle(interrupts::TIMER, Some(|_| AWAKE.set(true)));
    call::set_timer(ticks);
    while !AWAKE.get() {
        yield_now();
    }
    interrupts::handle(interrupts::TIMER, before);
}
