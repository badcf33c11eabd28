//! Physical memory, through the unmapped cached segment.

use aegis_abi::limits::{PAGE_BYTES, PAGE_SHIFT};

/// Start of the unmapped cached segment.
pub(crate) const KSEG0: u32 = 0x8000_0000;
/// Start of the unmapped uncached segment, for devices.
pub(crate) const KSEG1: u32 = 0xa000_0000;

unsafe extern "C" {
    /// First and last byte beyond what the kernel's image occupies (linker.ld).
    static __image_end: u8;
}

/// The physical address of something of the kernel's.
pub(crate) fn physical<T: ?Sized>(object: &T) -> u32 {
    core::ptr::from_ref(object).cast::<u8>() as u32 - KSEG0
}

/// The frames that hold something of the kernel's, which starts at a page boundary.
pub(crate) fn frames_of<T: ?Sized>(object: &T) -> core::ops::Range<u32> {
    let start = physical(object);
    start >> PAGE_SHIFT..(start + size_of_val(object) as u32).div_ceil(PAGE_BYTES)
}

/// Number of the first frame beyond the kernel's image.
pub(crate) fn kernel_frames() -> u32 {
    (&raw const __image_end as u32 - KSEG0).div_ceil(PAGE_BYTES)
}

/// Is this range of physical memory the programs', all of it?
fn is_programs(address: u32, bytes: usize) -> bool {
    address >> PAGE_SHIFT >= kernel_frames()
        && u64::from(address) + bytes as u64 <= u64::from(crate::board::memory_bytes())
}

/// Copies physical memory out.
pub(crate) fn read(address: u32, into: &mut [u8]) {
    assert!(u64::from(address) + into.len() as u64 <= u64::from(crate::board::memory_bytes()));
    // SAFETY: the memory exists, as checked, and is mapped in kseg0. Programs may have it mapped, but none runs. `into` is the
    // kernel's own and no frame of a program's; a frame of the kernel's that is read here is public and not borrowed mutably.
    unsafe { core::ptr::copy_nonoverlapping((KSEG0 + address) as *const u8, into.as_mut_ptr(), into.len()) }
}

/// Copies into a program's physical memory.
pub(crate) fn write(address: u32, from: &[u8]) {
    assert!(is_programs(address, from.len()));
    // SAFETY: as in `read`; nothing of the kernel's lies there, as checked.
    unsafe { core::ptr::copy_nonoverlapping(from.as_ptr(), (KSEG0 + address) as *mut u8, from.len()) }
}

/// Fills a frame of a program's with zeros.
pub(crate) fn zero(frame: u32) {
    let address = frame << PAGE_SHIFT;
    assert!(is_programs(address, PAGE_BYTES as usize));
    crate::cpu::clear_page(KSEG0 + address);
}

/// Copies a frame to one of a program's.
pub(crate) fn copy(to: u32, from: u32) {
    let (to, from) = (to << PAGE_SHIFT, from << PAGE_SHIFT);
    assert!(is_programs(to, PAGE_BYTES as usize) && from <= crate::board::memory_bytes() - PAGE_BYTES);
    crate::cpu::copy_page(KSEG0 + to, KSEG0 + from);
}

/// Fills physical memory of programs' with a byte.
pub(crate) fn fill(address: u32, byte: u8, bytes: usize) {
    assert!(is_programs(address, bytes));
    // SAFETY: as in `write`.
    unsafe { core::ptr::write_bytes((KSEG0 + address) as *mut u8, byte, bytes) }
}
