//! The runtime: all of the library's `unsafe` and assembly. What it offers to the rest is safe, or says what it asks for.
//!
//! There is one thread. Exceptions may interrupt it between any two instructions, so what both sides use lies in
//! [`cell::Cell`]s.
//!
//! # All state of the library, and who may change it when
//!
//! *Masked* is between [`crate::interrupts`]' `masked` and its end: no interrupt handler, and no
//! end of the slice. *Parked* is while the program does not have the processor: the gates, the
//! prologue, and what they call. Exception handlers cannot be kept out: what they find half done
//! they refuse (heap), or it is whole before each instruction that may raise one.
//!
//! | state | changed by |
//! |---|---|
//! | `STATE`: save areas, `queue` but for `tail` and `mask`, `vector` but for `tail` and its entries | the kernel |
//! | `queue.tail` | `interrupts::take`, masked |
//! | `queue.mask` | `interrupts`, the gates; the kernel clears it for an upcall |
//! | `vector` entries, `tail` | `revocation`, masked |
//! | `slot`, `epc`, `badvaddr`, `cause`, `genx` | the exception stub; an upcall there is deferred |
//! | `miss`, `tlbx`, `miss_a2`, `miss_error`, `counts` | the miss handler, likewise |
//! | `deferred`, `deferred_epc`, `interrupt_slot`, `interrupted`, `intx` | the interrupt stub, mask clear |
//! | `parked`, and what is parked | who gives up the processor, and the gates: mask clear |
//! | `serving`, `handling` | the gates, mask clear |
//! | `handlers` | the program, a word at a time |
//! | `fpu` | `fpu`, and the gates: masked |
//! | `family.argument_bytes`, `family.arguments` | the parent, before the start |
//! | `family.status`, then `family.exited` | the program, at its end |
//! | `dying` | `report`: forwards only |
//! | `first_frame`, `bottom` | the start code |
//! | `DIRECTORY`, the page table in its window | `page_table` through `memory`, masked; the miss handler's marks |
//! | print buffer, its length, what was sent (`console`) | `console`, masked, also parked |
//! | the heap (`heap`) | `heap`, masked; an exception handler that comes between is refused |
//! | the context that the kernel has (`env`) | `env::change`, masked |
//! | whether the gates are open (`env`) | `env::open_gates`: once; done twice it is no harm |
//! | exception handlers (`dispatch`) | the program, a word at a time |
//! | `interrupts`: handlers | the program, a word at a time |
//! | `interrupts`: counts, whether a section is critical | masked |
//! | `input`: the ring's `CAME`, `BROUGHT`, `ENDED` | the console's handler, masked |
//! | `input`: the ring's `READ` | who reads: one at a time, the program or its handler |
//! | `region`: addresses reserved | `Region::reserve`, masked |
//! | `process`: the window | `spawn`: set once, filled masked |
//! | `revocation`: what is done | the program, a word at a time |
//! | `schedule`: whether the time has come | `sleep`, and the timer's handler: one sleeps at a time |
//! | `lent`: where the table of slices is | calls, masked |

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
