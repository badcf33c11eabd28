//! The page table against a plain map, over a model of memory, miss handler and kernel.

extern crate std;

use super::*;
use proptest::prelude::*;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::vec::Vec;

/// Pages that the kernel edits in a call.
const KERNEL_PIECE: u32 = 2;

/// Memory and kernel, as far as the page table can tell.
#[derive(Default)]
struct Model {
    directory: RefCell<BTreeMap<u32, Lo>>,
    entries: RefCell<BTreeMap<u32, Lo>>,
    /// What TLB and STLB hold.
    cached: RefCell<BTreeMap<u32, Lo>>,
    frames: RefCell<BTreeSet<u32>>,
    /// Frames of the page table itself.
    tables: RefCell<BTreeSet<u32>>,
    next_frame: Cell<u32>,
    refuse: Cell<Option<KernelError>>,
    /// A page that the kernel does not make writable.
    refused: Cell<Option<u32>>,
    /// An interrupt comes with each so many accesses, unless it is masked; 0: none comes.
    period: Cell<u32>,
    accesses: Cell<u32>,
    masked: Cell<bool>,
    /// Pages that the interrupt handler has mapped.
    handlers: RefCell<BTreeSet<u32>>,
    /// Pages of the program's that it has touched, and their frames.
    touched: RefCell<BTreeMap<u32, u32>>,
}

impl Model {
    /// An access, before which an interrupt may come. Its handler touches a page of the program's,
    /// and unmaps one of its own, or maps it.
    fn access(&self) {
        let n = self.accesses.get() + 1;
        self.accesses.set(n);
        if self.masked.get() || self.period.get() == 0 || !n.is_multiple_of(self.period.get()) {
            return;
        }
        self.masked.set(true);
        if self.touch(FIRST + n % COUNT) {
            self.touched.borrow_mut().insert(n % COUNT, self.entries.borrow()[&(FIRST + n % COUNT)].pfn());
        }
        let (table, page) = (PageTable(self), COUNT + n / self.period.get() % COUNT);
        if self.handlers.borrow_mut().remove(&page) {
            assert!(self.touch(FIRST + page), "what a handler has mapped is gone");
            table.unmap(pages(page, 1)).expect("it is mapped");
        } else {
            table.demand_zero(pages(page, 1), Rights::ReadWrite).expect("it is not mapped");
            self.handlers.borrow_mut().insert(page);
        }
        self.masked.set(false);
    }

    /// What the kernel edits of these pages in one call.
    fn piece(&self, pages: Pages) -> Result<Pages, KernelError> {
        self.access();
        self.check()?;
        Ok(Pages { count: pages.count.min(KERNEL_PIECE), ..pages })
    }

    fn check(&self) -> Result<(), KernelError> {
        self.refuse.get().map_or(Ok(()), Err)
    }

    /// What the miss handler does when the program touches page `vpn`. Returns whether that succeeds.
    fn touch(&self, vpn: u32) -> bool {
        let mut lo = self.entries.borrow().get(&vpn).copied().unwrap_or(Lo::INVALID);
        if !lo.v() {
            if lo.0 & ANONYMOUS == 0 {
                return false;
            }
            let frame = self.next_frame.get();
            self.next_frame.set(frame + 1);
            self.frames.borrow_mut().insert(frame);
            lo.set_v(true);
            lo.set_pfn(frame);
            self.entries.borrow_mut().insert(vpn, lo);
        }
        self.cached.borrow_mut().insert(vpn, lo);
        true
    }
}

impl Backing for &Model {
    fn directory(&self, table: u32) -> Lo {
        self.access();
        self.directory.borrow().get(&table).copied().unwrap_or(Lo::INVALID)
    }
    fn set_directory(&self, table: u32, lo: Lo) {
        self.access();
        self.directory.borrow_mut().insert(table, lo);
    }
    fn entry(&self, vpn: u32) -> Lo {
        assert_ne!(self.directory(vpn / TABLE_ENTRIES), Lo::INVALID, "the window has no such page");
        self.access();
        self.entries.borrow().get(&vpn).copied().unwrap_or(Lo::INVALID)
    }
    fn set_entry(&self, vpn: u32, lo: Lo) {
        assert_ne!(self.directory(vpn / TABLE_ENTRIES), Lo::INVALID, "the window has no such page");
        self.access();
        self.entries.borrow_mut().insert(vpn, lo);
    }
    fn tlbrprotn(&self, pages: Pages) -> Result<u32, KernelError> {
        let piece = self.piece(pages)?;
        self.cached.borrow_mut().range_mut(piece.numbers()).for_each(|(_, lo)| lo.set_d(false));
        Ok(piece.count)
    }
    fn unprotn(&self, pages: Pages) -> Result<u32, KernelError> {
        let piece = self.piece(pages)?;
        let mut cached = self.cached.borrow_mut();
        let refused = self.refused.get().is_some_and(|page| piece.numbers().contains(&page));
        if refused || cached.range(piece.numbers()).any(|(_, lo)| !lo.w()) {
            return Err(KernelError::NotPermitted);
        }
        cached.range_mut(piece.numbers()).for_each(|(_, lo)| lo.set_d(true));
        Ok(piece.count)
    }
    fn tlbdeleten(&self, pages: Pages) -> Result<u32, KernelError> {
        let piece = self.piece(pages)?;
        self.cached.borrow_mut().retain(|vpn, _| !piece.numbers().contains(vpn));
        Ok(piece.count)
    }
    fn p_alloc(&self) -> Result<u32, KernelError> {
        self.check()?;
        let frame = self.next_frame.replace(self.next_frame.get() + 1);
        self.tables.borrow_mut().insert(frame);
        self.access();
        Ok(frame)
    }
    fn p_unref(&self, frame: u32) -> Result<(), KernelError> {
        assert!(self.cached.borrow().values().all(|lo| lo.pfn() != frame), "frame {frame} is given up while bound");
        let had = self.frames.borrow_mut().remove(&frame) || self.tables.borrow_mut().remove(&frame);
        if had { Ok(()) } else { Err(KernelError::FrameFree) }
    }
    fn undisturbed<R>(&self, change: impl FnOnce() -> R) -> R {
        let before = self.masked.replace(true);
        let result = change();
        self.masked.set(before);
        result
    }
}

