//! The instructions that the interpreter knows, and their encoding.

use super::Isa;

/// An instruction. Registers are numbers; `imm` and `offset` stand as they do in the encoding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are the architecture's")]
pub enum Instruction {
    Lui { rt: u8, imm: u16 },
    Ori { rt: u8, rs: u8, imm: u16 },
    Andi { rt: u8, rs: u8, imm: u16 },
    Addiu { rt: u8, rs: u8, imm: i16 },
    Add { rd: u8, rs: u8, rt: u8 },
    Addu { rd: u8, rs: u8, rt: u8 },
    Xor { rd: u8, rs: u8, rt: u8 },
    Sll { rd: u8, rt: u8, shift: u8 },
    Srl { rd: u8, rt: u8, shift: u8 },
    Ins { rt: u8, rs: u8, position: u8, bits: u8 },
    Lw { rt: u8, base: u8, offset: i16 },
    Sw { rt: u8, base: u8, offset: i16 },
    Mfc0 { rt: u8, rd: u8 },
    Mtc0 { rt: u8, rd: u8 },
    Beq { rs: u8, rt: u8, offset: i16 },
    Bne { rs: u8, rt: u8, offset: i16 },
    Bltz { rs: u8, offset: i16 },
    J { index: u32 },
    Jr { rs: u8 },
    Ehb,
    Tlbwr,
    Tlbwi,
    Eret,
    Rfe,
}

impl Instruction {
    /// What `word` is on this processor; `None` for whatever is not in the subset, and where a field that must be zero is
    /// not.
    pub fn decode(word: u32, isa: Isa) -> Option<Instruction> {
        use Instruction::*;
        let field = |low: u32, bits: u32| word >> low & ((1 << bits) - 1);
        let [rs, rt, rd, shift] = [21, 16, 11, 6].map(|low| field(low, 5) as u8);
        let (imm, offset) = (word as u16, word as u16 as i16);
        let mips32 = isa == Isa::Mips32r2;
        let instruction = match (field(26, 6), field(0, 6)) {
            (0x00, 0x00) if mips32 && word == 0xc0 => Ehb,
            (0x00, 0x00) if rs == 0 => Sll { rd, rt, shift },
            (0x00, 0x02) if rs == 0 => Srl { rd, rt, shift },
            (0x00, 0x08) if (rt, rd, shift) == (0, 0, 0) => Jr { rs },
            (0x00, 0x20) if shift == 0 => Add { rd, rs, rt },
            (0x00, 0x21) if shift == 0 => Addu { rd, rs, rt },
            (0x00, 0x26) if shift == 0 => Xor { rd, rs, rt },
            (0x01, _) if rt == 0 => Bltz { rs, offset },
            (0x02, _) => J { index: field(0, 26) },
            (0x04, _) => Beq { rs, rt, offset },
            (0x05, _) => Bne { rs, rt, offset },
            (0x09, _) => Addiu { rt, rs, imm: offset },
            (0x0c, _) => Andi { rt, rs, imm },
            (0x0d, _) => Ori { rt, rs, imm },
            (0x0f, _) if rs == 0 => Lui { rt, imm },
            (0x10, _) if rs == 0 && field(0, 11) == 0 => Mfc0 { rt, rd },
            (0x10, _) if rs == 4 && field(0, 11) == 0 => Mtc0 { rt, rd },
            (0x10, 0x02) if word == 0x4200_0002 => Tlbwi,
            (0x10, 0x06) if word == 0x4200_0006 => Tlbwr,
            (0x10, 0x10) if word == 0x4200_0010 && !mips32 => Rfe,
            (0x10, 0x18) if word == 0x4200_0018 && mips32 => Eret,
            // `rd` is the last bit, `shift` the first
            (0x1f, 0x04) if mips32 && rd >= shift => Ins { rt, rs, position: shift, bits: rd - shift + 1 },
            (0x23, _) => Lw { rt, base: rs, offset },
            (0x2b, _) => Sw { rt, base: rs, offset },
            _ => return None,
        };
        Some(instruction)
    }

    /// Has it a delay slot, or, like `eret`, may it not stand in one?
    pub fn is_branch(&self) -> bool {
        use Instruction::*;
        matches!(self, Beq { .. } | Bne { .. } | Bltz { .. } | J { .. } | Jr { .. } | Eret)
    }

    /// The registers that it reads; 0 where there are fewer than two.
    pub fn reads(&self) -> [u8; 2] {
        use Instruction::*;
        match *self {
            Ori { rs, .. } | Andi { rs, .. } | Addiu { rs, .. } | Bltz { rs, .. } | Jr { rs } => [rs, 0],
            Add { rs, rt, .. } | Addu { rs, rt, .. } | Xor { rs, rt, .. } | Ins { rs, rt, .. } => [rs, rt],
            Beq { rs, rt, .. } | Bne { rs, rt, .. } => [rs, rt],
            Sll { rt, .. } | Srl { rt, .. } | Mtc0 { rt, .. } => [rt, 0],
            Lw { base, .. } => [base, 0],
            Sw { rt, base, .. } => [base, rt],
            Lui { .. } | Mfc0 { .. } | J { .. } | Ehb | Tlbwr | Tlbwi | Eret | Rfe => [0, 0],
        }
    }
}
