//! What this program shows. Standard output may be full, or nobody may read it any more; neither is
//! a panic, as it is with `println!`.
//!
//! - A closed pipe (`| head`) is no error: what goes on only to be shown then [ends](is_closed),
//!   and the status is 0.
//! - What cannot be written is one, as on a full disk: [`status`] makes it the status and says why.
//! - Of standard error nobody can be told.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

static CLOSED: AtomicBool = AtomicBool::new(false);
static FAILED: OnceLock<String> = OnceLock::new();

/// The exit status of what was interrupted.
pub const INTERRUPTED: u8 = 130;

/// Writes to standard output, at once.
pub fn write(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    note(out.write_all(bytes).and_then(|()| out.flush()));
}

/// Remembers how writing to standard output went.
pub fn note(result: io::Result<()>) {
    match result {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => CLOSED.store(true, Relaxed),
        Err(error) => {
            // The first one tells.
            let _ = FAILED.set(error.to_string());
        }
    }
}

/// Does nobody read any more what is shown, or can it not be written?
pub fn is_closed() -> bool {
    CLOSED.load(Relaxed) || FAILED.get().is_some()
}

/// The status with which the program ends: `status`, unless what it had to show could not be
/// written.
pub fn status(status: u8) -> u8 {
    if let Some(error) = FAILED.get() {
        errln!("x: cannot write to the standard output: {error}");
        return 1;
    }
    // It was ended because nobody read any more.
    if CLOSED.load(Relaxed) && status == INTERRUPTED { 0 } else { status }
}

/// As [`write`], formatted.
pub fn print(words: Arguments<'_>) {
    write(words.to_string().as_bytes());
}

/// Writes to standard error, formatted.
pub fn tell(words: Arguments<'_>) {
    tell_as_it_is(words.to_string().as_bytes());
}

/// Writes to standard error.
pub fn tell_as_it_is(words: &[u8]) {
    // Where that fails, there is no place left to say so.
    let _ = io::stderr().lock().write_all(words);
}

/// `print!` that never panics.
macro_rules! out {
    ($($words:tt)*) => { $crate::output::print(format_args!($($words)*)) };
}

/// `println!` that never panics.
macro_rules! outln {
    ($($words:tt)*) => { $crate::output::print(format_args!("{}\n", format_args!($($words)*))) };
}

/// `eprintln!` that never panics.
macro_rules! errln {
    ($($words:tt)*) => { $crate::output::tell(format_args!("{}\n", format_args!($($words)*))) };
}

pub(crate) use {errln, out, outln};
