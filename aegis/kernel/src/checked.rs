//! What the kernel does with the feature `checked`: it looks at its invariants again and again, and makes interrupts as hard for programs
//! as they may be.

use crate::Kernel;
use crate::frame::{Owner, Right};
use crate::interrupt::Upcall;
use crate::machine::{Live, Machine};
use aegis_abi::Lo;
use aegis_abi::limits::{GUARANTEED_MAPPINGS, PAGE_BYTES, PAGE_SHIFT};

/// What is kept for that.
pub(crate) struct Checking {
    /// Calls and ticks so far.
    calls: u32,
    /// No interrupt leaves anything in the hardware TLB.
    empty_tlb: bool,
    /// The frame that is looked at next.
    frame: u32,
}

impl Checking {
    /// At first.
    pub const NEW: Checking = Checking { calls: 0, empty_tlb: false, frame: 0 };
}

impl<M: Machine> Kernel<M> {
    /// Calls, and ticks, between two checks of all invariants.
    const CHECK_INTERVAL: u32 = 1024;

    /// Calls, and ticks, between two looks at a free frame.
    const FRAME_INTERVAL: u32 = 16;

    pub(crate) fn check_now_and_then(&mut self) {
        self.checking.calls = self.checking.calls.wrapping_add(1);
        if self.checking.calls.is_multiple_of(Self::FRAME_INTERVAL) {
            self.check_free_frame();
        }
        if self.checking.calls.is_multiple_of(Self::CHECK_INTERVAL) {
            self.check_or_panic();
        }
    }

    pub(crate) fn check_or_panic(&self) {
        if let Err(inconsistency) = self.check() {
            panic!("the kernel's tables are inconsistent: {inconsistency}");
        }
    }

    /// Panics where a save area, to which the vectors are about to write, is not the environment's to write.
    pub(crate) fn check_upcall(&self, upcall: Option<Upcall>) {
        let writable = |upcall: Upcall| self.frames.has(self.current(), upcall.save_area >> PAGE_SHIFT, Right::Write);
        assert!(upcall.is_none_or(writable), "the save area of an upcall is somebody else's: {upcall:?}");
    }

    /// Panics where one of the free frames, another each time, is not zeroed.
    fn check_free_frame(&mut self) {
        let frame = self.checking.frame;
        self.checking.frame = if frame + 1 < self.frames.total() { frame + 1 } else { 0 };
        if self.frames.owner(frame) != Owner::Nobody || self.frames.is_dirty(frame) {
            return;
        }
        for offset in (0..PAGE_BYTES).step_by(64) {
            let mut bytes = [0u8; 64];
            self.machine.read((frame << PAGE_SHIFT) + offset, &mut bytes);
            assert!(bytes.iter().all(|&byte| byte == 0), "free frame {frame:#x} is not zeroed at {offset:#x}");
        }
    }

    /// From now on each interrupt empties the hardware TLB, or it does not.
    pub fn set_empty_tlb(&mut self, on: bool) {
        self.checking.empty_tlb = on;
    }

    /// Takes everything from the hardware TLB, and from the software TLB what the running environment has under guaranteed mappings: so
    /// each page misses next, also those from which a program is resumed.
    pub(crate) fn forget_bindings(&mut self) {
        if !self.checking.empty_tlb {
            return;
        }
        let current = self.current();
        let pages: heapless::Vec<u32, GUARANTEED_MAPPINGS> =
            self.environments[current].context.guaranteed_pages().collect();
        for page in pages {
            self.edit_range(current, page..page + 1, |_, _| Lo::INVALID);
        }
        for index in 0.. {
            match self.machine.live(index) {
                Some(Live::Pair { asid, context, .. }) => self.machine.tlb_update(asid, context, [0; 2]),
                Some(Live::Unused) => {}
                None => return,
            }
        }
    }
}
