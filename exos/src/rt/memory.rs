//! The page table's memory, and memory by address.

use super::call;
use super::cell::Cell;
use super::state::DIRECTORY;
use crate::interrupts;
use crate::layout;
use crate::page_table::{Backing, PageTable, Pages};
use aegis_abi::calls::ANY;
use aegis_abi::limits::{GUARANTEED_END, LIST_FRAMES, PAGE_BYTES, PAGE_SHIFT};
use aegis_abi::{Error, Lo, Mapping, Pid, UserPtr, UserVa};
use core::arch::asm;
use core::ptr;

/// The program's page table, in its window, with the kernel behind it.
#[derive(Debug)]
pub struct Own;

/// The program's page table. What it does to pages that Rust knows of is the business of this
/// module's callers within the library; programs go through [`crate::region::Region`].
pub const PAGE_TABLE: PageTable<Own> = PageTable(Own);

fn window(vpn: u32) -> &'static Cell<Lo> {
    debug_assert!(vpn < layout::WINDOW.pages * (PAGE_BYTES / 4));
    // SAFETY: the window holds such a cell for each page of user space, aligned. Reading one whose
    // table does not exist is an exception, not undefined; the trait asks callers to avoid that.
    unsafe { &*ptr::with_exposed_provenance::<Cell<Lo>>(layout::WINDOW.start as usize + vpn as usize * 4) }
}

impl Backing for Own {
    fn directory(&self, table: u32) -> Lo {
        Lo(DIRECTORY.0[table as usize].get())
    }
    fn set_directory(&self, table: u32, lo: Lo) {
        DIRECTORY.0[table as usize].set(lo.0);
    }
    fn entry(&self, vpn: u32) -> Lo {
        window(vpn).get()
    }
    fn set_entry(&self, vpn: u32, lo: Lo) {
        window(vpn).set(lo);
    }
    fn tlbrprotn(&self, pages: Pages) -> Result<u32, Error> {
        // SAFETY: only cached bindings change, and the page table says the same.
        unsafe { call::tlbrprotn(first(pages)?, pages.count()) }
    }
    fn unprotn(&self, pages: Pages) -> Result<u32, Error> {
        // SAFETY: as above.
        unsafe { call::unprotn(first(pages)?, pages.count()) }
    }
    fn tlbdeleten(&self, pages: Pages) -> Result<u32, Error> {
        // SAFETY: as above; what is still mapped comes back by a miss.
        unsafe { call::tlbdeleten(first(pages)?, pages.count()) }
    }
    fn p_alloc(&self) -> Result<u32, Error> {
        allocate(ANY)
    }
    fn p_unref(&self, frame: u32) -> Result<(), Error> {
        // SAFETY: the page table gives back frames of unmapped pages only.
        call::whole(|| unsafe { call::p_unref(frame) })
    }
    fn undisturbed<R>(&self, change: impl FnOnce() -> R) -> R {
        interrupts::masked(change)
    }
}

/// Address of the first page.
fn first(pages: Pages) -> Result<UserVa, Error> {
    UserVa::new(pages.start()).ok_or(Error::BadAddress)
}

/// Inserts the binding of the page of `va` into TLB and STLB, as a pointer argument needs it. False
/// where it cannot be had.
pub fn insert(va: u32) -> bool {
    if PAGE_TABLE.lookup(va) == Lo::INVALID {
        return false;
    }
    // A first touch gives an anonymous page its frame.
    // SAFETY: the page is mapped.
    let _ = unsafe { load_word(va & !3) };
    let Some(page) = UserVa::new(va) else { return false };
    // SAFETY: the binding is the page table's.
    unsafe { call::tlbwr(page, PAGE_TABLE.lookup(va)) }.is_ok()
}

/// The frame under `va`, if it is mapped and has one.
pub fn lookup(va: u32) -> Option<Lo> {
    if va < GUARANTEED_END {
        let under = |mapping: &&Mapping| mapping.va != 0 && mapping.va >> PAGE_SHIFT == va >> PAGE_SHIFT;
        if let Some(mapping) = super::env::current().xl.iter().find(under) {
            return Some(mapping.lo());
        }
    }
    if layout::WINDOW.contains(va) {
        let lo = PAGE_TABLE.0.directory((va - layout::WINDOW.start) >> PAGE_SHIFT);
        return Some(lo).filter(Lo::v);
    }
    Some(PAGE_TABLE.lookup(va)).filter(Lo::v)
}

