//! Does an instruction of the source agree with a word of the machine's?

use super::assembly::number;
use super::disassemble::{GENERAL, cp0_register, disassemble, target};
use super::image::Image;
use crate::machine::Machine;

/// A label of digits, `2f` or `1b`, that an instruction leads to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reference {
    /// The digits.
    pub number: String,
    /// It stands further on.
    pub forward: bool,
    /// Where the instruction leads.
    pub target: u32,
}

/// An instruction in one of the ways in which the same can be written.
struct Canonical {
    mnemonic: String,
    operands: Vec<String>,
}

/// Compares `text`, as it stands in the source, with `word` at `address`: mnemonics, registers, numbers, and where branches lead. What is
/// an operand in braces or a part of an address is not known here. Gives the label of digits that is still to be compared; an error is what
/// stands there.
pub fn compare(
    machine: Machine,
    text: &str,
    word: u32,
    address: u32,
    image: &Image,
) -> Result<Option<Reference>, String> {
    let there = disassemble(machine, word, address);
    if let Some(value) = text.strip_prefix(".word") {
        return if number(value) == Some(i64::from(word)) { Ok(None) } else { Err(there) };
    }
    let (source, built) = (canonical(machine, text), canonical(machine, &there));
    if source.mnemonic != built.mnemonic || source.operands.len() != built.operands.len() {
        return Err(there);
    }
    let mut reference = None;
    for (written, found) in source.operands.iter().zip(&built.operands) {
        if is_register(found) || is_register(written) {
            if written != found {
                return Err(there);
            }
        } else if let Some(number) = number(written) {
            // A negative number may be shown as the 16 bits that it is in the word.
            if self::number(found).is_none_or(|found| found as u16 != number as u16) {
                return Err(there);
            }
        } else if let Some((digits, forward)) = digits(written) {
            let Some(target) = target(word, address) else { return Err(there) };
            reference = Some(Reference { number: digits.to_owned(), forward, target });
        } else if is_label(written) && target(word, address).is_none_or(|target| image.symbol(written) != Some(target))
        {
            return Err(there);
        }
    }
    Ok(reference)
}

fn is_register(operand: &str) -> bool {
    operand.starts_with('$') || operand.starts_with(|letter: char| letter.is_ascii_uppercase())
}

/// `1f` or `2b`.
fn digits(operand: &str) -> Option<(&str, bool)> {
    let (digits, forward) = match operand.strip_suffix('f') {
        Some(digits) => (digits, true),
        None => (operand.strip_suffix('b')?, false),
    };
    (!digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())).then_some((digits, forward))
}

fn is_label(operand: &str) -> bool {
    let is_part = |letter: char| letter == '_' || letter == '.' || letter.is_ascii_alphanumeric();
    operand.starts_with(|letter: char| letter == '_' || letter.is_ascii_lowercase()) && operand.chars().all(is_part)
}

