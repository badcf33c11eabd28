//! What a mark in a document stands for.

use super::Facts;
use super::example::Reference;
use super::marks::Mark;
use crate::bench::report::instructions;
use crate::listing::{Instruction, Listing, disassemble};
use crate::machine::Machine;
use aegis_abi::limits;
use aegis_bench::OPERATIONS;
use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use std::collections::BTreeMap;
use std::fmt::Write;
use stlb::operands::{mips32, r3000};

/// Makes the part of a mark.
pub fn render(facts: &Facts, mark: Mark) -> Result<String> {
    let words: Vec<&str> = mark.words.split_whitespace().collect();
    let (is_block, text) = match words.as_slice() {
        ["listing", of, from, to] => (true, listing(machine(of)?, &instructions_of(facts, of, from, to)?)),
        ["length", of, parts @ ..] => (false, length(facts, of, parts)?.to_string()),
        ["figure", id, "thesis"] => (false, thesis(id)?),
        ["figure", id, of] => (false, figure(facts, id, machine(of)?)?),
        ["number", name] => (false, number(name)?.to_string()),
        ["entry", of] => (true, entry(machine(of)?)),
        ["hash", of] => (true, Reference::of(machine(of)?).hash()?),
        ["value", name, of] => (false, Reference::of(machine(of)?).value(name)?),
        ["walk", of] => (true, Reference::of(machine(of)?).walk(facts.listing(machine(of)?)?)?),
        _ => bail!("nothing is known of this mark"),
    };
    ensure!(
        is_block == mark.is_block,
        "what it stands for is {} lines of its own",
        if is_block { "for" } else { "not for" }
    );
    Ok(text)
}

impl Facts {
    fn listing(&self, machine: Machine) -> Result<&Listing> {
        self.listings.get(&machine).context("no listing of this machine")
    }
}

fn machine(name: &str) -> Result<Machine> {
    Machine::from_str(name, false).ok().with_context(|| format!("there is no machine {name}"))
}

/// From a label to another, or so many from a label on.
fn instructions_of<'a>(facts: &'a Facts, of: &str, from: &str, to: &str) -> Result<Vec<Instruction<'a>>> {
    let listing = facts.listing(machine(of)?)?;
    match to.parse() {
        Ok(count) => listing.from(from, count),
        Err(_) => listing.between(from, to),
    }
}

/// Instructions of several parts together.
fn length(facts: &Facts, of: &str, parts: &[&str]) -> Result<usize> {
    let (parts, rest) = parts.as_chunks();
    ensure!(!parts.is_empty() && rest.is_empty(), "a part is from a label to another, or so many from a label on");
    parts.iter().map(|[from, to]| Ok(instructions_of(facts, of, from, to)?.len())).sum()
}

/// Numbered instructions, as they stand in the source, with their addresses; below them, what stands for operands in braces.
fn listing(machine: Machine, instructions: &[Instruction]) -> String {
    let width = instructions.iter().map(|one| text(one).chars().count()).max().unwrap_or(0);
    let mut lines = String::from("```text\n");
    let mut numbers = BTreeMap::new();
    let mut files: Vec<&str> = Vec::new();
    for (i, one) in instructions.iter().enumerate() {
        for label in one.labels {
            let _ = writeln!(lines, "{label}:");
        }
        let start = instructions[0].address;
        // The vectors stand where the processor wants them; all else may move.
        let is_vector = [machine.vectors().refill, machine.vectors().general].contains(&start);
        let place = if is_vector { format!("{:08x}", one.address) } else { format!("+{:02x}", one.address - start) };
        let comment = one.source.comment.as_ref().map(|comment| format!("# {comment}")).unwrap_or_default();
        let line = format!("{:>3}  {place}  {:<width$}  {comment}", i + 1, text(one));
        let _ = writeln!(lines, "{}", line.trim_end());
        numbers.extend(operands(machine, one));
        if !files.contains(&one.source.file.as_str()) {
            files.push(&one.source.file);
        }
    }
    lines.push_str("```\n\n");
    let files: Vec<String> = files.iter().map(|file| format!("[`{file}`](../{file})")).collect();
    let _ = write!(lines, "From {}", files.join(", "));
    let numbers: Vec<String> = numbers.iter().map(|(name, value)| format!("`{{{name}}}` is {value}")).collect();
    match numbers.is_empty() {
        true => lines.push('.'),
        false => {
            let _ = write!(lines, "; in this kernel {}.", numbers.join(", "));
        }
    }
    lines.push('\n');
    lines
}

