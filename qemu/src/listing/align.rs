//! Finds the machine code that lines of assembly have become.
//!
//! From a label on, whose address is known, instructions and words correspond one to one, and each pair is compared. Of an `.if` the source does
//! not tell which way it goes, as its condition is a constant of the compiler's: both are tried, and only one may agree with the machine code. A
//! condition that a piece of assembly asks twice has one answer.

use super::agree::{self, Reference};
use super::assembly::{Line, Statement};
use super::image::Image;
use crate::machine::Machine;
use crate::tlb::record::Source;
use anyhow::{Result, anyhow};
use std::collections::BTreeMap;

/// A piece of assembly in its place.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Aligned {
    /// Each instruction by its address.
    pub lines: BTreeMap<u32, Source>,
    /// Named labels, in order.
    pub labels: Vec<(u32, String)>,
}

/// Why the lines cannot have become this machine code.
struct Failure {
    /// How many instructions agree before that.
    agreed: usize,
    why: String,
    /// Both ways of an `.if` agree: no other choice can mend that.
    undecided: bool,
}

/// Finds the machine code of `lines`, a whole piece of assembly, in the image.
pub fn align(machine: Machine, lines: &[Line], image: &Image) -> Result<Aligned> {
    let aligner = Aligner { machine, lines, image };
    aligner.walk(Walk::default()).map(|walk| walk.aligned).map_err(|failure| anyhow!(failure.why))
}

struct Aligner<'a> {
    machine: Machine,
    lines: &'a [Line],
    image: &'a Image,
}

/// A way through the lines.
#[derive(Clone, Default)]
struct Walk {
    /// The next line.
    line: usize,
    /// Where it is to stand; `None` before the first label of a section.
    at: Option<u32>,
    section: String,
    /// Where sections go on.
    sections: BTreeMap<String, Option<u32>>,
    pushed: Vec<String>,
    conditions: BTreeMap<String, bool>,
    aligned: Aligned,
    /// The last place of each label of digits.
    digits: BTreeMap<String, u32>,
    /// Those that are still to come.
    awaited: Vec<Reference>,
}

impl Walk {
    fn go_to_section(&mut self, name: &str) {
        self.sections.insert(std::mem::replace(&mut self.section, name.to_owned()), self.at);
        self.at = self.sections.get(name).copied().flatten();
    }
}

