//! The page table: what is mapped where. Pure logic; memory and kernel are behind [`Backing`], so that the host tests it
//! against a model.
//!
//! Two levels. An entry is a [`Lo`] word (thesis figure 9-8); all entries together form one array, the window, indexed by
//! virtual page number. The directory has an entry for each page of the window, in the same form, so that the page table
//! is itself paged: the same miss handler serves both.
//!
//! Invariants:
//! - an entry is 0 (no mapping), valid, or not valid with [`ANONYMOUS`]: then the first touch gives it a frame;
//! - a valid entry with [`ANONYMOUS`] owns its frame: unmapping gives it back;
//! - a cached binding (TLB, STLB) equals its entry.
//!
//! Interrupt handlers map pages too, between any two instructions of the program. So each change is
//! made in pieces that are short and undisturbed ([`Backing::undisturbed`]), and all of these hold
//! between two pieces.

use crate::layout;
use aegis_abi::limits::{GUARANTEED_END, PAGE_BYTES, PAGE_SHIFT, USER_END};
use aegis_abi::{Error as KernelError, Lo};
use core::fmt;

/// Tag bit of an entry: the page is memory of the program's own, filled with zeros at the first touch.
pub const ANONYMOUS: u32 = 1 << 1;

/// Entries that are changed, or looked at, at a time: a small part of a slice.
const PIECE: u32 = 128;

/// As [`PIECE`], where frames may be given back, which takes the kernel long: it fills them with
/// zeros.
const SMALL_PIECE: u32 = 8;

/// Entries in a page of the page table.
pub const TABLE_ENTRIES: u32 = PAGE_BYTES / 4;

/// A directory entry for a page of the page table that the first touch brings about: for the start code alone.
pub const DEMAND_TABLE: Lo = Lo(ANONYMOUS | Lo::D | Lo::W);

const _: () = {
    assert!(layout::PAGE_BYTES == PAGE_BYTES);
    assert!(layout::IMAGE.start >= GUARANTEED_END && layout::WINDOW.end() <= GUARANTEED_END);
    // One window entry for each page of user space.
    assert!(layout::WINDOW.pages * TABLE_ENTRIES == USER_END >> PAGE_SHIFT);
};

/// What a page may be used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rights {
    /// Loads and instruction fetches.
    ReadOnly,
    /// Loads, fetches and stores.
    ReadWrite,
}

impl Rights {
    const fn bits(self) -> u32 {
        match self {
            Rights::ReadOnly => 0,
            Rights::ReadWrite => Lo::D | Lo::W,
        }
    }
}

/// Pages of the standard segment, checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pages {
    first: u32,
    count: u32,
}

impl Pages {
    /// The `count` pages from address `start`.
    ///
    /// # Errors
    /// [`Error::BadRange`] when `start` is not that of a page, or the range leaves the standard segment.
    pub const fn new(start: u32, count: u32) -> Result<Pages, Error> {
        let fits = start.is_multiple_of(PAGE_BYTES)
            && start >= GUARANTEED_END
            && start < USER_END
            && count <= (USER_END - start) / PAGE_BYTES;
        if fits { Ok(Pages { first: start >> PAGE_SHIFT, count }) } else { Err(Error::BadRange) }
    }

    /// All pages of an area of the layout.
    pub const fn of(area: layout::Area) -> Pages {
        match Pages::new(area.start, area.pages) {
            Ok(pages) => pages,
            Err(_) => panic!("the area lies outside the standard segment"),
        }
    }

    /// Address of the first page.
    pub const fn start(self) -> u32 {
        self.first << PAGE_SHIFT
    }

    /// Number of pages.
    pub const fn count(self) -> u32 {
        self.count
    }

    fn numbers(self) -> core::ops::Range<u32> {
        self.first..self.first + self.count
    }

    /// Cut into pieces of `most` pages, the last of what is left.
    fn pieces(self, most: u32) -> impl Iterator<Item = Pages> {
        self.numbers()
            .step_by(most as usize)
            .map(move |first| Pages { first, count: most.min(self.first + self.count - first) })
    }
}

