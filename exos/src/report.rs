//! The end of a program: exit, panic, and exceptions that nobody handles.
//!
//! The exit status is what `main` returned, or one of [`crate::status`].

use crate::backtrace;
use crate::exceptions::{Cause, Context, REGISTER_NAMES, Register};
use crate::rt::state::STATE;
use crate::rt::{call, console, dispatch, loader};
use crate::{fault, interrupts, println, status};

/// The program is not ending.
pub const DYING_NOT: u32 = 0;
/// A panic is being reported.
pub const DYING_PANIC: u32 = 1;
/// An exception is being reported.
pub const DYING_EXCEPTION: u32 = 2;
/// The exception stack was full, and was started anew. (The stub compares: what is less is not that
/// yet.)
pub const DYING_STACK_OVERFLOW: u32 = 3;
/// It is being reported that the report failed.
pub const DYING_LAST_WORDS: u32 = 4;

/// Gives up the processor if the slice is over and it is being reported why the program ends. That takes
/// longer than may be owed, and a critical section in which it began is over.
pub(crate) fn pause() {
    if STATE.dying.get() != DYING_NOT {
        interrupts::masked(interrupts::give_way);
    }
}

/// Ends the program with an exit status. For the first one the machine stops, and the low 8 bits of the status count.
pub fn exit(status: i32) -> ! {
    console::flush();
    loop {
        // Only the first environment may. The others end alone.
        call::stop(status as u32);
        loader::end(status);
    }
}

/// Reports an exception that nobody handles, and ends the program.
pub fn exception(context: &Context) -> ! {
    STATE.dying.set(DYING_EXCEPTION);
    let code = context.code();
    let at = context.instruction();
    let cause = Cause::from_code(code);
    let fault = cause.and_then(|cause| fault::why(context, cause, dispatch::miss_error()));
    println!();
    match fault {
        Some(fault) if fault.is_out_of_memory() => println!("exos: out of memory: no page frame is free"),
        _ => println!("exos: unhandled exception {code}: {}", cause.map_or("unknown cause", Cause::text)),
    }
    println!("    program counter {at:#010x}{}", if context.in_delay_slot() { ", in a branch delay slot" } else { "" });
    if let Some(fault) = fault {
        println!("    address         {:#010x}: {fault}", context.badvaddr);
    }
    registers(context);
    println!("backtrace:");
    backtrace::print(at, context[Register::Sp], context[Register::Ra]);
    exit(status::EXCEPTION + code as i32)
}

/// An exception while the program is ending, or because the exception stack was full.
pub fn again(context: &Context) -> ! {
    let (stage, code) = (STATE.dying.get(), context.code());
    STATE.dying.set(DYING_LAST_WORDS);
    match stage {
        DYING_STACK_OVERFLOW => {
            println!();
            println!("exos: exception stack overflow: handlers raised exceptions of their own, too deep to go on");
            last_words(context);
            exit(status::STACK_OVERFLOW)
        }
        DYING_PANIC => {
            println!();
            println!("exos: an exception while reporting the panic; giving up");
            last_words(context);
            exit(status::PANIC)
        }
        DYING_EXCEPTION => {
            println!();
            println!("exos: another exception while reporting the first; giving up");
            last_words(context);
            exit(status::EXCEPTION + code as i32)
        }
        _ => exit(status::EXCEPTION + code as i32),
    }
}

fn last_words(context: &Context) {
    println!(
        "    exception {}, {}, at program counter {:#010x}, address {:#010x}, sp {:#010x}",
        context.code(),
        Cause::from_code(context.code()).map_or("unknown cause", Cause::text),
        context.instruction(),
        context.badvaddr,
        context[Register::Sp]
    );
}

fn registers(context: &Context) {
    println!("registers:");
    for row in 0..8 {
        let column = |i: usize| (REGISTER_NAMES[row + 8 * i], context.registers[row + 8 * i]);
        let [(a, av), (b, bv), (c, cv), (d, dv)] = [column(0), column(1), column(2), column(3)];
        println!("    {a:>4} {av:08x}  {b:>4} {bv:08x}  {c:>4} {cv:08x}  {d:>4} {dv:08x}");
    }
    println!("      hi {:08x}    lo {:08x}  cause {:08x}", context.hi, context.lo, context.cause);
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    // A panic in the report of one is reported too, after what there is of the first; a third just
    // ends the program.
    let (next, while_reporting) = match STATE.dying.get() {
        DYING_NOT => (DYING_PANIC, ""),
        DYING_PANIC => (DYING_LAST_WORDS, " while reporting the panic"),
        DYING_LAST_WORDS => exit(status::PANIC),
        _ => (DYING_LAST_WORDS, " while reporting the exception"),
    };
    STATE.dying.set(next);
    println!();
    match info.location() {
        Some(place) => {
            println!("exos: panic{while_reporting} at {}:{}: {}", place.file(), place.line(), info.message());
        }
        None => println!("exos: panic{while_reporting}: {}", info.message()),
    }
    println!("backtrace:");
    backtrace::print_here();
    exit(status::PANIC)
}