/// The word at `address`, if that is aligned and mapped.
pub fn peek(address: u32) -> Option<u32> {
    if address & 3 != 0 || lookup(address).is_none() {
        return None;
    }
    // SAFETY: the page is mapped and the address aligned.
    Some(unsafe { load_word(address) })
}

/// Loads the word at `address` with one `lw`; 0 if that raises an exception and its handler skips
/// the instruction.
///
/// # Safety
/// `address` is memory that may be read at this time, or handlers for the exception that it raises
/// are in place.
pub unsafe fn load_word(address: u32) -> u32 {
    let mut value = 0;
    // SAFETY: the caller vouches for the address.
    unsafe {
        asm!(
            ".set push",
            ".set noat",
            "lw {value}, 0({address})",
            "nop", // hazard: load delay (MIPS I)
            ".set pop",
            value = inout(reg) value,
            address = in(reg) address,
            options(nostack)
        )
    };
    value
}

/// Stores `value` to the word at `address` with one `sw`.
///
/// # Safety
/// As for [`load_word`], and no Rust object may lie there.
pub unsafe fn store_word(address: u32, value: u32) {
    // SAFETY: the caller vouches for the address.
    unsafe {
        asm!(".set push", ".set noat", "sw {value}, 0({address})", ".set pop", value = in(reg) value, address = in(reg) address, options(nostack))
    };
}

/// Allocates a frame. Gives up the slice as often as the kernel says that one will be free: it has
/// others give some up.
///
/// # Errors Those of the kernel's call `p_alloc`; `TryAgain` in a critical section alone, which
/// must not give up the slice.
pub fn allocate(frame: u32) -> Result<u32, Error> {
    loop {
        // SAFETY: a new frame is nobody's memory yet.
        match unsafe { call::p_alloc(frame) } {
            Err(Error::Again) => {}
            Err(Error::TryAgain) if !interrupts::in_critical() => crate::schedule::yield_now(),
            result => return result,
        }
    }
}

/// Gives up a frame of a [`crate::region::Frame`].
pub fn give_back(frame: u32) {
    // It can fail only where the program has given the frame up by other means.
    // SAFETY: such frames are mapped in regions only, where no Rust object lies.
    let _ = call::whole(|| unsafe { call::p_unref(frame) });
}

/// Grants an environment rights to a frame of a [`crate::region::Frame`], or withdraws them.
pub fn grant(frame: u32, with: Pid, protection: u32) -> Result<(), Error> {
    // SAFETY: it takes nothing away from this program.
    call::whole(|| unsafe { call::p_add(protection, with, frame) })
}

/// Gives frames that this program has mapped in regions only, or nowhere, to an environment.
pub fn give(frames: &[u32], to: Pid) -> Result<(), Error> {
    // SAFETY: no Rust object lies in these frames.
    in_lists(frames, |list, count| unsafe { call::p_give(to, list, count) })
}

/// Lets an environment have shares of such frames.
pub fn share(frames: &[u32], with: Pid, protection: u32) -> Result<(), Error> {
    // SAFETY: it takes nothing away from this program, unless that is the environment, and then no
    // Rust object lies there.
    in_lists(frames, |list, count| unsafe { call::p_share(with, protection, list, count) })
}

/// Makes a call that takes lists of frames, and says how many of them it has seen to.
fn in_lists(frames: &[u32], mut call: impl FnMut(UserPtr, u32) -> Result<u32, Error>) -> Result<(), Error> {
    let mut left = frames;
    while !left.is_empty() {
        let mut list = [0; LIST_FRAMES];
        let count = left.len().min(LIST_FRAMES);
        list[..count].copy_from_slice(&left[..count]);
        let done = call::whole(|| call::with_pointer(&list, |pointer| call(pointer, count as u32)))?;
        left = &left[done as usize..];
    }
    Ok(())
}

/// Loads a word within a [`crate::region::Region`].
pub fn load_in_region(address: u32) -> u32 {
    // SAFETY: a region's pages are its alone; an exception is what the program then asks for.
    unsafe { load_word(address) }
}

/// Stores a word within a [`crate::region::Region`].
pub fn store_in_region(address: u32, value: u32) {
    // SAFETY: as above, and no Rust object lies in a region.
    unsafe { store_word(address, value) };
}
