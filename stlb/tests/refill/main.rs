//! The refill sequence of MIPS32 as it was assembled, run in the interpreter against the model.
//!
//! The environment variable `AEGIS_IMAGE` names the kernel image whose bytes are run. Without it the test builds the
//! sequence by itself, with and without the feature `faithful`.

mod image;
mod scene;
#[path = "../support/mod.rs"]
mod support;

use image::{Image, images};
use proptest::collection::SizeRange;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use scene::{Outcome, Registers, Scene, registers};
use stlb::Lo;
use stlb::interpreter::{Instruction, Isa};
use stlb::model::Machine;
use support::{Reference, anywhere, crowd, lo, reference};

/// Pages to be inserted: half of them collide, half stand anywhere.
fn pages(n: impl Into<SizeRange>) -> impl Strategy<Value = Vec<(Reference, Lo)>> {
    let reference = prop_oneof![reference(Machine::Malta), anywhere(Machine::Malta)];
    prop::collection::vec((reference, lo()), n)
}

/// Contexts worth looking up in a scene: what stands there, what differs from it in one bit, what competes with it.
fn contexts(scene: &Scene) -> Vec<u32> {
    let present: Vec<u32> = scene.model.lines().iter().map(|(_, line)| line.context).collect();
    let near = present.iter().flat_map(|context| (4..32).map(move |bit| context ^ 1 << bit));
    let crowd = crowd(Machine::Malta).iter().map(|(tag, va)| Machine::Malta.context(*tag, *va));
    present.iter().copied().chain(near).chain(crowd).chain([0]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn hits_load_both_pages_and_misses_change_nothing(pages in pages(0..60), registers in registers()) {
        let scene = Scene::new(&pages);
        for image in images() {
            for context in contexts(&scene) {
                let found = scene.run(image, &image.code, context, &registers);
                prop_assert!(found.is_ok(), "{}: Context {:#x}: {}", image.name, context, found.unwrap_err());
            }
        }
    }

    #[test]
    fn nothing_is_found_in_an_empty_table(reference in reference(Machine::Malta), registers in registers()) {
        let (scene, (tag, va)) = (Scene::new(&[]), reference);
        for image in images() {
            let found = scene.run(image, &image.code, Machine::Malta.context(tag, va), &registers);
            prop_assert_eq!(found, Ok(Outcome::Miss));
        }
    }
}

/// The budget of DESIGN 6, as a plain number.
#[test]
fn a_hit_takes_16_instructions_or_18_when_faithful() {
    for image in images() {
        assert_eq!(image.code.len(), if image.faithful { 18 } else { 16 }, "{}", image.name);
        assert_eq!(image.hit_length(), image.code.len() as u64, "{}", image.name);
    }
}

/// A fixed choice of scene and lookups, for both hits and misses.
fn sample() -> (Scene, Vec<(u32, Registers)>) {
    let mut runner = TestRunner::deterministic();
    let pages = pages(100).new_tree(&mut runner).unwrap().current();
    let scene = Scene::new(&pages);
    let registers = registers();
    let mut lookup = |context| (context, registers.new_tree(&mut runner).unwrap().current());
    let lookups = contexts(&scene).into_iter().map(&mut lookup).collect();
    (scene, lookups)
}

/// Does the check notice that `code` is not the refill sequence?
fn notices(image: &Image, code: &[u32], scene: &Scene, lookups: &[(u32, Registers)]) -> bool {
    lookups.iter().any(|(context, registers)| scene.run(image, code, *context, registers).is_err())
}

/// Changes of one bit that do no harm, by what the instruction is. Everything else is to be noticed.
fn is_harmless(word: u32, bit: u32) -> Option<&'static str> {
    match (Instruction::decode(word, Isa::Mips32r2)?, bit) {
        (Instruction::Lui { .. }, 0) => Some("bit 16 of the table's address: `ins` overwrites bits 4 to 16"),
        _ => None,
    }
}

/// The check is only worth something if it notices every broken instruction.
#[test]
fn every_broken_instruction_is_noticed() {
    let (scene, lookups) = sample();
    for image in images() {
        assert!(!notices(image, &image.code, &scene, &lookups), "{}: the sequence itself fails", image.name);
        for i in 0..image.code.len() {
            let mut code = image.code.clone();
            code[i] = 0;
            assert!(notices(image, &code, &scene, &lookups), "{}: instruction {i} can be a nop", image.name);
            for bit in 0..32 {
                code[i] = image.code[i] ^ 1 << bit;
                let noticed = notices(image, &code, &scene, &lookups);
                let harmless = is_harmless(image.code[i], bit);
                let text = format!("{}: instruction {i}, {:#010x}, bit {bit}", image.name, image.code[i]);
                assert_eq!(noticed, harmless.is_none(), "{text}: {harmless:?}");
            }
        }
    }
}

/// Both ways through the sequence are taken often.
#[test]
fn the_sample_has_hits_and_misses() {
    let (scene, lookups) = sample();
    for image in images() {
        let run = |(context, registers): &(u32, Registers)| scene.run(image, &image.code, *context, registers).unwrap();
        let hits = lookups.iter().map(run).filter(|outcome| *outcome == Outcome::Hit).count();
        assert!(hits >= 20 && lookups.len() - hits >= 200, "{hits} hits of {}", lookups.len());
    }
}
