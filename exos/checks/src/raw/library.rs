//! Places in the library's own code.

use super::calls::load;
use core::ops::Range;

unsafe extern "C" {
    fn exos_window_exception();
    fn exos_exception();
    fn exos_exception_end();
    fn exos_interrupt_resume();
    fn exos_interrupt_end();
}

/// A window through which programs are resumed: how long all of them are, one behind the other.
const WINDOWS_BYTES: u32 = 4 * 32;

fn address(place: unsafe extern "C" fn()) -> u32 {
    place as usize as u32
}

/// The code at whose every instruction a program may be interrupted on its way back: the windows, the stub for exceptions, and what the
/// stub for interrupts loads.
pub fn ways_back() -> [Range<u32>; 3] {
    let windows = address(exos_window_exception);
    [
        windows..windows + WINDOWS_BYTES,
        address(exos_exception)..address(exos_exception_end),
        address(exos_interrupt_resume)..address(exos_interrupt_end),
    ]
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
    let place = address.checked_sub(ways_back()[0].start)? / 32;
    ["exception", "miss", "miss of the page table", "interrupt"].get(place as usize).copied()
}
