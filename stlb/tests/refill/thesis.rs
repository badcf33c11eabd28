//! The R3000's sequence is the thesis' own.

use crate::image::images;
use crate::processor::isa;
use crate::sample;
use crate::scene::{K0, K1};
use std::collections::BTreeSet;
use stlb::SLOTS;
use stlb::interpreter::{Fault, Instruction, Reason, Register};
use stlb::model::Machine;

/// Figure 9-7, instruction for instruction.
#[test]
fn the_r3000_runs_figure_9_7() {
    use Instruction::*;
    let [tlblo, tlbcxt, epc] = [Register::EntryLo0, Register::Context, Register::Epc].map(|register| register as u8);
    for image in images(Machine::Decstation) {
        // HI(stlb) and LO(stlb): the offset in a load is signed
        let (hi, lo) = ((image.table.wrapping_add(0x8000) >> 16) as u16, image.table as i16);
        // A branch counts instructions, from its delay slot
        let to_miss = (i64::from(image.miss) - i64::from(image.start)) / 4 - 14;
        let figure = [
            Mfc0 { rt: K0, rd: tlbcxt },
            Mfc0 { rt: K1, rd: tlbcxt },
            Sll { rd: K0, rt: K0, shift: 17 },
            Xor { rd: K1, rs: K0, rt: K1 },
            Srl { rd: K1, rt: K1, shift: 16 },
            // STLB_MASK & ~7: 0xfff8, unless the table is smaller
            Andi { rt: K0, rs: K1, imm: (SLOTS * 8 - 8) as u16 },
            Lui { rt: K1, imm: hi },
            Add { rd: K1, rs: K0, rt: K1 },
            Lw { rt: K0, base: K1, offset: lo + 4 },
            Lw { rt: K1, base: K1, offset: lo },
            Mtc0 { rt: K0, rd: tlblo },
            Mfc0 { rt: K0, rd: tlbcxt },
            Sll { rd: 0, rt: 0, shift: 0 }, // nop
            Bne { rs: K0, rt: K1, offset: to_miss as i16 },
            Mfc0 { rt: K1, rd: epc },
            Tlbwr,
            Jr { rs: K1 }, // `j k1`, as the thesis writes it
            Rfe,
        ];
        let code: Vec<_> = image.code.iter().map(|word| Instruction::decode(*word, isa(image.machine))).collect();
        assert_eq!(code, figure.map(Some), "{}", image.name);
    }
}

/// The exchanges of an instruction with the next that put the use of a register right behind its load: which, where the
/// use then stands, and of what.
const TOO_EARLY: [(usize, usize, u8); 12] = [
    (0, 2, K0),   // mfc0 k1; mfc0 k0; sll of k0
    (1, 1, K0),   // mfc0 k0; sll of k0
    (2, 2, K1),   // mfc0 k1; xor of k1
    (7, 8, K0),   // lw k0; add of k0
    (8, 9, K1),   // lw k1; lw with k1
    (9, 9, K0),   // lw k0; mtc0 k0
    (10, 11, K0), // mfc0 k0; mtc0 k0
    (11, 13, K0), // nop; mfc0 k0; bne of k0
    (12, 12, K0), // mfc0 k0; bne of k0
    (13, 14, K1), // mfc0 k1; bne of k1
    (14, 16, K1), // mfc0 k1; jr k1, tlbwr standing before both
    (15, 15, K1), // mfc0 k1; jr k1
];

/// Each load delay of the sequence matters: what breaks one is refused, and for that reason.
#[test]
fn no_load_delay_of_the_r3000_can_be_broken() {
    let (scene, lookups) = sample(Machine::Decstation);
    for image in images(Machine::Decstation) {
        for i in 0..image.code.len() - 1 {
            let mut code = image.code.clone();
            code.swap(i, i + 1);
            let expected = TOO_EARLY.iter().find(|(exchanged, ..)| *exchanged == i).map(|(_, position, register)| {
                let at = image.start + 4 * *position as u32;
                Fault { at, reason: Reason::LoadDelay(*register) }.to_string()
            });
            let errors = lookups.iter().filter_map(|(context, before)| scene.run(image, &code, *context, before).err());
            let refused: BTreeSet<String> = errors.filter(|error| error.contains("load delay")).collect();
            assert_eq!(refused, BTreeSet::from_iter(expected), "{}: {i} and {} exchanged", image.name, i + 1);
        }
    }
}
