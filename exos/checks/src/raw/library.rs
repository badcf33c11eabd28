//! Places in the library's own code.

use super::calls::load;
use core::ops::Range;
use exos::abi::limits::RESUME_WINDOW_BYTES;

unsafe extern "C" {
    fn exos_window_exception();
    fn exos_exception();
    fn exos_exception_end();
    fn exos_interrupt_resume();
    fn exos_interrupt_end();
}

/// How long the windows are at which a program may be called up, one behind the other.
const WINDOWS_BYTES: u32 = 4 * RESUME_WINDOW_BYTES;

fn address(place: unsafe extern "C" fn()) -> u32 {
    place as usize as u32
}

fn windows() -> Range<u32> {
    let start = address(exos_window_exception);
    start..start + WINDOWS_BYTES
}

/// The instructions at which a program may be called up on its way back: the beginnings of the windows, the stub for exceptions, and what the
/// stub for interrupts loads.
pub fn ways_back() -> impl Iterator<Item = u32> {
    let stubs = [
        address(exos_exception)..address(exos_exception_end),
        address(exos_interrupt_resume)..address(exos_interrupt_end),
    ];
    let in_stubs = stubs.into_iter().flat_map(|range| range.step_by(4)).filter(|&place| !in_delay_slot(place));
    windows().step_by(RESUME_WINDOW_BYTES as usize).chain(in_stubs)
}

/// Is the instruction in a branch delay slot? An interrupt there is one at the branch.
pub fn in_delay_slot(address: u32) -> bool {
    let word = load(address - 4);
    match word >> 26 {
        0 => matches!(word & 0x3f, 8 | 9),
        1..8 => true,
        _ => false,
    }
}

/// The name of the window to which an address belongs, if it is one.
pub fn window(address: u32) -> Option<&'static str> {
    let place = address.checked_sub(windows().start)? / RESUME_WINDOW_BYTES;
    ["exception", "miss", "miss of the page table", "interrupt"].get(place as usize).copied()
}
