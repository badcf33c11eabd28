//! An environment's context (thesis figure 9-2): where the kernel delivers events, and what it guarantees to keep mapped.

use crate::limits::{EXCEPTIONS, FRAMES, GUARANTEED_MAPPINGS, PAGE_SHIFT, RESERVED_FRAMES};
use crate::{Error, Lo};
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
/// The first environment's stands in the section `.aegis.env` of its ELF file. There, the frame numbers in save areas, queue,
/// vector, guaranteed mappings and among the reserved ones count the pages of the program's image from 0, in order of address; the kernel adds the number of
/// the first frame, since it loads the image into consecutive frames. (So a save area cannot stand at the very start of the
/// image: its address would be 0, which says that there is none.)
///
/// On an exception the kernel stores `a0`, `a1` and `a2` in the first three words of the save area, loads EPC, BadVAddr
/// and Cause into these registers, and continues at the handler in user mode; on an interrupt and at the end of a slice alike. `a1` is 0 with all
/// codes but 1 to 5, which bring an address: the register may hold another environment's. `k0` and `k1` are nobody's: any exception and
/// any interrupt may change them.
///
/// # Resuming without the kernel
///
/// As `k0` is nobody's, and any other register the program's, a program goes on behind an exception in three steps: it loads all registers,
/// then `k0` from a slot at an address below 0x8000, and jumps there by `jr $k0`. Nothing may change `k0` between the load and the jump. So such a
/// sequence must be restartable, which means that it may be begun again at any time while it has not been left: it changes nothing but
/// registers, and loads them from memory that stays as it is. [`resume_start`](Env::resume_start) and
/// [`resume_windows`](Env::resume_windows) name the windows that hold the sequences. Where the program has been interrupted in one,
/// it goes on at the window's first instruction; and that is what an upcall is told. A window holds no `syscall`.
///
/// The page of the windows and that of the slots must be under guaranteed mappings. Where an entry of the hardware TLB maps two pages,
/// they must be the two of an entry.
///
/// # Rights
///
/// An environment has writers and holders of references, a set of environments each. Its creator is both; it may itself do what
/// a writer may. A writer may add writers (`e_add`), take a reference (`e_ref`), give it slices (`s_alloc`) and take away those that it
/// owns (`s_free`), write its data (`e_write`), and destroy it (`e_free`). Whoever holds a reference may give it up (`e_unref`);
/// with the last one the environment is destroyed. An environment that is destroyed gives up all references that it holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Env {
    /// Save area for TLB misses (Cause codes 2 and 3, refill and invalid): a physical address, aligned to
    /// `SAVE_AREA_BYTES`, in a frame that the environment may write. 0: none, and a miss destroys the environment.
    pub tlbx_save_area: u32,
    /// Save area for all other exceptions, alike.
    pub genx_save_area: u32,
    /// Save area for interrupts and the end of a slice, alike. 0: none, and there is no upcall for them.
    pub intx_save_area: u32,
    /// The interrupt queue, an [`InterruptQueue`](crate::InterruptQueue): a physical address, aligned to 4, in a frame that the
    /// environment may write. A place that was not the queue before must hold an empty one. 0: none; interrupts for it are lost, and
    /// nothing is masked.
    pub iq: u32,
    /// The repossession vector, a [`RepossessionVector`](crate::RepossessionVector): a physical address, as for the queue. 0: none, and nobody is
    /// told which frames are taken.
    pub vector: u32,
    /// Numbers of frames that are never taken by force while the environment holds them; [`NO_FRAME`](Env::NO_FRAME): none.
    pub reserved: [u32; RESERVED_FRAMES],
    /// Handler for each exception code of the register Cause.
    pub xh: [Handler; EXCEPTIONS],
    /// Handler for interrupts; 0: they are only put into the queue.
    pub ih: Handler,
    /// Epilogue: called up at the end of a slice, to save what must be saved and to `yield`. 0: none. An environment that has not yielded a
    /// tick later is switched by hand, and the slice loses a turn.
    pub epi: Handler,
    /// Prologue: where each slice starts but the first, with all registers 0. 0: none, and its slices are skipped.
    pub pro: Handler,
    /// First instruction of the environment. It starts with [`argument`](Env::argument) in `a0`, the number of the frame
    /// of [`Info`](crate::Info) in `a1`, and all other registers 0.
    pub init: Handler,
    /// Where synchronous control transfers arrive (thesis 3.4.2); 0: there are none.
    pub gate: Handler,
    /// Where asynchronous control transfers arrive; 0: there are none.
    pub agate: Handler,
    /// What the program wants of the register Status: 0. The one coprocessor that can be had, the floating-point unit, is asked for by the
    /// call `fpu` when it is needed, as only one environment's registers are in it.
    pub status: u32,
    /// What the environment finds in `a0` at its start. For the first environment the kernel sets it to the number of the frame that
    /// holds the first page of its image.
    pub argument: u32,
    /// Address of the first window, aligned to [`RESUME_WINDOW_BYTES`](crate::limits::RESUME_WINDOW_BYTES).
    pub resume_start: u32,
    /// Windows from there on, all in one page; 0: there are none.
    pub resume_windows: u32,
    /// Guaranteed mappings, at most one a page.
    pub xl: [Mapping; GUARANTEED_MAPPINGS],
}