/// The instruction; one in a delay slot is indented, as in the source.
fn text(instruction: &Instruction) -> String {
    format!("{}{}", if instruction.delay_slot { " " } else { "" }, instruction.source.text)
}

/// The values of those operands that are nothing but a name in braces, as the machine code has them.
fn operands(machine: Machine, one: &Instruction) -> Vec<(String, String)> {
    let split = |text: &str| {
        let (_, operands) = text.trim().split_once(' ').unwrap_or_default();
        operands.split(',').map(|operand| operand.trim().to_owned()).collect::<Vec<_>>()
    };
    let built = split(&disassemble(machine, one.word, one.address));
    let named = |operand: &String| {
        let name = operand.strip_prefix('{')?.strip_suffix('}')?;
        (!name.contains('{')).then(|| name.to_owned())
    };
    let pairs = split(&one.source.text).into_iter().zip(built);
    pairs.filter_map(|(written, value)| Some((named(&written)?, value))).collect()
}

/// What an operation costs, in the results that are kept.
fn figure(facts: &Facts, id: &str, machine: Machine) -> Result<String> {
    let results = facts.results.get(&machine).context("no results of this machine")?;
    let figure = results.operations.get(id).with_context(|| format!("no operation is called {id}"))?;
    Ok(instructions(figure.median))
}

/// What it cost in the thesis.
fn thesis(id: &str) -> Result<String> {
    let operation = OPERATIONS.iter().find(|operation| operation.id == id);
    let thesis = operation.and_then(|operation| operation.thesis.as_ref());
    Ok(thesis.with_context(|| format!("the thesis has no figure for {id}"))?.instructions.to_string())
}

/// A number of the software TLB's, or a limit of the kernel's.
fn number(name: &str) -> Result<usize> {
    Ok(match name {
        "slots" => stlb::SLOTS,
        "overflow" => stlb::OVERFLOW,
        "guaranteed" => limits::GUARANTEED_MAPPINGS,
        "guaranteed-mb" => (limits::GUARANTEED_END >> 20) as usize,
        "malta-entry" => mips32::ENTRY,
        "decstation-entry" => r3000::ENTRY,
        _ => bail!("no number is called {name}"),
    })
}

/// An entry of the software TLB as C has it.
fn entry(machine: Machine) -> String {
    let (size, fields): (usize, &[(usize, &str, &str)]) = match machine {
        Machine::Malta => (
            mips32::ENTRY,
            &[
                (mips32::TAG, "tag", "process tag and page pair, as Context holds them"),
                (mips32::LO0, "lo0", "for EntryLo0: the even page"),
                (mips32::LO1, "lo1", "for EntryLo1: the odd page"),
            ],
        ),
        Machine::Decstation => (
            r3000::ENTRY,
            &[(r3000::TAG, "tag", "process tag and page, as Context holds them"), (r3000::LO, "lo", "for EntryLo")],
        ),
    };
    let mut text = format!("```c\n{:<28}/* {size} bytes */\n", "struct entry {");
    for (offset, name, what) in fields {
        let _ = writeln!(text, "    {:<24}/* offset {offset}: {what} */", format!("uint32_t {name};"));
    }
    let used = fields.len() * 4;
    if used < size {
        let _ = writeln!(text, "    {:<24}/* offset {used}: not for the hardware */", "uint32_t soft;");
    }
    text.push_str("};\n```\n");
    text
}
