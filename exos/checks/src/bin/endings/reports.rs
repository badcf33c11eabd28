//! Ends in the midst of the report of another end.

use core::fmt::{Display, Formatter, Result};
use exos::abi::calls::Number;
use exos::abi::interrupts::TIMER;
use exos::{Cell, interrupts};
use exos_checks::raw::calls::{call, load};

/// Panics when it is displayed, with what it holds as the message.
pub struct Panics<T>(pub T);

impl<T: Display> Display for Panics<T> {
    fn fmt(&self, _: &mut Formatter<'_>) -> Result {
        panic!("this panic in a message is on purpose: {}", self.0)
    }
}

/// Raises an exception when it is displayed.
pub struct Raises;

impl Display for Raises {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        load(8).fmt(f)
    }
}

/// The exception is about to come.
static RAISED: Cell<bool> = Cell::new(false);
/// Ticks since.
static TICKS: Cell<u32> = Cell::new(0);
/// The tick at which the program panics. By then the report has begun to print, whenever the first
/// tick comes.
const LATE: u32 = 3;

/// The report takes longer than some ticks, and what the program does at one of them panics.
pub fn panic_in_the_report_of_an_exception() -> ! {
    fn tick(_: [u32; 3]) {
        TICKS.set(TICKS.get() + u32::from(RAISED.get()));
        assert!(TICKS.get() < LATE, "this panic in an interrupt handler is on purpose");
        ask();
    }
    fn ask() {
        call(Number::timer, [1, 0, 0, 0]).expect("the call has no errors");
    }
    interrupts::handle(TIMER, Some(tick));
    ask();
    RAISED.set(true);
    load(8);
    exos::exit(0)
}
