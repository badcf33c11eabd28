//! Exit statuses of a program, besides those that it returns itself.

/// After an error that `main` returned.
pub const ERROR: i32 = 1;
/// After a panic.
pub const PANIC: i32 = 101;
/// After an exception that none of the program's handlers was for; the exception's code is added.
pub const EXCEPTION: i32 = 128;
/// The exception stack was full.
pub const STACK_OVERFLOW: i32 = 160;
