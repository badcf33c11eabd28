//! The address space of a program: the one definition. `build.rs` hands it to the linker script, the assembly takes it as
//! `const` operands, and `tour` prints it.
//!
//! The lowest 16 MB are the guaranteed segment (thesis 3.1.1): its pinned pages are under guaranteed mappings, so
//! exceptions and misses can always be handled, and its window holds the page table, which is paged itself.
//!
//! Places are chosen so that what is used together does not share slots of the software TLB. The slot follows from the address
//! modulo the reach of the table's 8192 entries, 32 MB where an entry maps one page, 64 MB where it maps two. Modulo either, the
//! beginning of each area, up to what programs use, has a range of its own.
//!
//! Numbers only, and nothing from other crates: the build script compiles this file too.

/// Bytes in a page.
pub const PAGE_BYTES: u32 = 4096;

/// A range of pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Area {
    /// What it is for, in a few words.
    pub name: &'static str,
    /// Its first address.
    pub start: u32,
    /// Its length.
    pub pages: u32,
}

impl Area {
    const fn new(name: &'static str, start: u32, end: u32) -> Area {
        assert!(start.is_multiple_of(PAGE_BYTES) && end.is_multiple_of(PAGE_BYTES) && start < end);
        Area { name, start, pages: (end - start) / PAGE_BYTES }
    }

    /// First address beyond it.
    pub const fn end(self) -> u32 {
        self.start + self.pages * PAGE_BYTES
    }

    /// Does `address` lie in it?
    pub const fn contains(self, address: u32) -> bool {
        address >= self.start && address < self.end()
    }
}

/// Save areas, resume slots, frames of the miss handler, counters. Below 0x8000, so that any word of it can be reached with
/// an offset from `$zero`; and the even page of a pair.
pub const STATE: Area = Area::new("state of the library", 0x2000, 0x3000);
/// Start code, exception stubs, miss handler. The first page, with the windows through which programs are resumed, shares an entry of the TLB
/// with the slots, where one maps two pages.
pub const PINNED_TEXT: Area = Area::new("stubs, miss handler", 0x3000, 0x5000);
/// Page directory: a word for each page of the [`WINDOW`].
pub const DIRECTORY: Area = Area::new("page directory", 0x5000, 0x6000);
/// Never mapped: a stack that grows out of the one above it faults.
pub const EXCEPTION_STACK_GUARD: Area = Area::new("guard page", 0x6000, 0x7000);
/// Stack of exception handlers.
pub const EXCEPTION_STACK: Area = Area::new("exception stack", 0x7000, 0xb000);
/// Text on its way to the console.
pub const CONSOLE: Area = Area::new("print buffer", 0xb000, 0xc000);

/// What is under guaranteed mappings, in order of address, and whether it is writable. In the ELF file these are the first
/// pages, so the place of a page in this list is its place in the image.
pub const PINNED: [(Area, bool); 5] =
    [(STATE, true), (PINNED_TEXT, false), (DIRECTORY, true), (EXCEPTION_STACK, true), (CONSOLE, true)];

/// Pages of [`PINNED`].
pub const PINNED_PAGES: u32 = {
    let (mut pages, mut i) = (0, 0);
    while i < PINNED.len() {
        pages += PINNED[i].0.pages;
        i += 1;
    }
    pages
};

/// The page table as one array: a `Lo` word for each virtual page, by its number. Its pages are found through the directory.
pub const WINDOW: Area = Area::new("page table window", 0x0080_0000, 0x00a0_0000);

/// Text, constants and data of the program. Not at a multiple of 64 KB: there the pinned pages of
/// other environments have the same slots of the software TLB.
pub const IMAGE: Area = Area::new("program", 0x0100_c000, 0x0200_0000);
/// The kernel's information page.
pub const INFO: Area = Area::new("kernel information", 0x0200_0000, 0x0200_1000);
/// The software TLB, aligned to its size.
pub const STLB: Area = Area::new("software TLB", 0x0220_0000, 0x0240_0000);
/// The archive of programs.
pub const ARCHIVE: Area = Area::new("archive of programs", 0x0240_0000, 0x0680_0000);
/// The heap.
pub const HEAP: Area = Area::new("heap", 0x0720_0000, 0x0820_0000);
/// Ranges that the program asks for.
pub const REGIONS: Area = Area::new("regions", 0x12a0_0000, 0x7000_0000);
/// Never mapped: the main stack ends here.
pub const STACK_GUARD: Area = Area::new("guard page", 0x7ffa_f000, 0x7ffb_0000);
/// The main stack.
pub const STACK: Area = Area::new("stack", 0x7ffb_0000, 0x7fff_0000);

