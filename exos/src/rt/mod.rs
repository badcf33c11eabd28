//! The runtime: all of the library's `unsafe` and assembly. What it offers to the rest is safe, or says what it asks for.
//!
//! There is one thread. Exceptions may interrupt it between any two instructions, so what both sides use lies in
//! [`cell::Cell`]s.

#![allow(unsafe_code, reason = "this module is the one place for it")]

pub mod call;
pub mod cell;
pub mod console;
mod context;
pub mod dispatch;
pub mod env;
mod exception;
pub mod exposed;
pub mod fpu;
pub mod gate;
mod heap;
pub mod instructions;
mod interrupt;
pub mod loader;
pub mod memory;
mod miss;
pub mod park;
pub mod start;
pub mod state;
