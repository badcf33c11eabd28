//! Addresses for the tests, chosen so that slots collide all the time.

use proptest::prelude::*;
use std::sync::OnceLock;
use stlb::model::Machine;
use stlb::{Lo, SLOTS};

/// Tag numbers, and slots, that the addresses of these tests are concentrated on.
pub const TAGS: [u32; 5] = [0, 1, 2, 0x155, 0x1ff];
const CROWDED: [usize; 4] = [0, 1, SLOTS / 2 + 1, SLOTS - 1];
/// References for each of these slots.
const CROWD: usize = 10;

/// A page reference: number of the process tag, and address.
pub type Reference = (u32, u32);

/// References that compete for a few slots.
pub fn crowd(machine: Machine) -> &'static [Reference] {
    static CROWDS: [OnceLock<Vec<Reference>>; 2] = [const { OnceLock::new() }; 2];
    CROWDS[machine as usize].get_or_init(|| find_crowd(machine))
}

fn find_crowd(machine: Machine) -> Vec<Reference> {
    let mut found = CROWDED.map(|_| Vec::new());
    for va in (0..0x8000_0000).step_by(machine.pages() << 12) {
        for tag in TAGS {
            let slot = machine.slot(machine.context(tag, va));
            if let Some(i) = CROWDED.iter().position(|crowded| *crowded == slot) {
                found[i].push((tag, va));
            }
        }
    }
    // Some of each slot, spread over tags and addresses
    let spread = |all: Vec<Reference>| {
        let step = all.len() / CROWD;
        all.into_iter().step_by(step).take(CROWD)
    };
    found.into_iter().flat_map(spread).collect()
}

/// Any word of the interface; three of four are valid.
pub fn lo() -> impl Strategy<Value = Lo> {
    (any::<u32>(), 0..4).prop_map(|(word, n)| if n == 0 { Lo(word & !Lo::V) } else { Lo(word | Lo::V) })
}

/// Any reference.
pub fn anywhere(machine: Machine) -> impl Strategy<Value = Reference> {
    (0..machine.tags(), 0..0x8000_0000u32)
}

/// A reference that mostly is one of the crowd.
pub fn reference(machine: Machine) -> impl Strategy<Value = Reference> {
    prop_oneof![15 => prop::sample::select(crowd(machine)), 1 => anywhere(machine)]
}
