//! What makes a program of a `main`.

use crate::println;
use core::fmt::Display;

/// What `main` may return.
pub trait Termination {
    /// The exit status of the program: 0 for success.
    fn status(self) -> i32;
}

impl Termination for () {
    fn status(self) -> i32 {
        0
    }
}

impl Termination for i32 {
    fn status(self) -> i32 {
        self
    }
}

impl<T: Termination, E: Display> Termination for Result<T, E> {
    fn status(self) -> i32 {
        match self {
            Ok(value) => value.status(),
            Err(error) => {
                println!("error: {error}");
                crate::status::ERROR
            }
        }
    }
}

/// Makes a function without arguments the program's `main`. It may return nothing, an exit status, or a result.
///
/// ```ignore
/// #![no_std]
/// #![no_main]
///
/// exos::entry!(main);
///
/// fn main() {
///     exos::println!("Hello from user mode.");
/// }
/// ```
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        #[unsafe(no_mangle)]
        extern "C" fn exos_program() -> i32 {
            $crate::program::Termination::status($main())
        }
    };
}
