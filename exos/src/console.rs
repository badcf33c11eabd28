//! Printing.

use crate::rt::console::Console;
use core::fmt::{Arguments, Write};

/// Sends what has been printed of the current line to the console.
pub use crate::rt::console::flush;

/// Prints formatted text; what [`print!`](crate::print) expands to.
pub fn print(arguments: Arguments<'_>) {
    // The console takes everything; only a value's own formatting can fail, and then there is no more to print.
    let _ = Console.write_fmt(arguments);
}

/// Prints to the console. Text appears a line at a time.
#[macro_export]
macro_rules! print {
    ($($argument:tt)*) => { $crate::console::print(::core::format_args!($($argument)*)) };
}

/// Prints a line to the console.
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($($argument:tt)*) => {{
        $crate::print!($($argument)*);
        $crate::print!("\n");
    }};
}
