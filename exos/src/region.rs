//! Memory by the page: ranges of addresses that a program owns and maps as it likes.
//!
//! Words in a region are reached by single loads and stores, so a program can let them raise
//! exceptions. No Rust object ever lies in one, so whatever its pages are mapped to, nothing else
//! is harmed.

use crate::interrupts::masked;
use crate::layout;
use crate::page_table::{Error, Pages, Rights};
use crate::rt::cell::Cell;
use crate::rt::memory;
use aegis_abi::Pid;
use aegis_abi::calls::{ANY, READ, READ_WRITE};
use aegis_abi::limits::PAGE_BYTES;
use core::ops::Range;

/// A frame of physical memory, owned by the program.
#[derive(PartialEq, Eq, Debug)]
pub struct Frame(u32);

impl Frame {
    /// Any free frame, filled with zeros.
    ///
    /// # Errors
    /// `NoMemory`; in a critical section `TryAgain`, where others must give up frames first.
    pub fn any() -> Result<Frame, aegis_abi::Error> {
        memory::allocate(ANY).map(Frame)
    }

    /// The frame with this number, filled with zeros.
    ///
    /// # Errors
    /// `NoSuchFrame`, `FrameTaken`.
    pub fn number(frame: u32) -> Result<Frame, aegis_abi::Error> {
        if frame == ANY {
            // To the kernel it means any that is free.
            return Err(aegis_abi::Error::NoSuchFrame);
        }
        memory::allocate(frame).map(Frame)
    }

    /// The frame with this number, to which another environment has granted this one rights. (If it
    /// has not, mapping it succeeds, and touching it faults.)
    pub fn shared(frame: u32) -> Frame {
        Frame(frame)
    }

    /// Grants an environment rights to it, until this value goes; `None` withdraws them.
    ///
    /// # Errors
    /// Those of the kernel's call `p_add`.
    pub fn grant(&self, with: Pid, rights: Option<Rights>) -> Result<(), aegis_abi::Error> {
        memory::grant(self.0, with, rights.map_or(0, protection))
    }

    /// Lets an environment, of which this one is a writer, or which accepts it, have a share of it,
    /// which is its own as much as this one's.
    ///
    /// # Errors
    /// Those of the kernel's call `p_share`.
    pub fn share(&self, with: Pid, rights: Rights) -> Result<(), aegis_abi::Error> {
        memory::share(&[self.0], with, protection(rights))
    }

    /// Gives it to an environment, of which this one is a writer, or which accepts it.
    ///
    /// # Errors
    /// Those of the kernel's call `p_give`. The frame is given back then.
    pub fn give(self, to: Pid) -> Result<(), aegis_abi::Error> {
        memory::give(&[self.0], to)?;
        core::mem::forget(self);
        Ok(())
    }

    /// Its number.
    pub fn get(&self) -> u32 {
        self.0
    }
}

/// Rights as the kernel's calls have them.
fn protection(rights: Rights) -> u32 {
    match rights {
        Rights::ReadOnly => READ,
        Rights::ReadWrite => READ_WRITE,
    }
}

impl Drop for Frame {
    /// Gives the frame back. The kernel breaks every binding to it; touching a page that is still
    /// mapped to it then faults.
    fn drop(&mut self) {
        memory::give_back(self.0);
    }
}

/// A range of pages in the standard segment that is this value's alone.
#[derive(Debug)]
pub struct Region {
    pages: Pages,
}

/// Pages of [`layout::REGIONS`] handed out by [`Region::reserve`] so far.
static RESERVED: Cell<u32> = Cell::new(0);

impl Region {
    /// Reserves `count` pages of addresses; nothing is mapped yet. The addresses are not used
    /// again.
    ///
    /// # Errors
    /// [`Error::NoAddresses`] when so many are not left; [`Error::BadRange`] for no page at all.
    pub fn reserve(count: u32) -> Result<Region, Error> {
        masked(|| {
            let before = RESERVED.get();
            if count > layout::REGIONS.pages - before {
                return Err(Error::NoAddresses);
            }
            Region::reserve_at(layout::REGIONS.start + before * PAGE_BYTES, count)
        })
    }

    /// Reserves the `count` pages from `start`, which must lie in [`layout::REGIONS`] behind all
    /// that was reserved before.
    ///
    /// # Errors
    /// [`Error::NotFree`], where they do not; [`Error::BadRange`].
    pub fn reserve_at(start: u32, count: u32) -> Result<Region, Error> {
        let pages = Pages::new(start, count)?;
        if count == 0 {
            return Err(Error::BadRange);
        }
        let first = start.checked_sub(layout::REGIONS.start).ok_or(Error::NotFree)? / PAGE_BYTES;
        masked(|| {
            if first < RESERVED.get() || first + count > layout::REGIONS.pages {
                return Err(Error::NotFree);
            }
            RESERVED.set(first + count);
            Ok(Region { pages })
        })
    }

