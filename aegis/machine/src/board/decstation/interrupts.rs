//! Interrupts. The real-time clock has a line of the processor to itself; all other devices share one, and the system control
//! and status register tells them apart.

use super::csr::Device;
use super::{console, csr, lance_timer, rtc};
use crate::board::interrupts::{Course, Event, Source};

/// Line of the devices behind the system control and status register, as a bit of Cause and Status (IP2).
const SYSTEM: u32 = 1 << 10;
/// Line of the real-time clock (IP3).
const CLOCK: u32 = 1 << 11;
/// Lines of the processor that are used, as bits of Cause and Status.
pub const LINES: u32 = SYSTEM | CLOCK;

/// Turns all interrupts off that the PROM may have left on.
pub(super) fn init() {
    csr::disable_all();
    rtc::stop();
}

/// Lets a device interrupt.
pub fn enable(source: Source) {
    match source {
        Source::RealTimeClock => rtc::start(),
        Source::InstructionClock(course) => {
            if course != Course::default() {
                log::warn!("this board's clock of instructions has neither phase nor jitter");
            }
            lance_timer::start();
            csr::enable(Device::Lance);
        }
        Source::Input => {
            console::listen(true);
            csr::enable(Device::Serial);
        }
    }
}

/// Has the last tick been just now? The board has no clock that would tell.
pub fn is_prompt() -> Option<bool> {
    None
}

/// Reports why the processor was interrupted, given Cause, and makes the devices withdraw their requests. Neither clock says whether it has
/// ticked more than once.
pub fn handle(cause: u32, mut report: impl FnMut(Event)) {
    if cause & CLOCK != 0 && rtc::acknowledge() {
        report(Event::Ticks(1));
    }
    if cause & SYSTEM != 0 {
        if csr::is_pending(Device::Lance) {
            lance_timer::acknowledge();
            report(Event::Ticks(1));
        }
        if csr::is_pending(Device::Serial) {
            report(Event::Input);
        }
    }
}
