//! The processor's timer: Count goes up, and where it meets Compare, there is an interrupt.
//!
//! Compare is written in two places only: by `comparator::arm`, which sees to it that it is not
//! behind Count, and where no tick is wanted.

use super::cp0;
use aegis_kernel::comparator::{Comparator, arm};

/// Count, Compare, and the timer's request.
struct Timer;

impl Comparator for Timer {
    fn count(&self) -> u32 {
        cp0::count()
    }

    fn compare(&self) -> u32 {
        cp0::compare()
    }

    fn set_compare(&self, value: u32) {
        cp0::set_compare(value);
        cp0::hazard();
    }

    fn is_requested(&self) -> bool {
        /// Cause.TI.
        const TIMER_INTERRUPT: u32 = 1 << 30;
        cp0::cause() & TIMER_INTERRUPT != 0
    }
}

/// Lets the timer tick every `period` counts, the first time so many `earlier`.
pub fn start(earlier: u32, period: u32) {
    arm(&Timer, Timer.count().wrapping_sub(earlier), period);
}

/// Withdraws the request and sets out for the next tick. How many ticks there were: those too that
/// have passed while the processor was not interrupted.
pub fn acknowledge(period: u32) -> u32 {
    arm(&Timer, Timer.compare(), period)
}

/// Counts until the timer ticks; 0: it has, and is not answered yet.
pub fn until_tick() -> u32 {
    let ahead = Timer.compare().wrapping_sub(Timer.count());
    // Behind Count, Compare has been met.
    if ahead > 1 << 31 { 0 } else { ahead }
}

/// Withdraws the request, and no more: no tick is wanted.
pub fn withdraw() {
    Timer.set_compare(Timer.compare());
}