    /// Address of the first page.
    pub fn start(&self) -> u32 {
        self.pages.start()
    }

    /// Number of pages.
    pub fn pages(&self) -> u32 {
        self.pages.count()
    }

    /// Address of page `page`.
    pub fn address(&self, page: u32) -> u32 {
        self.start() + page * PAGE_BYTES
    }

    /// Gives pages of the region memory that is filled with zeros when they are first touched. It
    /// is promised, not had: where no frame is free at the first touch, that is an exception ("out
    /// of memory"). Who must know beforehand allocates a [`Frame`] and
    /// [maps](Region::map) it.
    ///
    /// # Errors Those of [`PageTable::demand_zero`](crate::page_table::PageTable::demand_zero);
    /// [`Error::NotInRegion`].
    pub fn demand_zero(&self, pages: Range<u32>, rights: Rights) -> Result<(), Error> {
        memory::PAGE_TABLE.demand_zero(self.part(pages)?, rights)
    }

    /// Maps one page of the region to a frame.
    ///
    /// # Errors
    /// Those of [`PageTable::map`](crate::page_table::PageTable::map); [`Error::NotInRegion`].
    pub fn map(&self, page: u32, frame: &Frame, rights: Rights) -> Result<(), Error> {
        memory::PAGE_TABLE.map(self.part(page..page.saturating_add(1))?, frame.get(), rights)
    }

    /// Maps one page of the region, for reading, to a frame that the kernel lets everybody read.
    ///
    /// # Errors
    /// Those of [`PageTable::map`](crate::page_table::PageTable::map); [`Error::NotInRegion`].
    pub fn map_public(&self, page: u32, frame: u32) -> Result<(), Error> {
        memory::PAGE_TABLE.map(self.part(page..page.saturating_add(1))?, frame, Rights::ReadOnly)
    }

    /// Gives back the frames of those pages that were filled with zeros at first: their contents
    /// are lost, and they are filled so again when they are touched next. Returns how many frames.
    ///
    /// # Errors Those of [`PageTable::discard`](crate::page_table::PageTable::discard);
    /// [`Error::NotInRegion`].
    pub fn discard(&self, pages: Range<u32>) -> Result<u32, Error> {
        memory::PAGE_TABLE.discard(self.part(pages)?)
    }

    /// Unmaps pages of the region.
    ///
    /// # Errors
    /// Those of [`PageTable::unmap`](crate::page_table::PageTable::unmap); [`Error::NotInRegion`].
    pub fn unmap(&self, pages: Range<u32>) -> Result<(), Error> {
        memory::PAGE_TABLE.unmap(self.part(pages)?)
    }

    /// Changes the rights to pages of the region.
    ///
    /// # Errors Those of [`PageTable::protect`](crate::page_table::PageTable::protect);
    /// [`Error::NotInRegion`].
    pub fn protect(&self, pages: Range<u32>, rights: Rights) -> Result<(), Error> {
        memory::PAGE_TABLE.protect(self.part(pages)?, rights)
    }

    /// Loads a word with one instruction. `offset` counts bytes from the start of the region, and
    /// need not be aligned or mapped: the load then raises an exception. 0, if its handler skips
    /// the load.
    ///
    /// # Panics
    /// When the word does not lie within the region.
    pub fn load(&self, offset: u32) -> u32 {
        memory::load_in_region(self.address_of(offset))
    }

    /// Stores a word with one instruction; otherwise as [`load`](Region::load).
    ///
    /// # Panics
    /// When the word does not lie within the region.
    pub fn store(&self, offset: u32, value: u32) {
        memory::store_in_region(self.address_of(offset), value);
    }

    fn address_of(&self, offset: u32) -> u32 {
        assert!(
            offset.checked_add(4).is_some_and(|end| end <= self.pages() * PAGE_BYTES),
            "offset {offset:#x} is not within the {} pages of the region",
            self.pages()
        );
        self.start() + offset
    }

    fn part(&self, pages: Range<u32>) -> Result<Pages, Error> {
        if pages.start > pages.end || pages.end > self.pages() {
            return Err(Error::NotInRegion);
        }
        Pages::new(self.address(pages.start), pages.end - pages.start)
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // The kernel refuses to delete bindings of no range that the page table accepts.
        let _ = memory::PAGE_TABLE.unmap(self.pages);
    }
}
