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

static RAISED: Cell<bool> = Cell::new(false);

/// The report takes longer than a tick, and what the program does at a tick panics then.
pub fn panic_in_the_report_of_an_exception() -> ! {
    fn tick(_: [u32; 3]) {
        assert!(!RAISED.get(), "this panic in an interrupt handler is on purpose");
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
