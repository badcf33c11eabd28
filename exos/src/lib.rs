//! ExOS: the library operating system that a program on Aegis is linked with. It runs in the program's own address space, in
//! user mode, and builds from the kernel's primitives what a kernel usually has: a page table, demand-zero memory, exception
//! handlers, a heap, a console.
//!
//! It may do whatever its program may, and no more: nothing in it is trusted by the kernel or by other programs. All of
//! its `unsafe` and its assembly are in the module `rt`; what has nothing to do with a machine (page table, branches,
//! backtraces) is plain logic, and tested on the host.
//!
//! Invariants:
//! - the pinned pages ([`layout::PINNED`]) are under guaranteed mappings from start to end: stubs, miss handler and their
//!   data never miss into the library, and the exception stack does not either;
//! - the program resumes after an exception without the kernel;
//! - a cached binding in TLB or STLB equals the page table's entry;
//! - there is one thread; what handlers share with the code they interrupt lies in cells of a word.
//!
//! A program:
//!
//! ```ignore
//! #![no_std]
//! #![no_main]
//!
//! exos::entry!(main);
//!
//! fn main() {
//!     exos::println!("Hello from user mode.");
//! }
//! ```
//!
//! with `println!("cargo::rustc-link-arg-bins=-Tprogram.ld")` in its build script. Linking with this crate brings a global
//! allocator and a panic handler.
//!
//! Memory of heap and stack is promised, not had: a page gets its frame when it is first touched.
//! So `try_reserve` fails only where the addresses of the heap are used up ([`layout::HEAP`]).
//! Where no frame is free, the program ends at the touch, with the words "out of memory".

#![no_std]
#![cfg_attr(target_os = "none", feature(asm_experimental_arch))]
#![deny(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod arguments;
pub mod branch;
pub mod exceptions;
pub mod fault;
pub mod layout;
#[cfg(any(test, target_os = "none"))]
mod line;
#[cfg(any(test, target_os = "none"))]
mod outgoing;
pub mod page_table;
pub mod status;
pub mod stride;

#[cfg(target_os = "none")]
pub mod backtrace;
#[cfg(target_os = "none")]
pub mod console;
#[cfg(target_os = "none")]
pub mod exposed;
#[cfg(target_os = "none")]
pub mod input;
#[cfg(target_os = "none")]
pub mod interrupts;
#[cfg(target_os = "none")]
mod lent;
#[cfg(target_os = "none")]
pub mod machine;
#[cfg(target_os = "none")]
pub mod process;
#[cfg(target_os = "none")]
pub mod program;
#[cfg(target_os = "none")]
mod programs;
#[cfg(target_os = "none")]
pub mod region;
#[cfg(target_os = "none")]
pub mod report;
#[cfg(target_os = "none")]
pub mod revocation;
#[cfg(target_os = "none")]
pub mod rpc;
#[cfg(target_os = "none")]
pub mod rt;
#[cfg(target_os = "none")]
pub mod schedule;

#[cfg(target_os = "none")]
pub use machine::args;
#[cfg(target_os = "none")]
pub use programs::{Program, programs};
#[cfg(target_os = "none")]
pub use report::exit;
#[cfg(target_os = "none")]
pub use rt::cell::Cell;
#[cfg(target_os = "none")]
pub use rt::instructions;

pub use aegis_abi as abi;
