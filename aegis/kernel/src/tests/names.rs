//! The layout of names.

use crate::name::{asid, number_of_tag, pid};
use aegis_abi::limits::ENVS;
use proptest::prelude::*;
use std::collections::HashSet;
use stlb::{Geometry, Mips32, R3000, SLOTS};

fn check<G: Geometry>(number: usize, generation: u32, va: u32) {
    let pid = pid::<G>(number, generation).0;
    assert_eq!(number_of_tag(pid), number);
    assert_eq!(number_of_tag(G::context(pid, va)), number, "from Context");
    assert_ne!(pid, 0, "0 stands for no environment");
    let asid_bits = (ENVS as u32 - 1) << G::ASID_SHIFT;
    assert_eq!(pid & asid_bits, asid::<G>(number), "EntryHi finds the identifier in the pid");
}

proptest! {
    #[test]
    fn a_pid_serves_entry_hi_and_context(number in 0..ENVS, generation: u32, va in 0u32..0x8000_0000) {
        check::<Mips32>(number, generation, va);
        check::<R3000>(number, generation, va);
    }
}

fn generations<G: Geometry>() -> usize {
    let first = pid::<G>(5, 1);
    1 + (2..1 << 20).take_while(|&generation| pid::<G>(5, generation) != first).count()
}

#[test]
fn a_stale_pid_is_nobody_elses_for_long() {
    assert_eq!(generations::<Mips32>(), (1 << 18) - 1);
    assert_eq!(generations::<R3000>(), (1 << 14) - 1);
}

fn slots_of_one_page<G: Geometry>() -> usize {
    (0..ENVS).map(|number| G::slot(G::context(pid::<G>(number, 1).0, 0x0100_0000))).collect::<HashSet<_>>().len()
}

#[test]
fn one_page_of_all_environments_falls_into_different_slots() {
    assert_eq!(slots_of_one_page::<Mips32>(), ENVS);
    assert_eq!(slots_of_one_page::<R3000>(), ENVS);
}

#[test]
fn neighbours_in_number_are_far_apart_in_the_table() {
    let slot = |number| Mips32::slot(Mips32::context(pid::<Mips32>(number, 1).0, 0x0100_0000)) as isize;
    for number in 0..7 {
        let distance = (slot(number) - slot(number + 1)).unsigned_abs();
        assert!(distance.min(SLOTS - distance) >= SLOTS / 8, "{number}: {distance}");
    }
}
