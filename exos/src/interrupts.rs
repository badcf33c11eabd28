//! Interrupts: of the console, of the timer, and the end of the slice.
//!
//! The kernel puts them into a queue in the library's memory, and calls the library up, unless they are masked (thesis .10; the details
//! are those of [`aegis_abi::interrupts`]). A section of the program that must not be interrupted, nor lose the processor, masks them
//! for as long as it takes, which is two stores: a [`critical`] section (thesis 2.2 and 7.2.3). It needs no lock that somebody could keep, and
//! if its program dies in it, no other waits. It must be short: what it takes beyond the end of the slice, the program pays for.

use crate::rt::cell::Cell;
use crate::rt::instructions::barrier;
use crate::rt::park;
use crate::rt::state::{Entry, Queue, STATE};
use crate::{input, revocation};
use aegis_abi::calls::NEXT;
use aegis_abi::interrupts::{ALL, KINDS};
use aegis_abi::limits::QUEUE_ENTRIES;

pub use aegis_abi::interrupts::{CONSOLE, REPOSSESSION, REVOCATION, SLICE_END, TIMER};

/// What is done when an interrupt of a kind comes, given its arguments. It comes between any two instructions of the program, outside
/// critical sections, with all interrupts masked.
///
/// A handler may allocate, print, and map pages: the library masks interrupts wherever it changes
/// state that handlers may change. What takes it longer than the slice lasts, the program pays for,
/// as in a [`critical`] section. It may give up the processor. It must not wait for an interrupt,
/// as [`schedule::sleep`](crate::schedule::sleep) and
/// [`input::wait`](crate::input::wait) do: none comes while it runs, and they panic.
pub type Handler = fn([u32; 3]);

static HANDLERS: [Cell<Option<Handler>>; KINDS] = {
    let mut handlers = [const { Cell::new(None) }; KINDS];
    handlers[CONSOLE as usize] = Cell::new(Some(input::receive as Handler));
    handlers[REPOSSESSION as usize] = Cell::new(Some(revocation::mend as Handler));
    handlers
};

/// How often the program was called up, or looked into the queue, and how often its slice was over then.
static TAKEN: [Cell<u32>; 2] = [const { Cell::new(0) }; 2];

fn queue() -> &'static Queue {
    &STATE.queue
}

/// Registers what is done when an interrupt of `kind` comes; returns what was done before.
///
/// # Panics
/// For a kind that there is not.
pub fn handle(kind: u32, handler: Option<Handler>) -> Option<Handler> {
    let cell = &HANDLERS[kind as usize];
    let before = cell.get();
    cell.set(handler);
    before
}

/// How many interrupts of `kind` were dropped so far, since the queue was full. None of [`CONSOLE`]
/// ever is.
///
/// # Panics
/// For a kind that there is not.
pub fn dropped(kind: u32) -> u32 {
    queue().overflow[kind as usize].get()
}

/// How often the processor was given up at the end of a slice.
pub fn slices_ended() -> u32 {
    TAKEN[1].get()
}

/// How often the kernel switched this program by hand, since it had not given up the processor a tick after the end
/// of its slice.
pub fn cuts() -> u32 {
    queue().cuts.get()
}

/// Is the program in a critical section?
static CRITICAL: Cell<bool> = Cell::new(false);

/// Does `body` without interrupts, and without losing the processor. So `body` must not wait for
/// anything: what gives up the processor ([`crate::schedule`], [`crate::rpc`],
/// [`Process::wait`](crate::process::Process::wait), [`crate::input`]) panics there.
pub fn critical<R>(body: impl FnOnce() -> R) -> R {
    masked(|| {
        let outer = CRITICAL.get();
        CRITICAL.set(true);
        let result = body();
        CRITICAL.set(outer);
        result
    })
}

/// Is the program in a critical section?
pub(crate) fn in_critical() -> bool {
    CRITICAL.get()
}

/// Changes state that interrupt handlers change too: does `body` without interrupts, for a few
/// instructions more. What has come meanwhile, the end of the slice included, is acted on behind
/// it, unless interrupts were masked before.
///
/// It keeps out no exception handler: an exception comes in spite of it.
#[inline]
pub(crate) fn masked<R>(body: impl FnOnce() -> R) -> R {
    if queue().mask.get() == 0 { body() } else { mask_for(body) }
}

/// Does `body`, which gives up the processor, without interrupts.
///
/// # Panics
/// In a critical section, which must not lose the processor.
#[inline]
#[track_caller]
pub(crate) fn giving_up<R>(what: &str, body: impl FnOnce() -> R) -> R {
    if queue().mask.get() == 0 {
        may_give_up(what);
        body()
    } else {
        mask_for(body)
    }
}

#[inline(always)]
fn mask_for<R>(body: impl FnOnce() -> R) -> R {
    queue().mask.set(0);
    barrier();
    let result = body();
    barrier();
    unmask();
    result
}

#[track_caller]
fn may_give_up(what: &str) {
    assert!(!in_critical(), "{what} gives up the processor: it must not be called in a critical section");
}

/// To be called before an interrupt is waited for.
///
/// # Panics
/// In a critical section, and in an interrupt handler.
#[track_caller]
pub(crate) fn may_wait(what: &str) {
    may_give_up(what);
    assert!(queue().mask.get() != 0, "{what} waits for an interrupt, and none comes while an interrupt handler runs");
}

/// Lets interrupts come again. What has come meanwhile is handled first, and the processor given up if the slice is over.
#[inline]
pub(crate) fn unmask() {
    let queue = queue();
    loop {
        queue.mask.set(ALL);
        if queue.withheld.get() == 0 {
            return;
        }
        queue.mask.set(0);
        take();
    }
}

/// Handles what has come, and gives up the processor if the slice is over. The mask must be clear.
pub(crate) fn take() {
    let queue = queue();
    queue.withheld.set(0);
    drain(queue);
    give_way();
}

/// Gives up the processor if the slice is over: also for what takes long in a handler. The mask must be clear.
pub(crate) fn give_way() {
    if queue().ended.get() != 0 {
        count(1);
        // It is not refused: it names nobody.
        let _ = park::give_up(NEXT);
    }
}

/// Makes up for an upcall that came while the library could not take it.
pub(crate) fn make_up() {
    if STATE.deferred.get() != 0 {
        STATE.deferred.set(0);
        take();
        unmask();
    }
}

/// Handles all that is in the queue.
fn drain(queue: &Queue) {
    count(0);
    while queue.tail.get() != queue.head.get() {
        let tail = queue.tail.get();
        let Entry { kind, arguments } = &queue.entries[tail as usize % QUEUE_ENTRIES];
        let (kind, arguments) = (kind.get(), [0, 1, 2].map(|n: usize| arguments[n].get()));
        queue.tail.set(tail.wrapping_add(1));
        if let Some(handler) = HANDLERS.get(kind as usize).and_then(Cell::get) {
            handler(arguments);
        }
        if kind == CONSOLE {
            input::brought(arguments[0]);
        }
    }
}

fn count(n: usize) {
    TAKEN[n].set(TAKEN[n].get().wrapping_add(1));
}
