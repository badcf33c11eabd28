//! The check is only worth something if it notices every broken instruction.

use crate::image::{Image, images};
use crate::processor::{Registers, isa};
use crate::sample;
use crate::scene::{K0, K1, Scene};
use stlb::SLOTS;
use stlb::interpreter::Instruction;
use stlb::model::Machine;

const NOP: u32 = 0;

/// Does the check notice that `code` is not the refill sequence?
fn notices(image: &Image, code: &[u32], scene: &Scene, lookups: &[(u32, Registers)]) -> bool {
    lookups.iter().any(|(context, registers)| scene.run(image, code, *context, registers).is_err())
}

/// Changes of one bit that do no harm, by what they make of the instruction. Everything else is to be noticed.
fn is_harmless(machine: Machine, word: u32, bit: u32) -> Option<&'static str> {
    use Instruction::*;
    let [before, after] = [word, word ^ 1 << bit].map(|word| Instruction::decode(word, isa(machine)));
    match (machine, before?, after?) {
        (Machine::Malta, Lui { .. }, Lui { .. }) if bit == 0 && SLOTS == 8192 => {
            Some("bit 16 of the table's address: `ins` overwrites bits 4 to 16")
        }
        (Machine::Decstation, Sll { rd: K0, .. }, Sll { rd: K1, .. }) => {
            Some("both registers hold Context: either may take the page that moved up")
        }
        (Machine::Decstation, Add { .. }, Addu { .. }) => Some("nothing overflows"),
        (Machine::Decstation, _, Sll { rd: 0, .. } | Srl { rd: 0, .. } | Add { rd: 0, .. } | Mfc0 { rt: 0, .. })
            if word == NOP =>
        {
            Some("it changes no register either")
        }
        _ => None,
    }
}

fn assert_all_noticed(machine: Machine) {
    let (scene, lookups) = sample(machine);
    for image in images(machine) {
        assert!(!notices(image, &image.code, &scene, &lookups), "{}: the sequence itself fails", image.name);
        for (i, word) in image.code.iter().copied().enumerate() {
            let mut code = image.code.clone();
            code[i] = NOP;
            let noticed = notices(image, &code, &scene, &lookups);
            assert!(noticed || word == NOP, "{}: instruction {i} can be a nop", image.name);
            for bit in 0..32 {
                code[i] = word ^ 1 << bit;
                let noticed = notices(image, &code, &scene, &lookups);
                let harmless = is_harmless(machine, word, bit);
                let text = format!("{}: instruction {i}, {word:#010x}, bit {bit}", image.name);
                assert_eq!(noticed, harmless.is_none(), "{text}: {harmless:?}");
            }
        }
    }
}

#[test]
fn every_broken_instruction_of_mips32_is_noticed() {
    assert_all_noticed(Machine::Malta);
}

#[test]
fn every_broken_instruction_of_the_r3000_is_noticed() {
    assert_all_noticed(Machine::Decstation);
}
