//! Catching one exception and looking at it.

use exos::Cell;
use exos::exceptions::{Cause, Context, Register, handle, unhandle};
use exos_checks::check_eq;
use exos_checks::tap::Outcome;

/// What the handler saw.
pub static SEEN: Cell<u32> = Cell::new(0);
pub static CODE: Cell<u32> = Cell::new(0);
pub static EPC: Cell<u32> = Cell::new(0);
pub static ADDRESS: Cell<u32> = Cell::new(0);

pub fn note(context: &mut Context) {
    SEEN.set(SEEN.get() + 1);
    CODE.set(context.code());
    EPC.set(context.epc);
    ADDRESS.set(context.badvaddr);
}

/// Notes the exception and skips the instruction.
pub fn note_and_skip(context: &mut Context) {
    note(context);
    context.skip().expect("the instruction can be skipped");
}

/// Besides leaves 42 in `$v0`, for the functions of `raw::code` that return it.
pub fn answer(context: &mut Context) {
    note_and_skip(context);
    context[Register::V0] = 42;
}

/// Notes the exception and returns from the function that could not be fetched.
pub fn note_and_return(context: &mut Context) {
    note(context);
    context.epc = context[Register::Ra];
}

/// Runs `raise` with a handler for every cause; the result, and the cause and address of the one exception.
pub fn catch<T>(handler: fn(&mut Context), raise: impl FnOnce() -> T) -> (T, Option<Cause>, u32) {
    SEEN.set(0);
    for &cause in Cause::ALL {
        handle(cause, handler);
    }
    let result = raise();
    for &cause in Cause::ALL {
        unhandle(cause);
    }
    let cause = if SEEN.get() == 1 { Cause::from_code(CODE.get()) } else { None };
    (result, cause, ADDRESS.get())
}

/// Fails unless `raise` raises just `cause`, and the handler's value arrives.
pub fn raises(cause: Cause, raise: impl FnOnce() -> u32) -> Outcome {
    let (value, found, _) = catch(answer, raise);
    check_eq!(found, Some(cause), "cause");
    check_eq!(value, 42, "the handler's value");
    Ok(())
}
