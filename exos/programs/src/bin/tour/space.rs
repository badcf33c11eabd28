//! The address space, as the program's page table has it at this moment.

use crate::show::{Grouped, heading};
use exos::abi::limits::{PAGE_BYTES, PAGE_SHIFT};
use exos::layout::{self, Area};
use exos::{machine, println};

/// What is mapped in an area.
#[derive(Clone, Copy, Default)]
struct Use {
    mapped: u32,
    framed: u32,
    writable: u32,
}

/// Shows the address space.
pub fn show() {
    heading(2, "The address space of this program");
    println!("  The kernel has no page table. This one is the program's own, read as it");
    println!("  stands; a page gets a frame when it is first touched. Pages marked G are");
    println!("  guaranteed: the kernel keeps their mappings, so that a TLB miss can always be");
    println!("  handled. They hold just what that takes; even the page table is paged.");
    println!("  `pages` counts what is mapped of the area, not how long the area is.");
    println!();
    println!("  from       to         pages   with frame  rights");

    let mut uses = [Use::default(); layout::AREAS.len()];
    let mut note = |address: u32, framed: bool, writable: bool| {
        if let Some(index) = layout::AREAS.iter().position(|area| area.contains(address)) {
            uses[index].mapped += 1;
            uses[index].framed += u32::from(framed);
            uses[index].writable += u32::from(writable);
        }
    };
    let mut guaranteed = 0;
    for (address, lo) in machine::guaranteed_mappings() {
        note(address, lo.v(), lo.d());
        guaranteed += 1;
    }
    for (address, lo) in machine::tables() {
        note(address, lo.v(), lo.d());
    }
    machine::for_each_page(|page, lo| note(page << PAGE_SHIFT, lo.v(), lo.d()));

    for (area, found) in layout::AREAS.iter().zip(uses) {
        line(area, found);
    }
    crate::claim(guaranteed == layout::PINNED_PAGES, "every pinned page is under a guaranteed mapping");
    crate::claim(machine::mapping(0).is_none(), "page 0 is not mapped, so that a null pointer faults");
}

fn line(area: &Area, found: Use) {
    let rights = match (found.mapped, found.writable) {
        (0, _) => "none",
        (_, 0) => "read",
        (all, writable) if all == writable => "read, write",
        _ => "mixed",
    };
    let pinned = layout::PINNED.iter().any(|(pinned, _)| pinned.start == area.start);
    println!(
        "  {:08x}   {:08x} {:>8} {:>8}  {} {:<12} {}",
        area.start,
        area.start + (area.pages * PAGE_BYTES - 1),
        Grouped(found.mapped),
        Grouped(found.framed),
        if pinned { 'G' } else { ' ' },
        rights,
        area.name
    );
}
