//! Scarce memory: the director has nearly all of it, and gives some up when it is asked, or is robbed.

use super::random::Random;
use alloc::vec::Vec;
use exos::abi::calls::{ANY, Number};
use exos::abi::limits::REPOSSESSION_ENTRIES;
use exos::{Cell, machine, revocation};
use exos_checks::raw::calls::call;

/// Frames to be given up when the director is asked; 0: none.
static SPARE: [Cell<u32>; REPOSSESSION_ENTRIES] = [const { Cell::new(0) }; REPOSSESSION_ENTRIES];
/// Does it give any?
static GIVES: Cell<bool> = Cell::new(true);
/// How often it was asked.
static ASKED: Cell<u32> = Cell::new(0);

fn answer(frames: u32) {
    ASKED.set(ASKED.get() + 1);
    if !GIVES.get() {
        return;
    }
    for place in SPARE.iter().filter(|place| place.get() != 0).take(frames as usize) {
        // It may have been taken.
        let _ = call(Number::p_unref, [place.get(), 0, 0, 0]);
        place.set(0);
    }
}

/// Bytes that the director's heap may yet need.
const HEADROOM: usize = 1 << 20;

/// What the director has taken so that others lack it.
pub struct Scarcity {
    hoard: Vec<u32>,
    /// What it has prepared to lose by force, in order.
    prepared: Vec<u32>,
    lost: u32,
}

impl Scarcity {
    /// Takes all memory.
    pub fn new() -> Scarcity {
        // The heap is not to need more: what is touched stays.
        drop(core::hint::black_box(alloc::vec![0xa5u8; HEADROOM]));
        let all = machine::info().frames as usize;
        let mut hoard = alloc::vec![u32::MAX; all];
        hoard.clear();
        let mut scarcity = Scarcity { hoard, prepared: Vec::with_capacity(REPOSSESSION_ENTRIES), lost: 0 };
        scarcity.tighten();
        revocation::answer(Some(answer));
        scarcity
    }

    /// Takes what has become free.
    fn tighten(&mut self) {
        while self.hoard.len() < self.hoard.capacity()
            && let Ok(frame) = call(Number::p_alloc, [ANY, 0, 0, 0])
        {
            self.hoard.push(frame);
        }
    }

    /// Sees to it that there is something to be given up, and to be taken, and now and then something free.
    pub fn attend(&mut self, random: &mut Random) {
        GIVES.set(!random.one_in(3));
        let lost = revocation::lost();
        let taken = lost.wrapping_sub(self.lost) as usize;
        self.lost = lost;
        self.prepared.drain(..taken.min(self.prepared.len()));
        for place in SPARE.iter().filter(|place| place.get() == 0) {
            place.set(self.hoard.pop().unwrap_or(0));
        }
        while self.prepared.len() < REPOSSESSION_ENTRIES
            && let Some(frame) = self.hoard.pop()
        {
            self.prepared.push(frame);
        }
        for (i, &frame) in self.prepared.iter().enumerate() {
            revocation::prepare(i, Some(frame), None);
        }
        match random.below(8) {
            0 => self.tighten(),
            1 => {
                for _ in 0..random.below(16) {
                    let Some(frame) = self.hoard.pop() else { break };
                    let _ = call(Number::p_unref, [frame, 0, 0, 0]);
                }
            }
            _ => {}
        }
    }

    /// How often the director was asked for frames, and how many were taken from it by force.
    pub fn told(&self) -> (u32, u32) {
        (ASKED.get(), self.lost)
    }
}
