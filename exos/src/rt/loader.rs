//! What making a process needs of the kernel, and memory that is not this program's own.

use super::call;
use super::memory::{self, PAGE_TABLE, allocate, give_back};
use super::state::{Family, STATE};
use crate::interrupts;
use crate::layout;
use crate::page_table::{self, Pages, Rights};
use aegis_abi::calls::ANY;
use aegis_abi::limits::PAGE_BYTES;
use aegis_abi::{Env, Error, Pid, UserPtr};
use core::mem::offset_of;
use core::ops::Range;
use core::ptr;

/// Allocates `count` consecutive frames.
///
/// # Errors
/// `NoMemory`, where there are none.
pub fn allocate_run(count: u32) -> Result<u32, Error> {
    let free = allocate(ANY)?;
    give_back(free);
    // From there upwards, and then from the very first.
    run_within(free..u32::MAX, count).or_else(|_| run_within(0..free, count))
}

/// Allocates `count` consecutive frames, the first of which lies in `range`.
fn run_within(range: Range<u32>, count: u32) -> Result<u32, Error> {
    let mut first = range.start;
    while first < range.end {
        let taken = (first..first.saturating_add(count)).map(|frame| (frame, allocate(frame)));
        let Some((frame, error)) = taken.filter_map(|(frame, result)| Some((frame, result.err()?))).next() else {
            return Ok(first);
        };
        (first..frame).for_each(give_back);
        if error != Error::FrameTaken {
            break;
        }
        first = frame + 1;
    }
    Err(Error::NoMemory)
}

/// Copies bytes into a frame that this program may write, through the page of addresses at
/// `window`, which is free, and whose page of the page table exists.
pub fn fill(window: Pages, frame: u32, offset: u32, bytes: &[u8]) -> Result<(), page_table::Error> {
    // A handler that makes a process fills the same window.
    interrupts::masked(|| fill_undisturbed(window, frame, offset, bytes))
}

fn fill_undisturbed(window: Pages, frame: u32, offset: u32, bytes: &[u8]) -> Result<(), page_table::Error> {
    assert!(offset as usize + bytes.len() <= PAGE_BYTES as usize);
    PAGE_TABLE.map(window, frame, Rights::ReadWrite)?;
    // SAFETY: the page is mapped to the frame, in which no Rust object of this program lies.
    unsafe {
        let start = ptr::with_exposed_provenance_mut::<u8>((window.start() + offset) as usize);
        ptr::copy_nonoverlapping(bytes.as_ptr(), start, bytes.len());
    }
    make_executable(window.start() + offset, bytes.len() as u32)?;
    PAGE_TABLE.unmap(window)
}

/// Has the processor see as instructions what was written to a range within a page.
fn make_executable(start: u32, bytes: u32) -> Result<(), page_table::Error> {
    let pointer = UserPtr::new(start).ok_or(page_table::Error::Kernel(Error::BadPointer))?;
    loop {
        // SAFETY: it changes nothing that a program could see but instructions that are out of
        // date.
        match unsafe { call::cacheflush(pointer, bytes) } {
            Err(Error::Unmapped) if memory::insert(start) => {}
            result => return result.map_err(page_table::Error::Kernel),
        }
    }
}

/// Gives the process whose image begins at `frame` its arguments, as [`crate::arguments`] has made
/// them.
pub fn set_arguments(window: Pages, frame: u32, arguments: &[u8]) -> Result<(), page_table::Error> {
    let family = offset_of!(super::state::State, family);
    let place = |offset: usize| (family + offset) as u32;
    fill(window, frame, place(offset_of!(Family, arguments)), arguments)?;
    let bytes = (arguments.len() as u32).to_le_bytes();
    fill(window, frame, place(offset_of!(Family, argument_bytes)), &bytes)
}

/// Makes an environment, which draws on the account that `e_alloc`'s argument names.
pub fn make(env: &Env, account: u32) -> Result<Pid, Error> {
    // SAFETY: it takes nothing away from this program.
    call::whole(|| call::with_pointer(env, |pointer| unsafe { call::e_alloc(ANY, pointer, account) }))
}

/// Gives an environment any slice.
pub fn give_slice(pid: Pid) -> Result<u32, Error> {
    // SAFETY: it takes nothing away from this program.
    unsafe { call::s_alloc(pid, ANY) }
}

/// Destroys an environment.
pub fn destroy(pid: Pid) -> Result<(), Error> {
    let mut has_begun = false;
    loop {
        // SAFETY: where it is this program's own, nothing of it goes on.
        match unsafe { call::e_free(pid) } {
            Err(Error::Again) => has_begun = true,
            // Others have ended it meanwhile.
            Err(Error::NoSuchEnvironment) if has_begun => return Ok(()),
            result => return result,
        }
    }
}

/// Gives up the reference to an environment.
pub fn release(pid: Pid) -> Result<(), Error> {
    // SAFETY: it takes nothing away from this program.
    unsafe { call::e_unref(pid) }
}

/// Passes the console's input on.
pub fn focus(pid: Pid) -> Result<(), Error> {
    // SAFETY: it takes nothing away that the program could not do without.
    unsafe { call::console_focus(pid) }
}

/// What the process, whose state's page is mapped at `page`, says of its end: its exit status, if
/// it has ended by itself.
pub fn exit_status(page: Pages) -> Option<i32> {
    // SAFETY: the page is mapped, as long as its owner, the process' representative, lives; and all
    // that it consists of are cells.
    let family = unsafe {
        let start = ptr::with_exposed_provenance::<u8>(page.start() as usize);
        &*start.add(offset_of!(super::state::State, family)).cast::<Family>()
    };
    (family.exited.get() != 0).then(|| family.status.get() as i32)
}

/// The arguments that the parent has given this process; `None`: there is no parent.
pub fn own_arguments() -> Option<&'static [u8]> {
    let family = &STATE.family;
    let bytes = family.argument_bytes.get() as usize;
    if bytes == 0 {
        return None;
    }
    // SAFETY: the parent has written them before the start, and nobody does after.
    Some(unsafe {
        core::slice::from_raw_parts((&raw const family.arguments).cast::<u8>(), bytes.min(family.arguments.len()))
    })
}

/// Ends this process, if it is not the first: for the parent's eyes with this status.
pub fn end(status: i32) {
    STATE.family.status.set(status as u32);
    STATE.family.exited.set(1);
    // The kernel refuses nobody his own end.
    let _ = destroy(call::own_pid());
}

const _: () = {
    // The state is the first page of the image.
    assert!(layout::PINNED[0].0.start == layout::STATE.start && layout::PINNED[0].0.pages == 1);
};
