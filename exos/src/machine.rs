//! What can be seen of machine and kernel: the information page, the exposed software TLB, the library's own counters.

use crate::arguments::Args;
use crate::layout;
use crate::page_table::Backing;
use crate::rt::state::STATE;
use crate::rt::{call, env, exposed, loader, memory};
use aegis_abi::info::{Counters, Info};
use aegis_abi::{Lo, Pid};
use core::str;
use stlb::{Geometry, Native, Stlb};

/// Entries of the software TLB's table.
pub const STLB_SLOTS: usize = stlb::SLOTS;
/// Entries of its overflow buffer.
pub const STLB_OVERFLOW: usize = stlb::OVERFLOW;
/// Bytes of an entry of the software TLB.
pub const STLB_ENTRY_BYTES: usize = size_of::<<Native as Geometry>::Entry>();
/// Pages that an entry of hardware or software TLB maps.
pub const PAGES_PER_ENTRY: u32 = Native::PAGES as u32;
/// Bits of the process tag, by which the software TLB tells programs apart.
pub const TAG_BITS: u32 = Native::TAG_MASK.count_ones();

/// A copy of the kernel's information.
pub fn info() -> Info {
    crate::rt::exposed::info()
}

/// The kernel's counters as they are now.
pub fn counters() -> Counters {
    crate::rt::exposed::counters()
}

/// The text in a field of the information page that is padded with zeros.
pub fn text(field: &[u8]) -> &str {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    str::from_utf8(&field[..end]).unwrap_or("?")
}

/// The command line: the program's name, then its arguments. A process has them as they were given
/// to
/// [`spawn`](crate::process::spawn); the first program as words that blanks separate.
pub fn args() -> Args {
    loader::own_arguments().map_or_else(|| Args::of_loader(exposed::command_line()), Args::of_parent)
}

/// The program's own name in the kernel.
pub fn pid() -> Pid {
    call::own_pid()
}

/// What the library has counted since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Counts {
    /// Misses of pages that the kernel handed to the library.
    pub misses: u32,
    /// Misses of pages of the page table itself.
    pub table_misses: u32,
    /// Pages that the miss handler has given a frame.
    pub zero_fills: u32,
}

/// What the library has counted since the start. Each count wraps around at 2^32.
pub fn counts() -> Counts {
    let counts = &STATE.counts;
    Counts { misses: counts.misses.get(), table_misses: counts.table_misses.get(), zero_fills: counts.zero_fills.get() }
}

/// Where the software TLB holds a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// In the direct-mapped table.
    Table,
    /// In the overflow buffer.
    Overflow,
}

/// The software TLB itself, which the kernel shows to every program.
pub fn stlb() -> &'static Stlb<Native> {
    crate::rt::exposed::stlb()
}

/// Looks a page of this program up in the exposed software TLB.
pub fn probe(va: u32) -> Option<(Lo, Place)> {
    let context = Native::context(pid().0, va);
    let lo = stlb().probe(context)?.lo[Native::half(va)];
    let place = if stlb().is_in_overflow(context) { Place::Overflow } else { Place::Table };
    lo.v().then_some((lo, place))
}

/// The slot of the software TLB's table in which a page of this program is looked for.
pub fn slot(va: u32) -> usize {
    Native::slot(Native::context(pid().0, va))
}

/// What the page table, or a guaranteed mapping, says about the page of `va`.
pub fn mapping(va: u32) -> Option<Lo> {
    memory::lookup(va)
}

/// The guaranteed mappings in use: address and binding.
pub fn guaranteed_mappings() -> impl Iterator<Item = (u32, Lo)> {
    env::current().xl.into_iter().filter(|mapping| mapping.va != 0).map(|m| (m.va, m.lo()))
}

/// The pages of the page table that exist: address in the window, and binding.
pub fn tables() -> impl Iterator<Item = (u32, Lo)> {
    (0..layout::WINDOW.pages)
        .map(|table| (layout::WINDOW.start + table * layout::PAGE_BYTES, memory::PAGE_TABLE.0.directory(table)))
        .filter(|&(_, lo)| lo != Lo::INVALID)
}

/// Calls `visit` with the number and the entry of every page in the program's page table that is mapped.
pub fn for_each_page(visit: impl FnMut(u32, Lo)) {
    memory::PAGE_TABLE.for_each(visit);
}

/// The word at `address`, if that is aligned and mapped and has a frame.
pub fn peek(address: u32) -> Option<u32> {
    memory::peek(address)
}

/// The area of the layout in which `va` lies.
pub fn area(va: u32) -> Option<layout::Area> {
    layout::AREAS.into_iter().find(|area| area.contains(va))
}