/// Why the page table refused. Nothing has changed then, unless an interrupt handler has changed
/// the same pages meanwhile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// A range that is not of whole pages or leaves the standard segment.
    BadRange,
    /// Pages that are not in the region.
    NotInRegion,
    /// Addresses that have been handed out before, or are none to hand out.
    NotFree,
    /// So many addresses are not left.
    NoAddresses,
    /// The page at this address is mapped already: unmap it first.
    Mapped(u32),
    /// The page at this address is not mapped.
    NotMapped(u32),
    /// The page at this address was mapped for reading only.
    NotWritable(u32),
    /// The kernel refused.
    Kernel(KernelError),
}

impl From<KernelError> for Error {
    fn from(error: KernelError) -> Error {
        Error::Kernel(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::BadRange => f.write_str("not a range of whole pages in the standard segment"),
            Error::NotInRegion => f.write_str("the pages do not lie in the region"),
            Error::NotFree => f.write_str("the addresses are not free to be reserved"),
            Error::NoAddresses => f.write_str("the addresses for regions are used up"),
            Error::Mapped(va) => write!(f, "page {va:#010x} is mapped already"),
            Error::NotMapped(va) => write!(f, "page {va:#010x} is not mapped"),
            Error::NotWritable(va) => write!(f, "page {va:#010x} was mapped for reading only"),
            Error::Kernel(error) => write!(f, "the kernel refused: {error}"),
        }
    }
}

impl core::error::Error for Error {}

/// What the page table stands on: its memory and the kernel's calls.
pub trait Backing {
    /// Entry `table` of the directory.
    fn directory(&self, table: u32) -> Lo;
    /// Sets entry `table` of the directory.
    fn set_directory(&self, table: u32, lo: Lo);
    /// The entry of page `vpn`. Its directory entry is not 0.
    fn entry(&self, vpn: u32) -> Lo;
    /// Sets the entry of page `vpn`. Its directory entry is not 0.
    fn set_entry(&self, vpn: u32, lo: Lo);
    /// The kernel's call `tlbrprotn`: how many of `pages`, the first ones, it has edited.
    fn tlbrprotn(&self, pages: Pages) -> Result<u32, KernelError>;
    /// The kernel's call `unprotn`, with the same result.
    fn unprotn(&self, pages: Pages) -> Result<u32, KernelError>;
    /// The kernel's call `tlbdeleten`, with the same result.
    fn tlbdeleten(&self, pages: Pages) -> Result<u32, KernelError>;
    /// The kernel's call `p_alloc`, for any frame.
    fn p_alloc(&self) -> Result<u32, KernelError>;
    /// The kernel's call `p_unref`.
    fn p_unref(&self, frame: u32) -> Result<(), KernelError>;
    /// Does `change`, a short one, without interrupts.
    fn undisturbed<R>(&self, change: impl FnOnce() -> R) -> R;
}

/// The kernel has refused a range of pages, after pieces of it.
struct Refused {
    error: KernelError,
    /// The pages of those pieces.
    done: Pages,
}

/// Makes a call of the kernel for `pages` that does a piece at a time, for as long as pages are
/// left.
fn repeat(pages: Pages, mut call: impl FnMut(Pages) -> Result<u32, KernelError>) -> Result<(), Refused> {
    let Pages { first, count } = pages;
    let mut done = 0;
    while done < count {
        let left = Pages { first: first + done, count: count - done };
        done += call(left).map_err(|error| Refused { error, done: Pages { first, count: done } })?;
    }
    Ok(())
}

/// The page table over its backing.
#[derive(Debug)]
pub struct PageTable<B>(pub B);

impl<B: Backing> PageTable<B> {
    /// The entry of the page of `va`; [`Lo::INVALID`] where nothing is mapped.
    pub fn lookup(&self, va: u32) -> Lo {
        if va < USER_END { self.get(va >> PAGE_SHIFT) } else { Lo::INVALID }
    }

    /// Maps consecutive frames from `frame` to `pages`.
    ///
    /// # Errors
    /// [`Error::Mapped`], [`Error::Kernel`] where the page table cannot grow.
    pub fn map(&self, pages: Pages, frame: u32, rights: Rights) -> Result<(), Error> {
        self.fill(pages, |i| Lo(Lo::read_only(frame + i).0 | rights.bits()))
    }

    /// Gives `pages` memory of their own, filled with zeros when they are first touched.
    ///
    /// # Errors
    /// [`Error::Mapped`], [`Error::Kernel`] where the page table cannot grow.
    pub fn demand_zero(&self, pages: Pages, rights: Rights) -> Result<(), Error> {
        self.fill(pages, |_| Lo(ANONYMOUS | rights.bits()))
    }

