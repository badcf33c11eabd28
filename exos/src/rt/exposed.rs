//! What the kernel shows to every program, at its places in the layout.

use super::call;
use crate::layout;
use aegis_abi::Error;
use aegis_abi::exposed::ExposedInfo;
use aegis_abi::info::{Counters, Info};
use core::cell::UnsafeCell;
use core::ptr;
use core::slice;
use stlb::{Native, Stlb};
use zerocopy::FromZeros;

const INFO: *const Info = ptr::without_provenance(layout::INFO.start as usize);

const _: () = {
    assert!(size_of::<Info>() <= layout::PAGE_BYTES as usize);
    assert!((layout::STLB.start as usize).is_multiple_of(align_of::<Stlb<Native>>()));
    assert!(size_of::<Stlb<Native>>() <= layout::STLB.pages as usize * layout::PAGE_BYTES as usize);
};

fn exposed_info() -> *const Info {
    ptr::with_exposed_provenance(INFO.addr())
}

/// A copy of the information page.
pub fn info() -> Info {
    // SAFETY: the start code has mapped the page, and the kernel keeps an `Info` there.
    unsafe { exposed_info().read_volatile() }
}

/// The counters as they are now.
pub fn counters() -> Counters {
    // SAFETY: as above.
    unsafe { (&raw const (*exposed_info()).counters).read_volatile() }
}

/// Slices that began so far, without a call.
#[inline(always)]
pub fn slices() -> u32 {
    // SAFETY: as above.
    unsafe { (&raw const (*exposed_info()).counters.slices).read_volatile() }
}

/// Where the kernel's tables stand.
///
/// # Errors
/// Those of the kernel's call `read_exposed_info`.
pub fn tables() -> Result<ExposedInfo, Error> {
    let info = UnsafeCell::new(ExposedInfo::new_zeroed());
    // SAFETY: the kernel writes an `ExposedInfo` there, and nothing else.
    call::with_pointer(&info, |pointer| unsafe { call::read_exposed_info(pointer) })?;
    // SAFETY: as above; any bytes are one.
    Ok(unsafe { info.get().read_volatile() })
}

/// The command line that the boot loader has given the kernel.
pub fn command_line() -> &'static [u8] {
    // SAFETY: as above; and the kernel does not change the command line while a program runs.
    unsafe {
        let length = (&raw const (*exposed_info()).command_line_bytes).read_volatile() as usize;
        let line = &raw const (*exposed_info()).command_line;
        slice::from_raw_parts(line.cast::<u8>(), length.min(aegis_abi::limits::COMMAND_LINE_BYTES))
    }
}

/// The software TLB.
pub fn stlb() -> &'static Stlb<Native> {
    // SAFETY: the start code has mapped it, and all that it consists of are cells, whose values may change at any time.
    unsafe { &*ptr::with_exposed_provenance(layout::STLB.start as usize) }
}

/// The archive of programs.
pub fn archive() -> &'static [u8] {
    // SAFETY: the start code has mapped it, and nobody can write it.
    unsafe {
        let start = ptr::with_exposed_provenance(layout::ARCHIVE.start as usize);
        slice::from_raw_parts(start, info().archive_bytes as usize)
    }
}
