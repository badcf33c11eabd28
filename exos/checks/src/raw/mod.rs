//! All `unsafe` and assembly of the test programs.
//!
//! Its functions are safe in name only: a test program abuses machine and kernel on purpose. Each says what it may be given; a
//! test that gives it anything else harms itself, and nothing but itself.

#![allow(unsafe_code, reason = "this module is the one place for it")]

pub mod bare;
pub mod calls;
pub mod code;
pub mod fp;
pub mod hostile;
pub mod library;
pub mod registers;
pub mod spans;
pub mod ticks;
pub mod transfers;
pub mod walk;