/// Every area, in order of address.
pub const AREAS: [Area; 16] = [
    STATE,
    PINNED_TEXT,
    DIRECTORY,
    EXCEPTION_STACK_GUARD,
    EXCEPTION_STACK,
    CONSOLE,
    WINDOW,
    IMAGE,
    INFO,
    STLB,
    ARCHIVE,
    HEAP,
    REGIONS,
    STACK_GUARD,
    STACK,
    BEYOND,
];

/// The last pages of user space, unused.
const BEYOND: Area = Area::new("unused", 0x7fff_0000, 0x8000_0000);

const _: () = {
    let mut i = 1;
    while i < AREAS.len() {
        assert!(AREAS[i - 1].end() <= AREAS[i].start, "areas overlap or are out of order");
        i += 1;
    }
    // Reached with a 16-bit offset from `$zero`, which is sign-extended.
    assert!(STATE.end() <= 0x8000 && DIRECTORY.end() <= 0x8000);
    // The window is recognised by its upper bits, and reached by its upper half alone.
    assert!(WINDOW.start.is_multiple_of(WINDOW.pages * PAGE_BYTES) && WINDOW.start & 0xffff == 0);
    // A word in the directory for each page of the window.
    assert!(WINDOW.pages * 4 <= DIRECTORY.pages * PAGE_BYTES);
    assert!(EXCEPTION_STACK_GUARD.end() == EXCEPTION_STACK.start && STACK_GUARD.end() == STACK.start);
};

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use aegis_abi::limits::ENVS;
    use std::collections::BTreeMap;
    use stlb::{Geometry, Mips32, R3000};

    const MB: u32 = 1 << 20;

    /// What is used of each area: bytes from its start.
    const USED: [(Area, u32); 8] = [
        (WINDOW, 2 * MB),
        (IMAGE, 2 * MB - 0xc000),
        (INFO, PAGE_BYTES),
        (STLB, 2 * MB),
        (ARCHIVE, 4 * MB),
        (HEAP, 13 * MB),
        (REGIONS, 6 * MB),
        (STACK, 256 << 10),
    ];

    fn share_no_slot<G: Geometry>() {
        let mut users = BTreeMap::new();
        for (area, bytes) in USED {
            assert!(bytes <= area.pages * PAGE_BYTES, "{} is not so long", area.name);
            for va in (area.start..area.start + bytes).step_by(PAGE_BYTES as usize) {
                let other = *users.entry(G::slot(G::context(0, va))).or_insert(area.name);
                assert_eq!(other, area.name, "{va:#x} in {} shares a slot", area.name);
            }
        }
    }

    fn pinned_pages_share_no_slot_with_images<G: Geometry>() {
        let slots = |number: u32, start, pages| {
            // The process tag of an environment has its number in the highest bits, the lowest first.
            (0..pages).map(move |page| G::slot(G::context(number.reverse_bits(), start + page * PAGE_BYTES)))
        };
        let pinned: BTreeMap<_, _> = PINNED
            .iter()
            .flat_map(|(area, _)| slots(0, area.start, area.pages).map(move |slot| (slot, area.name)))
            .collect();
        for number in 1..ENVS as u32 {
            for slot in slots(number, IMAGE.start, 100) {
                assert_eq!(pinned.get(&slot), None, "slot {slot}, of a page of environment {number}'s image");
            }
        }
    }

    #[test]
    fn switches_between_environments_evict_no_pinned_page() {
        pinned_pages_share_no_slot_with_images::<Mips32>();
        pinned_pages_share_no_slot_with_images::<R3000>();
    }

    #[test]
    fn what_is_used_together_shares_no_slot_of_the_software_tlb() {
        share_no_slot::<Mips32>();
        share_no_slot::<R3000>();
    }
}
