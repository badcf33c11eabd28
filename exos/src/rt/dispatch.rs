//! From the exception stub to the handler that the program has registered for the cause.

use super::cell::Cell;
use super::state::STATE;
use super::{call, env, fpu};
use crate::exceptions::{Cause, Context};
use crate::{interrupts, report};
use aegis_abi::Error;
use aegis_abi::limits::EXCEPTIONS;

/// An exception handler.
pub type Handler = fn(&mut Context);

static HANDLERS: [Cell<Option<Handler>>; EXCEPTIONS] = [const { Cell::new(None) }; EXCEPTIONS];

/// Registers `handler` for `cause`; returns the one before.
///
/// For [`Cause::TlbLoad`] and [`Cause::TlbStore`] it is called where the page table has no mapping (a segmentation fault).
/// What it prints, maps or raises in turn is its own affair: exceptions nest. When it returns, the program continues with the
/// context as the handler left it.
///
/// It may allocate, unless the exception came while the heap was being changed, which only a fault
/// in the heap's own memory can bring about: where no frame is free for it, it was taken by force,
/// or what lies in it is corrupt. Allocating or freeing then panics.
pub fn handle(cause: Cause, handler: Handler) -> Option<Handler> {
    let cell = &HANDLERS[cause as usize];
    let before = cell.get();
    cell.set(Some(handler));
    before
}

/// Takes the handler for `cause` away; the exception is then reported and ends the program.
pub fn unhandle(cause: Cause) -> Option<Handler> {
    let cell = &HANDLERS[cause as usize];
    let before = cell.get();
    cell.set(None);
    before
}

/// Has the kernel dispatch `cause` to `handler` itself, past the library; `None`: to the library again.
///
/// # Errors
/// Those of the kernel's call `e_set`.
///
/// # Safety
/// The handler is entered as the kernel dispatches exceptions: see [`aegis_abi::Env`]. It must lie in the section
/// `.pinned.text` or be mapped otherwise without fail, and must resume the program with all registers restored.
pub unsafe fn handle_raw(cause: Cause, handler: Option<unsafe extern "C" fn()>) -> Result<(), Error> {
    let handler = handler.map_or_else(|| env::library_handler(cause as u32), |handler| handler as usize as u32);
    // SAFETY: the context is the environment's own with one handler changed, for which the caller vouches.
    unsafe { env::change(|context| context.xh[cause as usize] = handler) }
}

/// Called by the stub, on the exception stack. All exceptions arrive here but the misses that the miss handler has served. The program's
/// handlers see all of them but those with which it asks for the floating-point unit.
pub extern "C" fn dispatch(context: &mut Context) {
    interrupts::make_up();
    if STATE.dying.get() != report::DYING_NOT {
        report::again(context);
    }
    if context.unusable_coprocessor() == Some(1) && fpu::turn_on().is_ok() {
        return;
    }
    match HANDLERS[context.code() as usize].get() {
        Some(handler) => handler(context),
        None => report::exception(context),
    }
}

/// Why the kernel refused the last page that the miss handler could not insert, if it was the kernel.
pub fn miss_error() -> Option<Error> {
    match STATE.miss_error.get() {
        0 => None,
        code => Some(call::error(code)),
    }
}
