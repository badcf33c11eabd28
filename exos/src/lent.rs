//! Slices that calls have lent: a caller's slice goes to the callee with the request, and comes back
//! with the answer, unless the callee answers in another one.
//!
//! Whoever gives a callee the rest of a slice in the middle of a call has it answer there; so does
//! the caller itself, where it has more than one slice. The one that the caller has lent stays with
//! the callee then, which has no more use for it, and without it the caller may never run again. So a
//! call in whose course another slice began takes back what is this program's own. While the program runs
//! there is no call that could have it.

use crate::exposed::{self, Slice, View};
use crate::rt::call;
use crate::rt::cell::Cell;
use crate::rt::exposed::slices as slices_begun;
use alloc::boxed::Box;

/// The table of slices, mapped when it is first needed.
static SLICES: Cell<Option<&'static View<Slice>>> = Cell::new(None);
/// The number of this program's environment, looked up then.
static NUMBER: Cell<u32> = Cell::new(0);

/// Does `call`, in which the slice is lent. The mask must be clear.
#[inline(always)]
pub(crate) fn lending<R>(call: impl FnOnce() -> R) -> R {
    let before = slices_begun();
    let result = call();
    if slices_begun() != before {
        take_back();
    }
    result
}

/// Takes back the slices that this program alone may free, and somebody else holds. Where the table
/// of slices cannot be mapped, all is left as it is.
#[cold]
#[inline(never)]
fn take_back() {
    let Some(slices) = slices() else { return };
    let number = NUMBER.get();
    for (n, slice) in slices.iter().enumerate() {
        if slice.access == 1 << number && u32::from(slice.holder) != number {
            // It can only be refused where it is not this program's any more.
            let _ = call::take_back_slice(n as u32);
        }
    }
}

fn slices() -> Option<&'static View<Slice>> {
    if SLICES.get().is_none() {
        let tables = exposed::info().ok()?;
        let environments = View::<exposed::Environment>::map(tables.env).ok()?;
        let own = Some(call::own_pid());
        let number = environments.iter().position(|environment| environment.pid() == own)?;
        NUMBER.set(number as u32);
        SLICES.set(Some(Box::leak(Box::new(View::map(tables.slice).ok()?))));
    }
    SLICES.get()
}