/// What a page is, in the words of the plain map.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Page {
    frame: Option<u32>,
    anonymous: bool,
    may_write: bool,
    writable: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Map(u32, u32, u32, bool),
    DemandZero(u32, u32, bool),
    Unmap(u32, u32),
    Protect(u32, u32, bool),
    Touch(u32),
}

/// Pages on both sides of the border between two pages of the page table.
const FIRST: u32 = 5 * TABLE_ENTRIES - 12;
const COUNT: u32 = 24;
const FOREIGN_FRAME: u32 = 0x8000;

fn step() -> impl Strategy<Value = Step> {
    let range = || (0..COUNT).prop_flat_map(|start| (Just(start), 0..=(COUNT - start).min(6)));
    prop_oneof![
        (range(), 0..100u32, any::<bool>()).prop_map(|((s, n), frame, w)| Step::Map(s, n, FOREIGN_FRAME + frame, w)),
        (range(), any::<bool>()).prop_map(|((s, n), w)| Step::DemandZero(s, n, w)),
        range().prop_map(|(s, n)| Step::Unmap(s, n)),
        (range(), any::<bool>()).prop_map(|((s, n), w)| Step::Protect(s, n, w)),
        (0..COUNT).prop_map(Step::Touch),
    ]
}

fn rights(write: bool) -> Rights {
    if write { Rights::ReadWrite } else { Rights::ReadOnly }
}

fn pages(start: u32, count: u32) -> Pages {
    Pages::new((FIRST + start) << PAGE_SHIFT, count).expect("in the standard segment")
}

