//! The refill sequences as they were assembled, run in the interpreter against the model.
//!
//! The environment variables `AEGIS_IMAGE` (Malta) and `AEGIS_IMAGE_DECSTATION` name the kernel images whose bytes are
//! run. Where one is not set, the test builds that machine's sequence by itself; Malta's with and without the feature
//! `faithful`.

mod broken;
mod image;
mod processor;
mod scene;
#[path = "../support/mod.rs"]
mod support;
mod thesis;

use image::images;
use processor::{Registers, registers};
use proptest::collection::SizeRange;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{TestCaseResult, TestRunner};
use scene::{Outcome, Scene};
use stlb::Lo;
use stlb::model::Machine;
use support::{Reference, anywhere, crowd, lo, reference};

/// Pages to be inserted: half of them collide, half stand anywhere.
fn pages(machine: Machine, n: impl Into<SizeRange>) -> impl Strategy<Value = Vec<(Reference, Lo)>> {
    let reference = prop_oneof![reference(machine), anywhere(machine)];
    prop::collection::vec((reference, lo()), n)
}

/// Contexts worth looking up in a scene: what stands there, what differs from it in one bit, what competes with it.
fn contexts(machine: Machine, scene: &Scene) -> Vec<u32> {
    let low_bits = match machine {
        Machine::Malta => 4,
        Machine::Decstation => 2,
    };
    let present: Vec<u32> = scene.model.lines().iter().map(|(_, line)| line.context).collect();
    let near = present.iter().flat_map(|context| (low_bits..32).map(move |bit| context ^ 1 << bit));
    let crowd = crowd(machine).iter().map(|(tag, va)| machine.context(*tag, *va));
    present.iter().copied().chain(near).chain(crowd).chain([0]).collect()
}

/// Looks up every context of interest: a hit must load what was bound, a miss must change nothing.
fn look_up(machine: Machine, pages: &[(Reference, Lo)], registers: &Registers) -> TestCaseResult {
    let scene = Scene::new(machine, pages);
    for image in images(machine) {
        for context in contexts(machine, &scene) {
            let found = scene.run(image, &image.code, context, registers);
            prop_assert!(found.is_ok(), "{}: Context {:#x}: {}", image.name, context, found.unwrap_err());
        }
    }
    Ok(())
}

/// Looks up a reference where nothing is bound.
fn miss(machine: Machine, (tag, va): Reference, registers: &Registers) -> TestCaseResult {
    let scene = Scene::new(machine, &[]);
    for image in images(machine) {
        let found = scene.run(image, &image.code, machine.context(tag, va), registers);
        prop_assert_eq!(found, Ok(Outcome::Miss), "{}", image.name);
    }
    Ok(())
}

const MALTA: Machine = Machine::Malta;
const DECSTATION: Machine = Machine::Decstation;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn mips32_hits_load_both_pages_and_misses_change_nothing(
        pages in pages(MALTA, 0..60), registers in registers(MALTA)
    ) {
        look_up(MALTA, &pages, &registers)?;
    }

    #[test]
    fn r3000_hits_load_the_page_and_misses_change_nothing(
        pages in pages(DECSTATION, 0..60), registers in registers(DECSTATION)
    ) {
        look_up(DECSTATION, &pages, &registers)?;
    }

    #[test]
    fn mips32_finds_nothing_in_an_empty_table(reference in reference(MALTA), registers in registers(MALTA)) {
        miss(MALTA, reference, &registers)?;
    }

    #[test]
    fn r3000_finds_nothing_in_an_empty_table(reference in reference(DECSTATION), registers in registers(DECSTATION)) {
        miss(DECSTATION, reference, &registers)?;
    }
}

/// The budgets of DESIGN 6, as plain numbers.
fn assert_hit_length(machine: Machine, plain: usize, faithful: usize) {
    for image in images(machine) {
        assert_eq!(image.code.len(), if image.faithful { faithful } else { plain }, "{}", image.name);
        assert_eq!(image.hit_length(), image.code.len() as u64, "{}", image.name);
    }
}

#[test]
fn a_hit_takes_mips32_16_instructions_or_18_when_faithful() {
    assert_hit_length(MALTA, 16, 18);
}

#[test]
fn a_hit_takes_the_r3000_18_instructions() {
    assert_hit_length(DECSTATION, 18, 18);
}

/// A fixed choice of scene and lookups, for both hits and misses.
fn sample(machine: Machine) -> (Scene, Vec<(u32, Registers)>) {
    let mut runner = TestRunner::deterministic();
    let pages = pages(machine, 100).new_tree(&mut runner).unwrap().current();
    let scene = Scene::new(machine, &pages);
    let registers = registers(machine);
    let mut lookup = |context| (context, registers.new_tree(&mut runner).unwrap().current());
    let lookups = contexts(machine, &scene).into_iter().map(&mut lookup).collect();
    (scene, lookups)
}

/// Both ways through the sequence are taken often.
#[test]
fn the_samples_have_hits_and_misses() {
    for machine in [MALTA, DECSTATION] {
        let (scene, lookups) = sample(machine);
        for image in images(machine) {
            let run =
                |(context, registers): &(u32, Registers)| scene.run(image, &image.code, *context, registers).unwrap();
            let hits = lookups.iter().map(run).filter(|outcome| *outcome == Outcome::Hit).count();
            assert!(hits >= 20 && lookups.len() - hits >= 200, "{}: {hits} hits of {}", image.name, lookups.len());
        }
    }
}
