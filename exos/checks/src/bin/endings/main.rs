//! Ways for a program to end, one for each word on the command line. The host tool judges exit status and output.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use exos::abi::calls::Number;
use exos::abi::limits::PAGE_BYTES;
use exos::exceptions::{Cause, Context, handle};
use exos_checks::raw::calls::context;
use exos_checks::raw::{calls, code};

mod memory;
mod reports;
mod stacks;
mod waits;

exos::entry!(main);

fn main() -> Result<i32, &'static str> {
    match exos::args().nth(1) {
        Some("status") => Ok(7),
        Some("error") => Err("this error is on purpose"),
        Some("panic") => panic!("this panic is on purpose"),
        Some("null") => Ok(calls::load(8) as i32),
        Some("overflow") => Ok(code::add(i32::MAX as u32, 1) as i32),
        Some("stack") => Ok(recurse(0) as i32),
        Some("handlers") => {
            handle(Cause::Breakpoint, raise_again);
            code::breakpoint(0, 0);
            Ok(0)
        }
        Some("memory") => memory::use_up_the_heap(),
        Some("frames") => memory::use_up_the_frames(),
        Some("busy-heap") => memory::allocate_in_an_exception_of_the_heap(),
        Some("array") => Ok(stacks::large_array()),
        Some("handler-array") => {
            handle(Cause::Breakpoint, |_| exos::println!("{}", stacks::large_array()));
            code::breakpoint(0, 0);
            Ok(0)
        }
        Some("panic-panic") => panic!("outer {}", reports::Panics("inner")),
        Some("panic-panic-panic") => panic!("outer {}", reports::Panics(reports::Panics("innermost"))),
        Some("panic-exception") => panic!("outer {}", reports::Raises),
        Some("exception-panic") => reports::panic_in_the_report_of_an_exception(),
        Some("prompt") => waits::prompt(),
        Some("critical") => waits::in_critical_section(exos::args().nth(2).unwrap_or_default()),
        Some("handler") => waits::in_interrupt_handler(exos::args().nth(2).unwrap_or_default()),
        Some("lost") => {
            // The frame with the save areas: from now on there is no way to hand over an exception.
            let frame = context().genx_save_area / PAGE_BYTES;
            calls::call(Number::p_unref, [frame, 0, 0, 0]).map_err(|error| error.text())?;
            code::breakpoint(0, 0);
            Ok(0)
        }
        // Calls that only a kernel with the feature `planted-fault` knows, and at which it takes an exception itself.
        Some("kernel-unaligned") => kernel_fault(255),
        Some("kernel-null") => kernel_fault(254),
        Some("kernel-user") => kernel_fault(253),
        _ => Err("usage: endings WAY [MORE]; the ways stand in endings/main.rs"),
    }
}

/// Makes the kernel take an exception, which must never come to the program's handlers.
fn kernel_fault(number: u32) -> Result<i32, &'static str> {
    for &cause in Cause::ALL {
        handle(cause, |context| {
            exos::println!("REACHED the program: exception {}", context.code());
            exos::exit(1)
        });
    }
    calls::raw(number, [0; 4]);
    Err("the kernel has no planted fault: build it with the feature")
}

/// Uses up the stack.
#[inline(never)]
fn recurse(depth: u32) -> u32 {
    let frame = [depth; 64];
    let deeper = if core::hint::black_box(&frame)[0] == u32::MAX { 0 } else { recurse(depth + 1) };
    core::hint::black_box(&frame)[63].wrapping_add(deeper)
}

/// Never gets anywhere.
fn raise_again(_: &mut Context) {
    code::breakpoint(0, 0);
}
