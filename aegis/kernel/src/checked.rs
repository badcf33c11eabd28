//! What the kernel does with the feature `checked`: it looks at its invariants again and again, and makes interrupts as hard for programs
//! as they may be.

use crate::Kernel;
use crate::machine::{Live, Machine};
use aegis_abi::Lo;
use aegis_abi::limits::GUARANTEED_MAPPINGS;

/// What is kept for that.
pub(crate) struct Checking {
    /// Calls and ticks so far.
    calls: u32,
    /// No interrupt leaves anything in the hardware TLB.
    empty_tlb: bool,
}

impl Checking {
    /// At first.
    pub const NEW: Checking = Checking { calls: 0, empty_tlb: false };
}

impl<M: Machine> Kernel<M> {
    /// Calls, and ticks, between two checks of all invariants.
    const CHECK_INTERVAL: u32 = 1024;

    pub(crate) fn check_now_and_then(&mut self) {
        self.checking.calls = self.checking.calls.wrapping_add(1);
        if self.checking.calls.is_multiple_of(Self::CHECK_INTERVAL) {
            self.check_or_panic();
        }
    }

    pub(crate) fn check_or_panic(&self) {
        if let Err(inconsistency) = self.check() {
            panic!("the kernel's tables are inconsistent: {inconsistency}");
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