impl Env {
    /// In place of a frame that is reserved: none.
    pub const NO_FRAME: u32 = u32::MAX;

    /// An environment without handlers, save areas and mappings.
    pub const EMPTY: Env = Env {
        tlbx_save_area: 0,
        genx_save_area: 0,
        intx_save_area: 0,
        iq: 0,
        vector: 0,
        reserved: [Env::NO_FRAME; RESERVED_FRAMES],
        xh: [0; EXCEPTIONS],
        ih: 0,
        epi: 0,
        pro: 0,
        init: 0,
        gate: 0,
        agate: 0,
        status: 0,
        argument: 0,
        resume_start: 0,
        resume_windows: 0,
        xl: [Mapping { va: 0, lo: 0 }; GUARANTEED_MAPPINGS],
    };

    /// The pages of a program's image that a context in its file names, by number: of save areas,
    /// queue and vector, the reserved ones, and those of guaranteed mappings.
    pub fn image_pages(&self) -> impl Iterator<Item = u32> {
        let Env { tlbx_save_area, genx_save_area, intx_save_area, iq, vector, .. } = *self;
        let places = [tlbx_save_area, genx_save_area, intx_save_area, iq, vector].into_iter();
        let places = places.filter(|address| *address != 0).map(|address| address >> PAGE_SHIFT);
        let reserved = self.reserved.iter().copied().filter(|frame| *frame != Env::NO_FRAME);
        let mappings = self.xl.iter().filter(|mapping| mapping.va != 0).map(|mapping| mapping.lo().pfn());
        places.chain(reserved).chain(mappings)
    }

    /// Turns page numbers of a program's image of `pages` pages, as a context in its file has them,
    /// into the numbers of the consecutive frames from `first_frame` on, into which the image was
    /// loaded, and sets [`argument`](Env::argument).
    ///
    /// # Errors
    /// `NotPermitted`, where the context names a page outside the image; `NoSuchFrame`, where no
    /// machine has all these frames. Nothing is changed then.
    pub fn relocate(&mut self, first_frame: u32, pages: u32) -> Result<(), Error> {
        if first_frame.checked_add(pages).is_none_or(|end| end > FRAMES as u32) {
            return Err(Error::NoSuchFrame);
        }
        if !self.image_pages().all(|page| page < pages) {
            return Err(Error::NotPermitted);
        }
        // Nothing below overflows: a page's number and that of the first frame are together less
        // than `FRAMES`.
        let save_areas = [&mut self.tlbx_save_area, &mut self.genx_save_area, &mut self.intx_save_area];
        let places = save_areas.into_iter().chain([&mut self.iq, &mut self.vector]);
        for place in places.filter(|address| **address != 0) {
            *place += first_frame << PAGE_SHIFT;
        }
        for frame in self.reserved.iter_mut().filter(|frame| **frame != Env::NO_FRAME) {
            *frame += first_frame;
        }
        self.argument = first_frame;
        for mapping in self.xl.iter_mut().filter(|mapping| mapping.va != 0) {
            let mut lo = Lo(mapping.lo);
            lo.set_pfn(lo.pfn() + first_frame);
            mapping.lo = lo.0;
        }
        Ok(())
    }
}