fn canonical(machine: Machine, text: &str) -> Canonical {
    let text = text.trim();
    let (mnemonic, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let mut operands: Vec<String> = Vec::new();
    for operand in rest.split(',').map(str::trim).filter(|operand| !operand.is_empty()) {
        // `offset($base)`
        match operand.strip_suffix(')').and_then(|operand| operand.rsplit_once("($")) {
            Some((offset, base)) => operands.extend([offset.to_owned(), register(&format!("${base}"))]),
            None => operands.push(register(operand)),
        }
    }
    if let ("mfc0" | "mtc0", [_, second]) = (mnemonic, operands.as_mut_slice())
        && let Some(number) = GENERAL.iter().position(|name| second.strip_prefix('$') == Some(name))
    {
        *second = cp0_register(machine, number as u32, 0).map_or_else(|| format!("${number}"), str::to_owned);
    }
    shorten(mnemonic, operands)
}

/// A general register by its name, whether it is given so or by its number; all else as it is.
fn register(operand: &str) -> String {
    let number = operand.strip_prefix('$').and_then(|number| number.parse::<usize>().ok());
    match number.and_then(|number| GENERAL.get(number)) {
        Some(name) => format!("${name}"),
        None => operand.replace("$s8", "$fp"),
    }
}

/// The shortest name that the assembler has for it.
fn shorten(mnemonic: &str, mut operands: Vec<String>) -> Canonical {
    let is_zero = |place: usize| operands.get(place).is_some_and(|operand| operand == "$zero");
    let (mnemonic, dropped): (&str, &[usize]) = match mnemonic {
        "or" | "addu" if is_zero(2) => ("move", &[2]),
        "addiu" | "ori" if is_zero(1) => ("li", &[1]),
        "beq" if is_zero(0) && is_zero(1) => ("b", &[1, 0]),
        "beqz" if is_zero(0) => ("b", &[0]),
        "beq" if is_zero(1) => ("beqz", &[1]),
        "bne" if is_zero(1) => ("bnez", &[1]),
        other => (other, &[]),
    };
    for &place in dropped {
        operands.remove(place);
    }
    Canonical { mnemonic: mnemonic.to_owned(), operands }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: u32 = 0x8000_0034;

    fn agrees(text: &str, word: u32) -> bool {
        let mut image = Image::default();
        image.add_symbol("stlb_miss", 0x8000_0044);
        image.add_symbol("elsewhere", 0x8000_0048);
        compare(Machine::Malta, text, word, AT, &image).is_ok()
    }

    #[test]
    fn the_same_in_other_words_agrees() {
        for (text, word) in [
            ("mfc0  $k0, $4", 0x401a_2000),
            ("mfc0  $26, Context", 0x401a_2000),
            ("lw    $k0, %lo(stlb_table + {lo0})($k1)", 0x8f7a_0004),
            ("ins   $k1, $k0, {vpn_shift}, {slot_bits}", 0x7f5b_8104),
            ("bne   $k0, $k1, stlb_miss", 0x175b_0003),
            ("move  $sp, $k0", 0x0340_e825),
            ("move  $sp, $k0", 0x0340_e821),
            ("move  $at, $zero", 0x0000_0825),
            ("li    $v1, {ERROR}", 0x2403_0005),
            ("ori   $k0, $zero, {STATUS}", 0x341a_0003),
            ("addiu $k0, $v0, -2", 0x245a_fffe),
            ("addiu $k0, $v0, -{SYNCHRONOUS}", 0x245a_fffe),
            (".word 0x42000010", 0x4200_0010),
            ("ehb", 0xc0),
            ("nop", 0),
        ] {
            assert!(agrees(text, word), "{text}");
        }
    }

    #[test]
    fn another_instruction_register_number_or_target_does_not() {
        for (text, word) in [
            ("mfc0  $k0, $3", 0x401a_2000),
            ("mfc0  $k1, $4", 0x401a_2000),
            ("mtc0  $k0, $4", 0x401a_2000),
            ("lw    $k0, 8($k1)", 0x8f7a_0004),
            ("lw    $k0, %lo(stlb_table)($k0)", 0x8f7a_0004),
            ("bne   $k0, $k1, elsewhere", 0x175b_0003),
            ("bne   $k0, $k1, nowhere", 0x175b_0003),
            ("bne   $k1, $k0, stlb_miss", 0x175b_0003),
            ("move  $sp, $k1", 0x0340_e825),
            ("addiu $k0, $v0, -3", 0x245a_fffe),
            (".word 0x42000018", 0x4200_0010),
            ("nop", 0xc0),
        ] {
            assert!(!agrees(text, word), "{text}");
        }
    }

    #[test]
    fn labels_of_digits_are_left_to_the_caller() {
        let found = compare(Machine::Malta, "bne $k0, $k1, 2f", 0x175b_0003, AT, &Image::default());
        assert_eq!(found, Ok(Some(Reference { number: "2".to_owned(), forward: true, target: 0x8000_0044 })));
    }
}
