//! The whole interface of the Aegis kernel, written once: calls, errors, limits, the structures that
//! kernel and programs share, and what a program's file must be. It is all that the two have in common.
//!
//! It may hold no code that touches a machine, no `unsafe`, and no `cfg` on a processor or a board: what differs
//! between machines reaches a program through [`info::Info`] or as an opaque word.
//!
//! Source: the thesis, chapter 9 ("Aegis' Interface").

#![no_std]
#![forbid(unsafe_code)]

pub mod calls;
pub mod env;
pub mod error;
pub mod exposed;
pub mod image;
pub mod info;
pub mod interrupts;
pub mod limits;
pub mod repossession;
pub mod status;
pub mod words;

pub use env::{Env, Handler, Mapping};
pub use error::Error;
pub use image::{Image, ImageError};
pub use info::Info;
pub use interrupts::{Interrupt, InterruptQueue};
pub use repossession::{Repossessed, RepossessionVector};
pub use stlb::Lo;
pub use words::{Pid, UserPtr, UserVa, Word};