    /// Unmaps what is mapped of `pages`, and gives back the frames that are the program's own through these mappings.
    ///
    /// # Errors
    /// [`Error::Kernel`].
    pub fn unmap(&self, pages: Pages) -> Result<(), Error> {
        let unmap = |piece: Pages| {
            self.delete_cached(piece)?;
            for vpn in piece.numbers() {
                let lo = self.get(vpn);
                if lo == Lo::INVALID {
                    continue;
                }
                self.0.set_entry(vpn, Lo::INVALID);
                if lo.v() && lo.0 & ANONYMOUS != 0 {
                    self.0.p_unref(lo.pfn())?;
                }
            }
            Ok(())
        };
        pages.pieces(SMALL_PIECE).try_for_each(|piece| self.0.undisturbed(|| unmap(piece)))
    }

    /// Gives back the frames of those of `pages` that were filled with zeros at first: they are again when they are touched next. Returns
    /// how many.
    ///
    /// # Errors
    /// [`Error::Kernel`].
    pub fn discard(&self, pages: Pages) -> Result<u32, Error> {
        let mut discarded = 0;
        let mut discard = |piece: Pages| {
            self.delete_cached(piece)?;
            for vpn in piece.numbers() {
                let lo = self.get(vpn);
                if lo.v() && lo.0 & ANONYMOUS != 0 {
                    // What is left of it is that, and the rights.
                    self.0.set_entry(vpn, Lo(lo.0 & (ANONYMOUS | Lo::D | Lo::W)));
                    self.0.p_unref(lo.pfn())?;
                    discarded += 1;
                }
            }
            Ok::<(), Error>(())
        };
        pages.pieces(SMALL_PIECE).try_for_each(|piece| self.0.undisturbed(|| discard(piece)))?;
        Ok(discarded)
    }

    /// Frames are gone: those for which `lost` has an answer. Pages that were mapped to them are mapped to the copy that it names, if it does,
    /// or to nothing. `visit` is told their numbers, and frames; `pause` is called now and then, since all of the table is looked at. The
    /// page table's own pages are to be looked at first: see [`PageTable::lose_table`].
    pub fn lose(
        &self,
        lost: impl Fn(u32) -> Option<Option<u32>>,
        mut visit: impl FnMut(u32, u32),
        mut pause: impl FnMut(),
    ) {
        for table in (0..layout::WINDOW.pages).filter(|&table| self.0.directory(table) != Lo::INVALID) {
            for vpn in table * TABLE_ENTRIES..(table + 1) * TABLE_ENTRIES {
                let mut lo = self.0.entry(vpn);
                if lo.v()
                    && let Some(copy) = lost(lo.pfn())
                {
                    let frame = lo.pfn();
                    lo.set_pfn(copy.unwrap_or(0));
                    self.0.set_entry(vpn, if copy.is_some() { lo } else { Lo::INVALID });
                    visit(vpn, frame);
                }
                if vpn.is_multiple_of(PIECE) {
                    pause();
                }
            }
        }
    }

    /// Frame `lost` is gone. Was it a page of the page table's? Then its pages are mapped to nothing, and their frames lost.
    pub fn lose_table(&self, lost: u32) -> bool {
        let is_lost = |table: &u32| self.0.directory(*table).v() && self.0.directory(*table).pfn() == lost;
        let table = (0..layout::WINDOW.pages).find(is_lost);
        if let Some(table) = table {
            self.0.set_directory(table, Lo::INVALID);
        }
        table.is_some()
    }

    /// Changes the rights to `pages`. Pages that were mapped for reading only stay so.
    ///
    /// # Errors
    /// [`Error::NotMapped`], [`Error::NotWritable`], [`Error::Kernel`].
    pub fn protect(&self, pages: Pages, rights: Rights) -> Result<(), Error> {
        if pages.count > PIECE {
            // Of several pieces the later ones may be refused: that is to be found out before the
            // first has changed.
            pages.pieces(PIECE).try_for_each(|piece| self.0.undisturbed(|| self.may_protect(piece, rights)))?;
            self.protect_cached(pages, rights)?;
        }
        pages.pieces(PIECE).try_for_each(|piece| {
            self.0.undisturbed(|| {
                self.may_protect(piece, rights)?;
                // The kernel first: it may refuse, the table cannot.
                self.protect_cached(piece, rights)?;
                for vpn in piece.numbers() {
                    let mut lo = self.get(vpn);
                    lo.set_d(rights == Rights::ReadWrite);
                    self.0.set_entry(vpn, lo);
                }
                Ok(())
            })
        })
    }

