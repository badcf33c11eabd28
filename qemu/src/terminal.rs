//! The terminal as it was before the emulator changed it, and Ctrl-C.

use anyhow::{Context, Result};
use rustix::fs::OFlags;
use rustix::termios::{OptionalActions, Termios};
use std::io::IsTerminal;
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

/// A line on a terminal that tells how far something has come, and goes when this is dropped. Nowhere else is anything shown.
pub struct Progress {
    shown: bool,
}

impl Progress {
    /// One that shows itself, if that is wanted.
    pub fn new(wanted: bool) -> Progress {
        let is_terminal = std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Progress { shown: wanted && is_terminal }
    }

    /// Shows this instead of what was shown before.
    pub fn show(&self, words: std::fmt::Arguments<'_>) {
        if self.shown {
            eprint!("\r\x1b[K{words}");
        }
    }

    /// Takes it away.
    pub fn clear(&self) {
        self.show(format_args!(""));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
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