impl Aligner<'_> {
    fn walk(&self, mut walk: Walk) -> Result<Walk, Failure> {
        while let Some(line) = self.lines.get(walk.line) {
            let agreed = walk.aligned.lines.len();
            let fail = |why: String| Failure { agreed, why: format!("{}: {why}", line.place()), undecided: false };
            match &line.statement {
                Statement::If(condition) => match walk.conditions.get(condition) {
                    Some(&holds) => walk.line = self.inside(walk.line, holds),
                    None => return self.either(walk, condition),
                },
                // Its first part has been walked through.
                Statement::Else => walk.line = self.skip(walk.line, false),
                Statement::EndIf => walk.line += 1,
                statement => {
                    self.step(&mut walk, line, statement).map_err(fail)?;
                    walk.line += 1;
                }
            }
        }
        match walk.awaited.first() {
            Some(Reference { number, target, .. }) => Err(Failure {
                agreed: walk.aligned.lines.len(),
                why: format!(
                    "{}: a branch leads to {target:#010x}, where no label `{number}` stands",
                    self.last_place()
                ),
                undecided: false,
            }),
            None => Ok(walk),
        }
    }

    /// Tries both ways of an `.if`.
    fn either(&self, walk: Walk, condition: &str) -> Result<Walk, Failure> {
        let [yes, no] = [true, false].map(|holds| {
            let mut walk = walk.clone();
            walk.conditions.insert(condition.to_owned(), holds);
            walk.line = self.inside(walk.line, holds);
            self.walk(walk)
        });
        match (yes, no) {
            (Err(failure), _) | (_, Err(failure)) if failure.undecided => Err(failure),
            (Ok(yes), Ok(no)) if yes.aligned != no.aligned => {
                let place = self.lines[walk.line].place();
                let why =
                    format!("{place}: both ways of `.if {condition}` agree with the machine code{}", shown(walk.at));
                Err(Failure { agreed: walk.aligned.lines.len(), why, undecided: true })
            }
            (Ok(walk), _) | (_, Ok(walk)) => Ok(walk),
            // Neither: the one that comes further is nearer to what was meant.
            (Err(yes), Err(no)) if yes.agreed == no.agreed && yes.why != no.why => {
                Err(Failure { why: format!("{}; or else {}", yes.why, no.why), ..yes })
            }
            (Err(yes), Err(no)) => Err(if yes.agreed >= no.agreed { yes } else { no }),
        }
    }

    /// The line on which a condition that holds, or does not, lets the assembler go on from its `.if`.
    fn inside(&self, line: usize, holds: bool) -> usize {
        if holds { line + 1 } else { self.skip(line, true) }
    }

    /// The line behind the `.else`, if one may be it, or else the `.endif` that belongs to this one.
    fn skip(&self, line: usize, may_be_else: bool) -> usize {
        let mut depth = 0;
        for (i, other) in self.lines.iter().enumerate().skip(line + 1) {
            match other.statement {
                Statement::If(_) => depth += 1,
                Statement::EndIf if depth == 0 => return i + 1,
                Statement::EndIf => depth -= 1,
                Statement::Else if depth == 0 && may_be_else => return i + 1,
                _ => {}
            }
        }
        self.lines.len()
    }

    fn last_place(&self) -> String {
        self.lines.last().map(Line::place).unwrap_or_default()
    }

    fn step(&self, walk: &mut Walk, line: &Line, statement: &Statement) -> Result<(), String> {
        match statement {
            Statement::Section(name) => walk.go_to_section(name),
            Statement::PushSection(name) => {
                walk.pushed.push(walk.section.clone());
                walk.go_to_section(name);
            }
            Statement::PopSection => {
                let name = walk.pushed.pop().ok_or("`.popsection` of nothing")?;
                walk.go_to_section(&name);
            }
            Statement::Org(label, offset) => {
                let address = self.image.symbol(label).ok_or_else(|| no_symbol(label))?;
                walk.at = Some(address + offset);
            }
            Statement::Label(name) if name.bytes().all(|digit| digit.is_ascii_digit()) => {
                let at = walk.at.ok_or("no label with a name stands before it")?;
                let (reached, awaited): (Vec<_>, Vec<_>) =
                    walk.awaited.drain(..).partition(|reference| reference.number == *name);
                walk.awaited = awaited;
                if let Some(reference) = reached.iter().find(|reference| reference.target != at) {
                    return Err(format!(
                        "`{name}` stands at {at:#010x}, but a branch to it leads to {:#010x}",
                        reference.target
                    ));
                }
                walk.digits.insert(name.clone(), at);
            }
            Statement::Label(name) => {
                let address = self.image.symbol(name).ok_or_else(|| no_symbol(name))?;
                if let Some(at) = walk.at.filter(|at| *at != address) {
                    return Err(format!("`{name}` should stand at {at:#010x}, but is {address:#010x} in the image"));
                }
                walk.at = Some(address);
                walk.aligned.labels.push((address, name.clone()));
            }
            Statement::Instruction => self.instruction(walk, line)?,
            Statement::If(_) | Statement::Else | Statement::EndIf => unreachable!("walked over"),
        }
        Ok(())
    }

    fn instruction(&self, walk: &mut Walk, line: &Line) -> Result<(), String> {
        let text = &line.source.text;
        let at = walk.at.ok_or_else(|| format!("`{text}` stands before the first label of its section"))?;
        let word = *self.image.words.get(&at).ok_or_else(|| format!("`{text}`, but there is no code at {at:#010x}"))?;
        let reference = agree::compare(self.machine, text, word, at, self.image)
            .map_err(|there| format!("`{text}`, but at {at:#010x} stands `{there}`"))?;
        match reference {
            Some(reference) if reference.forward => walk.awaited.push(reference),
            Some(Reference { number, target, .. }) if walk.digits.get(&number) != Some(&target) => {
                return Err(format!(
                    "`{text}` at {at:#010x} leads to {target:#010x}, where no label `{number}` stands"
                ));
            }
            _ => {}
        }
        walk.aligned.lines.insert(at, line.source.clone());
        walk.at = Some(at + 4);
        Ok(())
    }
}