    fn may_protect(&self, pages: Pages, rights: Rights) -> Result<(), Error> {
        for vpn in pages.numbers() {
            let lo = self.get(vpn);
            if lo == Lo::INVALID {
                return Err(Error::NotMapped(vpn << PAGE_SHIFT));
            }
            if rights == Rights::ReadWrite && !lo.w() {
                return Err(Error::NotWritable(vpn << PAGE_SHIFT));
            }
        }
        Ok(())
    }

    fn protect_cached(&self, pages: Pages, rights: Rights) -> Result<(), KernelError> {
        let protected = match rights {
            Rights::ReadOnly => repeat(pages, |left| self.0.tlbrprotn(left)),
            Rights::ReadWrite => repeat(pages, |left| self.0.unprotn(left)),
        };
        protected.or_else(|Refused { error, done }| {
            // Where they are used again, misses bring back what the table says.
            self.delete_cached(done)?;
            Err(error)
        })
    }

    fn delete_cached(&self, pages: Pages) -> Result<(), KernelError> {
        repeat(pages, |left| self.0.tlbdeleten(left)).map_err(|refused| refused.error)
    }

    /// Calls `visit` with every page number and entry that is not 0, in order.
    pub fn for_each(&self, mut visit: impl FnMut(u32, Lo)) {
        for table in 0..layout::WINDOW.pages {
            if self.0.directory(table) == Lo::INVALID {
                continue;
            }
            for vpn in table * TABLE_ENTRIES..(table + 1) * TABLE_ENTRIES {
                match self.0.entry(vpn) {
                    Lo::INVALID => {}
                    lo => visit(vpn, lo),
                }
            }
        }
    }

    fn fill(&self, pages: Pages, entry: impl Fn(u32) -> Lo) -> Result<(), Error> {
        let mapped = |piece: Pages| piece.numbers().find(|&vpn| self.get(vpn) != Lo::INVALID);
        let refuse_mapped = |piece: Pages| mapped(piece).map_or(Ok(()), |vpn| Err(Error::Mapped(vpn << PAGE_SHIFT)));
        pages.pieces(PIECE).try_for_each(|piece| self.0.undisturbed(|| refuse_mapped(piece)))?;
        // Pages of the page table get their frames here, where a lack of memory can be told: a miss in one of them could not
        // be served, nor reported in a useful way. One too many, after a failure, maps nothing.
        let tables = pages.numbers().step_by(TABLE_ENTRIES as usize).chain(pages.numbers().last());
        for table in tables.map(|vpn| vpn / TABLE_ENTRIES) {
            self.have_table(table)?;
        }
        for piece in pages.pieces(PIECE) {
            let filled = self.0.undisturbed(|| {
                refuse_mapped(piece)?;
                piece.numbers().for_each(|vpn| self.0.set_entry(vpn, entry(vpn - pages.first)));
                Ok(())
            });
            if filled.is_err() {
                // A handler was faster.
                self.unmap(Pages { first: pages.first, count: piece.first - pages.first })?;
                return filled;
            }
        }
        Ok(())
    }

    /// Makes page `table` of the page table, if there is none.
    fn have_table(&self, table: u32) -> Result<(), Error> {
        if self.0.directory(table) != Lo::INVALID {
            return Ok(());
        }
        // Interrupts come meanwhile, as this may have to wait.
        let frame = self.0.p_alloc()?;
        self.0.undisturbed(|| {
            if self.0.directory(table) == Lo::INVALID {
                self.0.set_directory(table, Lo::writable(frame));
                Ok(())
            } else {
                // A handler was faster.
                self.0.p_unref(frame).map_err(Error::Kernel)
            }
        })
    }

    fn get(&self, vpn: u32) -> Lo {
        if self.0.directory(vpn / TABLE_ENTRIES) == Lo::INVALID { Lo::INVALID } else { self.0.entry(vpn) }
    }
}

#[cfg(test)]
mod tests;
