//! The processor's timer: Count goes up, and where it meets Compare, there is an interrupt.

use super::cp0;

/// Lets the timer tick every `period` counts from now on.
pub fn start(period: u32) {
    cp0::set_compare(cp0::count().wrapping_add(period));
    cp0::hazard();
}

/// Withdraws the request, and sets out for the next tick. A tick that is over already, since the host was late, is left out: else
/// the next would be a whole turn of Count away.
pub fn acknowledge(period: u32) {
    let mut next = cp0::compare();
    loop {
        next = next.wrapping_add(period);
        cp0::set_compare(next);
        cp0::hazard();
        if (next.wrapping_sub(cp0::count()) as i32) > 0 {
            return;
        }
    }
}

/// Withdraws the request, and no more.
pub fn withdraw() {
    cp0::set_compare(cp0::compare());
    cp0::hazard();
}
