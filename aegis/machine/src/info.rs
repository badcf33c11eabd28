//! The information page, and the counters in it, which the assembly writes too.

use crate::{board, cpu, memory};
use aegis_abi::Info;
use aegis_abi::info::Counters;
use aegis_abi::limits::COMMAND_LINE_BYTES;
use core::cell::UnsafeCell;
use core::mem::offset_of;

/// The page. Aligned and so padded to a whole one: nothing else is made public with it.
#[repr(C, align(4096))]
pub(crate) struct InfoPage(UnsafeCell<Info>);

// SAFETY: one processor; only the kernel writes, one word at a time.
unsafe impl Sync for InfoPage {}

pub(crate) static INFO: InfoPage = InfoPage(UnsafeCell::new(Info {
    counters: Counters { overflow: 0, guaranteed: 0, upcalls: 0, ticks: 0, slices: 0 },
    board: [0; 32],
    processor: [0; 32],
    frames: 0,
    tlb_entries: 0,
    tlb_wired: 0,
    pages_per_entry: 0,
    stlb_frame: 0,
    stlb_frames: 0,
    refill_instructions: 0,
    archive_frame: 0,
    archive_bytes: 0,
    clock_rate: 0,
    env_data_frame: 0,
    command_line_bytes: 0,
    command_line: [0; COMMAND_LINE_BYTES],
}));

/// The frame of the page.
pub(crate) fn frames() -> core::ops::Range<u32> {
    memory::frames_of(&INFO)
}

/// Fills in all but the counters. A command line that is too long is cut.
pub(crate) fn publish(archive: &'static [u8], command_line: &str, clock_rate: u32) {
    let stlb = cpu::stlb_frames();
    let mut info = Info {
        counters: Counters::default(),
        board: padded(board::NAME),
        processor: padded(cpu::name()),
        frames: board::memory_bytes() >> aegis_abi::limits::PAGE_SHIFT,
        tlb_entries: cpu::tlb_entries(),
        tlb_wired: cpu::TLB_WIRED,
        pages_per_entry: <stlb::Native as stlb::Geometry>::PAGES as u32,
        stlb_frame: stlb.start,
        stlb_frames: stlb.len() as u32,
        refill_instructions: cpu::refill_instructions(),
        archive_frame: memory::frames_of(archive).start,
        archive_bytes: archive.len() as u32,
        clock_rate,
        env_data_frame: crate::env_data::frames().start,
        command_line_bytes: 0,
        command_line: padded(command_line),
    };
    info.command_line_bytes = command_line.len().min(COMMAND_LINE_BYTES) as u32;
    // SAFETY: nobody else holds a reference into the page, and no program runs yet.
    unsafe { INFO.0.get().write(info) }
}

/// Counts a refill.
pub(crate) fn count(refill: aegis_kernel::Refill) {
    let counter = match refill {
        aegis_kernel::Refill::Overflow => offset_of!(Counters, overflow),
        aegis_kernel::Refill::Guaranteed => offset_of!(Counters, guaranteed),
    };
    add(counter, 1);
}

/// Counts ticks of the clock.
pub(crate) fn count_ticks(passed: u32) {
    add(offset_of!(Counters, ticks), passed);
}

/// Counts a slice that begins.
pub(crate) fn count_slice() {
    add(offset_of!(Counters, slices), 1);
}

/// Adds to the counter at this offset.
fn add(offset: usize, n: u32) {
    // SAFETY: the page is valid, and only this code and the vectors, which nothing interrupts, write the counters, of which
    // this is one.
    unsafe {
        let counter = (&raw mut (*INFO.0.get()).counters).byte_add(offset).cast::<u32>();
        counter.write_volatile(counter.read_volatile().wrapping_add(n));
    }
}

/// A text, padded with zeros or cut.
fn padded<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    let length = text.len().min(N);
    bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
    bytes
}
