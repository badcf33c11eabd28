//! From the kernel's jump to `main`.

use super::state::{DIRECTORY, STATE};
use super::{env, heap, memory, park};
use crate::input;
use crate::interrupts;
use crate::layout;
use crate::machine;
use crate::page_table::{DEMAND_TABLE, Pages, Rights, TABLE_ENTRIES};
use aegis_abi::Lo;
use aegis_abi::limits::{PAGE_BYTES, PAGE_SHIFT};
use core::arch::global_asm;

global_asm!(
    ".section .pinned.text, \"ax\", @progbits",
    ".set push",
    ".set noreorder",
    ".set noat",
    // Entry: a0 = frame of the image's first page, a1 = frame of the information page, all other registers 0; only the
    // pinned pages are mapped.
    // Strategy: write the entries of the image's pages, through the window. Each page of the window misses once; the miss
    // handler, already in place, gives it a frame, since the directory says so. The rest of the start is Rust.
    ".globl _start",
    "_start:",
    "move  $s0, $a0",
    "move  $s1, $a1",
    "addiu $s2, $a0, {pinned_pages}",
    "sll   $s2, $s2, {pfn_shift}",
    "ori   $s2, $s2, {read_only}",          // s2 = entry of the next page
    "lui   $s3, %hi({image})",
    "addiu $s3, $s3, %lo({image})",         // s3 = next page
    "lui   $s4, %hi({writable})",
    "addiu $s4, $s4, %lo({writable})",      // s4 = first writable page
    "lui   $s5, %hi({end})",
    "addiu $s5, $s5, %lo({end})",           // s5 = end of the image
    "lui   $s6, {window_hi}",               // s6 = window
    "1:",
    "srl   $t0, $s3, {table_shift}",
    "sll   $t0, $t0, 2",
    "lw    $t1, %lo({directory})($t0)",     // t1 = directory[page >> 22]
    "addiu $t2, $zero, {demand_table}",
    "bnez  $t1, 2f",
    " nop",
    "sw    $t2, %lo({directory})($t0)",     // first page of 4 MB: its entries are to come into being
    "2:",
    "bne   $s3, $s4, 3f",
    " nop",
    "ori   $s2, $s2, {dirty_and_w}",        // from here to the end, pages are writable
    "3:",
    "srl   $t0, $s3, {page_shift}",
    "sll   $t0, $t0, 2",
    "addu  $t0, $t0, $s6",
    "sw    $s2, 0($t0)",                    // window[page >> 12] = entry
    "addiu $s3, $s3, {page_bytes}",
    "addiu $s2, $s2, {next_frame}",
    "bne   $s3, $s5, 1b",
    " nop",
    "ori   $sp, $zero, {exception_stack_end}-16",
    "move  $a0, $s0",
    "jal   {prepare}",                      // prepare(first frame, information page), on the exception stack
    " move $a1, $s1",
    "lui   $sp, {stack_end_hi}",
    "jal   {run}",                          // run(), on the main stack; does not return
    " addiu $sp, $sp, -16",
    ".set pop",
    pinned_pages = const layout::PINNED_PAGES,
    pfn_shift = const PAGE_SHIFT,
    page_shift = const PAGE_SHIFT,
    page_bytes = const PAGE_BYTES,
    next_frame = const 1 << PAGE_SHIFT,
    table_shift = const PAGE_SHIFT + TABLE_ENTRIES.trailing_zeros(),
    read_only = const Lo::V,
    dirty_and_w = const Lo::D | Lo::W,
    demand_table = const DEMAND_TABLE.0,
    directory = sym DIRECTORY,
    window_hi = const layout::WINDOW.start >> 16,
    image = sym __image_start,
    writable = sym __image_writable,
    end = sym __image_end,
    exception_stack_end = const layout::EXCEPTION_STACK.end(),
    stack_end_hi = const layout::STACK.end() >> 16,
    prepare = sym prepare,
    run = sym run,
);

const _: () = {
    // Immediate operands of `addiu` are signed; what `lui` alone loads has no lower half.
    assert!(DEMAND_TABLE.0 < 0x8000 && PAGE_BYTES < 0x8000);
    assert!(layout::STACK.end() & 0xffff == 0);
};

unsafe extern "C" {
    /// The first instruction of a program. Not to be called.
    pub fn _start();
    static __image_start: u8;
    static __image_writable: u8;
    static __image_end: u8;
    /// The program's `main`, wrapped by [`crate::entry!`].
    safe fn exos_program() -> i32;
}

/// Address of the program's text, and its end.
pub fn text() -> core::ops::Range<u32> {
    (&raw const __image_start) as usize as u32..(&raw const __image_writable) as usize as u32
}

/// Pages of the program's image without the pinned ones.
pub fn image_pages() -> u32 {
    ((&raw const __image_end) as usize - (&raw const __image_start) as usize) as u32 / PAGE_BYTES
}

/// Maps the rest of the address space, as the layout has it.
extern "C" fn prepare(first_frame: u32, info_frame: u32) {
    STATE.first_frame.set(first_frame);
    park::start();
    env::start();
    input::start();
    // From here on slices may end.
    interrupts::unmask();
    let table = memory::PAGE_TABLE;
    let mapped = (|| {
        table.map(Pages::of(layout::INFO), info_frame, Rights::ReadOnly)?;
        let info = machine::info();
        assert!(info.pages_per_entry == machine::PAGES_PER_ENTRY, "this program was built for another machine");
        let pages = Pages::new(layout::STLB.start, info.stlb_frames)?;
        assert!(info.stlb_frames <= layout::STLB.pages, "the software TLB is larger than the place for it");
        table.map(pages, info.stlb_frame, Rights::ReadOnly)?;
        let archive_pages = info.archive_bytes.div_ceil(PAGE_BYTES);
        assert!(archive_pages <= layout::ARCHIVE.pages, "the archive is larger than the place for it");
        table.map(Pages::new(layout::ARCHIVE.start, archive_pages)?, info.archive_frame, Rights::ReadOnly)?;
        table.demand_zero(Pages::of(layout::HEAP), Rights::ReadWrite)?;
        table.demand_zero(Pages::of(layout::STACK), Rights::ReadWrite)
    })();
    if let Err(error) = mapped {
        panic!("cannot set up the address space: {error}");
    }
    // SAFETY: this is the start code, and the heap has just been mapped.
    unsafe { heap::start() };
}

/// Runs the program, and powers off with its exit status.
extern "C" fn run() -> ! {
    crate::exit(exos_program())
}
