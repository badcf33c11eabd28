//! Log messages on the console.

use crate::board;
use core::fmt::Write;
use log::{LevelFilter, Log, Metadata, Record};

struct ConsoleLogger;

impl Log for ConsoleLogger {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let level = match record.level() {
            log::Level::Error => "error: ",
            log::Level::Warn => "warning: ",
            log::Level::Info => "",
            log::Level::Debug => "debug: ",
            log::Level::Trace => "trace: ",
        };
        board::end_line();
        // The console never fails.
        let _ = writeln!(board::Console, "aegis: {level}{}", record.args());
    }

    fn flush(&self) {}
}

/// Lets log messages up to this level appear on the console.
pub fn init(level: LevelFilter) {
    // SAFETY: one processor, and nothing logs before this.
    // A second call finds the logger set, which is as well.
    let _ = unsafe { log::set_logger_racy(&ConsoleLogger) };
    // SAFETY: as above.
    unsafe { log::set_max_level_racy(level) };
}
