//! The portable part of the Aegis exokernel: who owns what, and which calls are allowed. It protects resources and does
//! not manage them (thesis, chapter 2).
//!
//! It meets the hardware through one trait, [`Machine`]; on the host a model stands in its place. It holds no `unsafe`, no
//! heap and no global state: all state is in [`Kernel`], which the trap entry lends it.
//!
//! Invariants, checked by `Kernel::check` in tests:
//! - every valid half in the STLB names a frame to which the environment of its tag has the right (to write, where `w`),
//!   unless that environment's lines are being swept, or it is dying;
//! - every live entry of the hardware TLB stands in the STLB too, with the same contents, so that breaking a binding
//!   there breaks it everywhere;
//! - a frame's count of bindings is the number of STLB halves, guaranteed mappings and save areas that name it;
//! - an environment lives while somebody holds a reference to it, and whoever is named as the owner
//!   or holder of a slice, or as the one with the input or the floating-point unit, lives; whoever is named as a writer or as the
//!   holder of a reference lives, or is dying;
//! - a frame has an owner, who holds a share of it, or no shares and no holders; it is free when it has no shares and no
//!   binding, and is zeroed before anybody gets it;
//! - a failed call has changed nothing.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod account;
pub mod binding;
pub mod boot;
mod budget;
mod calls;
mod check;
#[cfg(feature = "checked")]
mod checked;
pub mod comparator;
mod death;
mod dispatch;
pub mod environment;
mod exposed;
mod focus;
pub mod frame;
mod handover;
pub mod interrupt;
mod kernel;
pub mod machine;
mod marks;
mod name;
mod physical;
mod repossession;
mod revocation;
mod schedule;
mod set;
mod sharing;
pub mod slice;
mod suspension;
mod user_memory;
mod withdrawal;

#[cfg(test)]
mod tests;

pub use check::Inconsistency;
pub use interrupt::Upcall;
pub use kernel::{Kernel, Miss};
pub use machine::{Block, Machine, Refill};