proptest! {
    #[test]
    fn behaves_like_a_map(steps in proptest::collection::vec(step(), 1..60), period in 0..20u32) {
        let model = Model::default();
        model.period.set(period);
        let table = PageTable(&model);
        let mut plain: BTreeMap<u32, Page> = BTreeMap::new();

        for step in steps {
            match step {
                Step::Map(start, count, frame, write) => {
                    let taken = (start..start + count).find(|page| plain.contains_key(page));
                    let result = table.map(pages(start, count), frame, rights(write));
                    match taken {
                        Some(page) => prop_assert_eq!(result, Err(Error::Mapped((FIRST + page) << PAGE_SHIFT))),
                        None => {
                            prop_assert_eq!(result, Ok(()));
                            for i in 0..count {
                                let page = Page { frame: Some(frame + i), anonymous: false, may_write: write, writable: write };
                                plain.insert(start + i, page);
                            }
                        }
                    }
                }
                Step::DemandZero(start, count, write) => {
                    let taken = (start..start + count).find(|page| plain.contains_key(page));
                    let result = table.demand_zero(pages(start, count), rights(write));
                    match taken {
                        Some(page) => prop_assert_eq!(result, Err(Error::Mapped((FIRST + page) << PAGE_SHIFT))),
                        None => {
                            prop_assert_eq!(result, Ok(()));
                            let page = Page { frame: None, anonymous: true, may_write: write, writable: write };
                            plain.extend((start..start + count).map(|i| (i, page)));
                        }
                    }
                }
                Step::Unmap(start, count) => {
                    prop_assert_eq!(table.unmap(pages(start, count)), Ok(()));
                    plain.retain(|page, _| !(start..start + count).contains(page));
                }
                Step::Protect(start, count, write) => {
                    let refused = (start..start + count).find_map(|page| match plain.get(&page) {
                        None => Some(Error::NotMapped((FIRST + page) << PAGE_SHIFT)),
                        Some(found) if write && !found.may_write => Some(Error::NotWritable((FIRST + page) << PAGE_SHIFT)),
                        Some(_) => None,
                    });
                    prop_assert_eq!(table.protect(pages(start, count), rights(write)), refused.map_or(Ok(()), Err));
                    if refused.is_none() {
                        plain.range_mut(start..start + count).for_each(|(_, page)| page.writable = write);
                    }
                }
                Step::Touch(page) => {
                    let touched = model.touch(FIRST + page);
                    prop_assert_eq!(touched, plain.contains_key(&page));
                    if let Some(found) = plain.get_mut(&page) {
                        found.frame = found.frame.or(Some(model.next_frame.get().wrapping_sub(1)));
                    }
                }
            }

            for (page, frame) in model.touched.take() {
                if let Some(found) = plain.get_mut(&page) {
                    found.frame = found.frame.or(Some(frame));
                }
            }
            // The table says what the plain map says.
            model.masked.set(true);
            for page in 0..COUNT {
                let lo = table.lookup((FIRST + page) << PAGE_SHIFT);
                let found = (lo != Lo::INVALID).then(|| Page {
                    frame: lo.v().then(|| lo.pfn()),
                    anonymous: lo.0 & ANONYMOUS != 0,
                    may_write: lo.w(),
                    writable: lo.d(),
                });
                prop_assert_eq!(found, plain.get(&page).copied(), "page {}", page);
            }
            // A cached binding equals its entry, and the kernel would take each.
            for (&vpn, &lo) in model.cached.borrow().iter() {
                prop_assert_eq!(lo, table.lookup(vpn << PAGE_SHIFT));
                prop_assert!(lo.v() && (lo.w() || !lo.d()));
            }
            // No frame is lost.
            let owned: BTreeSet<u32> = plain.values().filter(|page| page.anonymous).filter_map(|page| page.frame).collect();
            prop_assert_eq!(&owned, &*model.frames.borrow());
            model.masked.set(false);
        }
        // Nor one of the page table's.
        let directory: BTreeSet<u32> = model.directory.borrow().values().map(|lo| lo.pfn()).collect();
        prop_assert_eq!(&directory, &*model.tables.borrow());
        model.period.set(0);

        let mut listed = Vec::new();
        table.for_each(|vpn, _| listed.push(vpn - FIRST));
        // The interrupt handler has what is its, and the program the rest.
        let handlers = model.handlers.borrow();
        prop_assert_eq!(listed, plain.keys().chain(handlers.iter()).copied().collect::<Vec<_>>());
    }
}

#[test]
fn refuses_ranges_outside_the_standard_segment() {
    for (start, count) in [
        (0, 1),
        (0x1000, 1),
        (0x00ff_f000, 1),
        (0x0100_0001, 1),
        (0x7fff_f000, 2),
        (0x8000_0000, 0),
        (0x0100_0000, u32::MAX),
        (0x0100_0000, 0x0010_0000),
        (0xffff_f000, 2),
    ] {
        assert_eq!(Pages::new(start, count), Err(Error::BadRange), "{start:#x} {count}");
    }
    assert!(Pages::new(0x0100_0000, 0x7_f000).is_ok());
    assert!(Pages::new(0x7fff_f000, 1).is_ok());
}

#[test]
fn what_is_cached_is_what_the_table_says_when_the_kernel_refuses_a_later_piece() {
    let model = Model::default();
    let table = PageTable(&model);
    table.demand_zero(pages(0, 6), Rights::ReadWrite).unwrap();
    table.protect(pages(0, 6), Rights::ReadOnly).unwrap();
    let touch_all = || (0..6).for_each(|page| assert!(model.touch(FIRST + page)));
    touch_all();
    for refused in 0..6 {
        model.refused.set(Some(FIRST + refused));
        let result = table.protect(pages(0, 6), Rights::ReadWrite);
        assert_eq!(result, Err(Error::Kernel(KernelError::NotPermitted)));
        for (&vpn, &lo) in model.cached.borrow().iter() {
            assert_eq!(lo, table.lookup(vpn << PAGE_SHIFT), "page {} of which {refused} was refused", vpn - FIRST);
        }
        touch_all();
    }
}

#[test]
fn nothing_changes_when_the_kernel_refuses() {
    let model = Model::default();
    let table = PageTable(&model);
    table.demand_zero(pages(0, 4), Rights::ReadWrite).unwrap();
    assert!(model.touch(FIRST));
    table.protect(pages(1, 1), Rights::ReadOnly).unwrap();
    let before = model.entries.borrow().clone();

    model.refuse.set(Some(KernelError::NotPermitted));
    let refused = Err(Error::Kernel(KernelError::NotPermitted));
    assert_eq!(table.protect(pages(0, 4), Rights::ReadOnly), refused);
    assert_eq!(table.protect(pages(0, 4), Rights::ReadWrite), refused);
    assert_eq!(table.unmap(pages(0, 4)), refused);
    assert_eq!(*model.entries.borrow(), before);
    assert_eq!(table.lookup(0x8000_0000), Lo::INVALID);
    assert_eq!(table.lookup(0xffff_ffff), Lo::INVALID);
}
