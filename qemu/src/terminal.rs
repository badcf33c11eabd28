//! The terminal as it was before the emulator changed it, and Ctrl-C.

use anyhow::{Context, Result};
use rustix::fs::OFlags;
use rustix::termios::{OptionalActions, Termios};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C, SIGTERM and SIGHUP do not end this program; [`interrupted`] tells of them.
pub fn catch_interrupts() -> Result<()> {
    ctrlc::set_handler(|| INTERRUPTED.store(true, Relaxed)).context("cannot catch Ctrl-C")
}

/// The user wants us to end.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Relaxed)
}

/// Nobody reads any more what we write: as if the user wanted us to end.
pub fn interrupt() {
    INTERRUPTED.store(true, Relaxed);
}

/// State of standard input, put back when this is dropped: QEMU changes it, and cannot restore it when killed.
pub struct Saved {
    modes: Option<Termios>,
    flags: Option<OFlags>,
}

impl Saved {
    /// Remembers the state.
    pub fn new() -> Saved {
        let input = std::io::stdin();
        Saved { modes: rustix::termios::tcgetattr(&input).ok(), flags: rustix::fs::fcntl_getfl(&input).ok() }
    }
}

impl Default for Saved {
    fn default() -> Saved {
        Saved::new()
    }
}

impl Drop for Saved {
    fn drop(&mut self) {
        let input = std::io::stdin();
        // Where this fails there is no terminal any more.
        if let Some(modes) = &self.modes {
            let _ = rustix::termios::tcsetattr(&input, OptionalActions::Now, modes);
        }
        if let Some(flags) = self.flags {
            let _ = rustix::fs::fcntl_setfl(&input, flags);
        }
    }
}
