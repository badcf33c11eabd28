//! Exit statuses of the machine that are the kernel's own; all others are what a program gave to `power_off`.

/// No first environment could be started.
pub const NO_PROGRAM: u8 = 120;
/// The kernel was at fault.
pub const PANIC: u8 = 121;
/// The last environment was destroyed.
pub const NO_ENVIRONMENT: u8 = 122;
