//! An environment's context (thesis figure 9-2): where the kernel delivers events, and what it guarantees to keep mapped.

use crate::Lo;
use crate::limits::{EXCEPTIONS, GUARANTEED_MAPPINGS};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Address of the first instruction of a handler, aligned to 4; 0: there is none.
pub type Handler = u32;

/// A guaranteed mapping: a miss on its page is handled by the kernel (thesis 3.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Mapping {
    /// Any address in the page, within the guaranteed segment. 0: the entry is unused.
    pub va: u32,
    /// Frame and rights, as a [`Lo`].
    pub lo: u32,
}

impl Mapping {
    /// Frame and rights.
    pub const fn lo(&self) -> Lo {
        Lo(self.lo)
    }
}

/// The context of an environment, as a program gives it to the kernel.
///
/// The first environment's stands in the section `.aegis.env` of its ELF file. There, the frame numbers in save areas and
/// guaranteed mappings count the pages of the program's image from 0, in order of address; the kernel adds the number of
/// the first frame, since it loads the image into consecutive frames. (So a save area cannot stand at the very start of the
/// image: its address would be 0, which says that there is none.)
///
/// On an exception the kernel stores `a0`, `a1` and `a2` in the first three words of the save area, loads EPC, BadVAddr
/// and Cause into these registers, and continues at the handler in user mode. `k0` and `k1` are nobody's: any exception
/// may change them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Env {
    /// Save area for TLB misses (Cause codes 2 and 3, refill and invalid): a physical address, aligned to
    /// `SAVE_AREA_BYTES`, in a frame that the environment may write. 0: none, and a miss destroys the environment.
    pub tlbx_save_area: u32,
    /// Save area for all other exceptions, alike.
    pub genx_save_area: u32,
    /// Handler for each exception code of the register Cause.
    pub xh: [Handler; EXCEPTIONS],
    /// First instruction of the environment. It starts with the number of the frame that holds the first page of its image
    /// in `a0`, that of the frame of [`Info`](crate::Info) in `a1`, and all other registers 0.
    pub init: Handler,
    /// Guaranteed mappings, at most one a page.
    pub xl: [Mapping; GUARANTEED_MAPPINGS],
}

impl Env {
    /// An environment without handlers, save areas and mappings.
    pub const EMPTY: Env = Env {
        tlbx_save_area: 0,
        genx_save_area: 0,
        xh: [0; EXCEPTIONS],
        init: 0,
        xl: [Mapping { va: 0, lo: 0 }; GUARANTEED_MAPPINGS],
    };
}