fn shown(at: Option<u32>) -> String {
    at.map(|at| format!(" at {at:#010x}")).unwrap_or_default()
}

fn no_symbol(name: &str) -> String {
    format!("the image has not one symbol `{name}`")
}

#[cfg(test)]
mod tests {
    use super::super::{assembly, macros::Macros, source};
    use super::*;

    const NOP: u32 = 0;
    const SYNC: u32 = 0xf;
    const ERET: u32 = 0x4200_0018;

    fn aligned(assembly: &str, words: &[u32], labels: &[(&str, u32)]) -> Result<Vec<u32>> {
        let tokens = source::parse("f.rs", &format!("global_asm!({assembly});"))?;
        let lines = assembly::blocks(&tokens, &Macros::default())?.concat();
        let mut image = Image::default();
        image.words.extend((0x8000_0000..).step_by(4).zip(words.iter().copied()));
        for (name, at) in labels {
            image.add_symbol(name, 0x8000_0000 + at);
        }
        let aligned = align(Machine::Malta, &lines, &image)?;
        Ok(aligned.lines.values().map(|source| source.line).collect())
    }

    #[test]
    fn a_condition_is_as_the_machine_code_has_it() {
        let assembly = "\"a:\", \".if {X}\",\n\"nop\", \".else\",\n\"sync\", \".endif\",\n\"eret\", \".if {X}\",\n\"nop\", \".endif\"";
        assert_eq!(aligned(assembly, &[NOP, ERET, NOP], &[("a", 0)]).unwrap(), [2, 4, 5]);
        assert_eq!(aligned(assembly, &[SYNC, ERET, NOP], &[("a", 0)]).unwrap(), [3, 4]);
        let neither = aligned(assembly, &[ERET], &[("a", 0)]).unwrap_err().to_string();
        assert_eq!(
            neither,
            "f.rs:2: `nop`, but at 0x80000000 stands `eret`; or else f.rs:3: `sync`, but at 0x80000000 stands `eret`"
        );
    }

    #[test]
    fn what_the_machine_code_leaves_open_is_not_guessed() {
        let assembly = "\"a:\", \"nop\", \".if {X}\", \"nop\", \".endif\"";
        let error = aligned(assembly, &[NOP, NOP], &[("a", 0)]).unwrap_err().to_string();
        assert!(error.contains("f.rs:1") && error.contains("both ways of `.if {X}`"), "{error}");
        assert_eq!(aligned(assembly, &[NOP, ERET], &[("a", 0)]).unwrap().len(), 1);
    }

    #[test]
    fn labels_stand_where_the_image_has_them() {
        let assembly = "\"a:\", \"nop\", \"b:\", \"1:\", \"b 1b\", \"nop\"";
        let [back, further] = [0x1000_ffff, 0x1000_0001];
        assert_eq!(aligned(assembly, &[NOP, back, NOP], &[("a", 0), ("b", 4)]).unwrap().len(), 3);
        for (words, labels) in [
            (&[NOP, further, NOP][..], &[("a", 0), ("b", 4)][..]),
            (&[NOP, back, NOP], &[("a", 0), ("b", 8)]),
            (&[NOP, back, NOP], &[("a", 0)]),
            (&[NOP, back, NOP], &[("a", 0), ("b", 4), ("b", 8)]),
            (&[NOP, back], &[("a", 0), ("b", 4)]),
        ] {
            assert!(aligned(assembly, words, labels).is_err(), "{words:x?} {labels:?}");
        }
        let forward = "\"a:\", \"b 1f\", \"nop\", \"1:\", \"nop\"";
        assert!(aligned(forward, &[0x1000_0001, NOP, NOP], &[("a", 0)]).is_ok());
        assert!(aligned(forward, &[0x1000_0002, NOP, NOP], &[("a", 0)]).is_err());
        assert!(aligned("\"nop\"", &[NOP], &[]).is_err(), "no label to start from");
    }
}
