//! Exceptions, each caught in user space and resumed.

use crate::claim;
use crate::show::{Grouped, heading};
use exos::abi::limits::PAGE_BYTES;
use exos::exceptions::{Cause, Context, Register, handle, unhandle};
use exos::page_table::{Error, Rights};
use exos::region::Region;
use exos::{Cell, instructions, machine, println};

/// What a handler saw of the last exception.
static CAUGHT: Cell<u32> = Cell::new(0);
static PROGRAM_COUNTER: Cell<u32> = Cell::new(0);
static ADDRESS: Cell<u32> = Cell::new(0);

/// The region whose page the handler makes writable.
static REGION: Cell<Option<&'static Region>> = Cell::new(None);

fn caught(context: &Context) {
    CAUGHT.set(CAUGHT.get() + 1);
    PROGRAM_COUNTER.set(context.instruction());
    ADDRESS.set(context.badvaddr);
}

/// Continues behind the instruction; there is no other way on.
fn skip(context: &mut Context) {
    if let Err(error) = context.skip() {
        panic!("cannot skip the instruction at {:#010x}: {error}", context.instruction());
    }
}

/// The sum is the largest number that there is, instead.
fn saturate(context: &mut Context) {
    caught(context);
    context[Register::V0] = i32::MAX as u32;
    skip(context);
}

/// Puts the word together from the two that it lies in.
fn load_unaligned(context: &mut Context) {
    caught(context);
    let (address, shift) = (context.badvaddr & !3, (context.badvaddr & 3) * 8);
    if let (Some(instruction), Some(low), Some(high)) =
        (machine::peek(context.instruction()), machine::peek(address), machine::peek(address + 4))
    {
        // lw rt, offset(base)
        let target = (instruction >> 16 & 31) as usize;
        context.registers[target] = low >> shift | high << (32 - shift);
    }
    skip(context);
}

/// Makes the reserved instruction mean something.
fn answer(context: &mut Context) {
    caught(context);
    context[Register::V0] = 42;
    skip(context);
}

/// Makes the page writable, and so lets the store happen.
fn make_writable(context: &mut Context) {
    caught(context);
    if let Some(region) = REGION.get() {
        let page = (context.badvaddr - region.start()) / PAGE_BYTES;
        if let Err(error) = region.protect(page..page + 1, Rights::ReadWrite) {
            panic!("cannot make the page writable: {error}");
        }
    }
}

/// Reports the fault and goes on without the load.
fn segmentation_fault(context: &mut Context) {
    caught(context);
    println!("    Segmentation fault: load from {:#010x} at {:#010x}", context.badvaddr, context.instruction());
    skip(context);
}

/// Runs `provoke` with `handler` in place; says what happened and returns the result.
fn catch<T>(cause: Cause, handler: fn(&mut Context), provoke: impl FnOnce() -> T) -> T {
    CAUGHT.set(0);
    handle(cause, handler);
    let result = provoke();
    unhandle(cause);
    claim(CAUGHT.get() == 1, "the exception was raised once, and caught");
    result
}

/// Raises and catches the exceptions.
pub fn show() -> Result<(), Error> {
    heading(4, "Exceptions, caught here");
    println!("  The kernel saves three registers, loads three, and jumps to a handler in user");
    println!("  mode. The handler is a plain function of the program. What it changes in the");
    println!("  context holds when the program goes on, which it does without the kernel.");

    let region: &'static Region = alloc::boxed::Box::leak(alloc::boxed::Box::new(Region::reserve(2)?));
    region.demand_zero(0..1, Rights::ReadWrite)?;
    REGION.set(Some(region));
    let raised = |what: &str| {
        println!();
        println!("  {what}");
    };

    raised("Integer overflow: 2,147,483,647 + 1, with the processor's `add`.");
    let sum = catch(Cause::Overflow, saturate, || instructions::add_trapping(i32::MAX, 1, 0));
    println!("    Caught at {:#010x}; the handler saturates: {}", PROGRAM_COUNTER.get(), Grouped(sum as u32));
    claim(sum == i32::MAX, "the handler's value arrived");

    raised("Unaligned load: a word from an odd address.");
    region.store(0, 0x4433_2211);
    region.store(4, 0x8877_6655);
    let word = catch(Cause::AddressLoad, load_unaligned, || region.load(1));
    println!("    Caught at {:#010x}, address {:#010x};", PROGRAM_COUNTER.get(), ADDRESS.get());
    println!("    the handler puts the word together from two: {word:#010x}");
    claim(ADDRESS.get() == region.start() + 1 && word == 0x5544_3322, "the unaligned word was put together");

    raised("Reserved instruction: a word that means nothing to the processor.");
    let value = catch(Cause::Reserved, answer, || instructions::reserved(0));
    println!("    Caught at {:#010x}; the handler gives it a meaning: {value}", PROGRAM_COUNTER.get());
    claim(value == 42, "the reserved instruction has a result");

    raised("Store to a read-only page.");
    region.protect(0..1, Rights::ReadOnly)?;
    catch(Cause::Modified, make_writable, || region.store(0, 7));
    println!("    Caught at {:#010x}, address {:#010x};", PROGRAM_COUNTER.get(), ADDRESS.get());
    println!("    the handler makes the page writable, the store is repeated: now {}", region.load(0));
    claim(ADDRESS.get() == region.start() && region.load(0) == 7, "the store happened in the end");

    raised("Load from a page that is not mapped.");
    let nothing = catch(Cause::TlbLoad, segmentation_fault, || region.load(PAGE_BYTES));
    claim(ADDRESS.get() == region.start() + PAGE_BYTES && nothing == 0, "the segmentation fault has the right address");
    let text = exos::layout::IMAGE;
    claim(text.contains(PROGRAM_COUNTER.get()), "its program counter lies in this program");
    println!("    The handler skips the load. Without a handler, the program would end here");
    println!("    with a report: address, registers, and a backtrace.");
    Ok(())
}
