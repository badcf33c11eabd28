//! What the test programs in `src/bin` share: they run on Aegis in the emulator, print a line for each test in the Test
//! Anything Protocol, and end with status 1 if one failed. The host tool in `qemu/` judges them.
//!
//! The [`markers`] and the [`walk`]s are for the host too: guest and host tool take the spans' numbers from the one list.
//!
//! A test program abuses the machine and the kernel's interface on purpose. What that takes of `unsafe` and assembly is in
//! the module `raw`, and nowhere else.

#![no_std]
#![cfg_attr(target_os = "none", feature(asm_experimental_arch))]
#![deny(unsafe_code)]

#[cfg(target_os = "none")]
#[doc(hidden)]
pub extern crate alloc;

#[cfg(target_os = "none")]
pub mod feature;
pub mod markers;
#[cfg(target_os = "none")]
pub mod paths;
#[cfg(target_os = "none")]
pub mod raw;
#[cfg(target_os = "none")]
pub mod tap;
pub mod walk;
