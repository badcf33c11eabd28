//! The data of the environments' own: a page that everybody may read, each environment's part of it being for its writers to
//! write, by a call (thesis .8, `e_write`; 7.2.3).

use crate::memory;
use aegis_abi::limits::{ENV_DATA_BYTES, ENVS};
use core::cell::UnsafeCell;

#[repr(C, align(4096))]
struct DataPage(UnsafeCell<[[u8; ENV_DATA_BYTES]; ENVS]>);

// SAFETY: one processor, and only the kernel writes.
unsafe impl Sync for DataPage {}

static DATA: DataPage = DataPage(UnsafeCell::new([[0; ENV_DATA_BYTES]; ENVS]));

/// The frame of the page.
pub(crate) fn frames() -> core::ops::Range<u32> {
    memory::frames_of(&DATA)
}

/// Writes to the data of environment `number`, from `offset` on.
///
/// # Panics
/// Beyond `ENV_DATA_BYTES`.
pub(crate) fn write(number: usize, offset: usize, from: &[u8]) {
    // SAFETY: nobody holds a reference into the page, and no program runs.
    let data = unsafe { &mut (&mut *DATA.0.get())[number] };
    data[offset..offset + from.len()].copy_from_slice(from);
}
