//! The documents: they show what is, and a reader who goes through them in order never meets a name that was not explained before.

mod images;

use aegis_host::docs::{DOCUMENTS, Facts};
use aegis_host::listing::{GENERAL, Listing, cp0_register};
use aegis_host::machine::Machine;
use std::collections::BTreeSet;

#[test]
fn the_documents_show_what_is() {
    let root = images::workspace().root;
    let facts =
        Facts::read(&root, |machine| Ok(images::kernel(machine, &[]))).unwrap_or_else(|error| panic!("{error:#}"));
    for document in DOCUMENTS {
        let text = std::fs::read_to_string(root.join(document)).unwrap();
        let now = facts.render(&text).unwrap_or_else(|error| panic!("{document}: {error:#}"));
        for (i, (old, new)) in text.lines().zip(now.lines()).enumerate() {
            assert_eq!(old, new, "{document}:{}: out of date; `./x docs` writes it anew", i + 1);
        }
        assert_eq!(text, now, "{document} is out of date; `./x docs` writes it anew");
    }
}

/// Names that are to be explained: general registers with their `$`, registers of coprocessor 0, instructions, and the two halves of an address.
struct Names {
    registers: BTreeSet<String>,
    instructions: BTreeSet<String>,
}

impl Names {
    /// The registers of both machines, and these instructions.
    fn new(instructions: impl IntoIterator<Item = String>) -> Names {
        let mut registers: BTreeSet<String> = GENERAL.iter().map(|name| format!("${name}")).collect();
        for machine in Machine::ALL {
            let each =
                (0..32).flat_map(|number| (0..4).filter_map(move |select| cp0_register(machine, number, select)));
            registers.extend(each.map(str::to_owned));
        }
        registers.extend(["%hi".to_owned(), "%lo".to_owned()]);
        Names { registers, instructions: instructions.into_iter().collect() }
    }

    /// Names in a document before they are explained, each with its line. A name is explained where it stands in bold: `**Context**`, or
    /// ``**`mfc0`**``.
    fn too_early(&self, document: &str) -> Vec<String> {
        let mut explained = BTreeSet::new();
        let mut found = Vec::new();
        let mut machine = None;
        let mut in_code = false;
        for (i, line) in document.lines().enumerate() {
            if let Some(mark) = line.strip_prefix("<!-- ") {
                machine = Machine::ALL.into_iter().find(|machine| mark.split(' ').any(|word| word == machine.name()));
            }
            if line.starts_with("```") {
                in_code = !in_code;
                continue;
            }
            let names = match machine.filter(|_| in_code).and_then(|machine| self.in_listing(machine, line)) {
                Some(names) => names.into_iter().filter(|name| !explained.contains(name)).collect(),
                None => self.in_words(line, in_code, &mut explained),
            };
            found.extend(names.into_iter().map(|name| format!("{}: {name}", i + 1)));
        }
        found
    }

    /// The names in a numbered line of a listing: `  1  80000000  mfc0  $k0, $4  # k0 = Context`.
    fn in_listing(&self, machine: Machine, line: &str) -> Option<Vec<String>> {
        let (number, rest) = line.trim_start().split_once("  ")?;
        let (place, rest) = rest.split_once("  ")?;
        number.parse::<u32>().ok()?;
        u32::from_str_radix(place.trim_start_matches('+'), 16).ok()?;
        let (instruction, comment) = rest.split_once("  #").unwrap_or((rest, ""));
        let (mnemonic, operands) = instruction.trim().split_once(' ').unwrap_or((instruction.trim(), ""));
        assert!(self.instructions.contains(mnemonic), "no instruction: {line}");
        let mut names = vec![mnemonic.to_owned()];
        let is_move = matches!(mnemonic, "mfc0" | "mtc0");
        for (i, operand) in operands.split(',').map(str::trim).enumerate() {
            if let (true, 1, Some(number)) = (is_move, i, operand.strip_prefix('$').and_then(|it| it.parse().ok())) {
                names.push(cp0_register(machine, number, 0).expect("a register").to_owned());
            } else {
                names.extend(words(operand).filter(|word| self.registers.contains(*word)).map(str::to_owned));
            }
        }
        names.extend(words(comment).filter(|word| self.registers.contains(*word)).map(str::to_owned));
        Some(names)
    }

    /// The names in a line of text that nothing has explained so far; adds those that it explains. Instructions count where they begin a
    /// piece of code.
    fn in_words(&self, line: &str, in_code: bool, explained: &mut BTreeSet<String>) -> Vec<String> {
        let mut found = Vec::new();
        for (i, part) in line.split("**").enumerate() {
            let name = part.trim_matches('`');
            let is_bold = i % 2 == 1 && !in_code;
            if is_bold && (self.registers.contains(name) || self.instructions.contains(name)) {
                explained.insert(name.to_owned());
                continue;
            }
            let mut names: Vec<&str> = words(part).filter(|word| self.registers.contains(*word)).collect();
            // What stands between backticks: each second piece.
            let code = part.split('`').skip(1).step_by(2).filter(|_| !in_code);
            let first = code.filter_map(|code| code.split_whitespace().next());
            names.extend(first.filter(|word| self.instructions.contains(*word)));
            found.extend(names.into_iter().filter(|name| !explained.contains(*name)).map(str::to_owned));
        }
        found
    }
}

/// Words as names are made of: letters, digits, `$`, `%`, `_`.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !(letter.is_ascii_alphanumeric() || "$%_".contains(letter)))
        .filter(|word| !word.is_empty())
}

#[test]
fn nothing_is_met_in_a_document_before_it_is_explained() {
    let root = images::workspace().root;
    let mut instructions = BTreeSet::from(["rfe".to_owned()]);
    for machine in Machine::ALL {
        let listing = Listing::read(&root, machine, &images::kernel(machine, &[])).unwrap();
        let mnemonic = |text: &str| text.split_whitespace().next().unwrap().to_owned();
        instructions.extend(listing.instructions().map(|one| mnemonic(&one.source.text)));
    }
    let names = Names::new(instructions);
    for document in DOCUMENTS {
        let text = std::fs::read_to_string(root.join(document)).unwrap();
        let early = names.too_early(&text);
        assert!(early.is_empty(), "{document} has these before they are explained, in bold:\n{}", early.join("\n"));
        assert!(text.contains("<!-- listing"), "{document} has no listing, so nothing was looked at");
    }
}

#[test]
fn what_is_met_too_early_is_found() {
    let names = Names::new(["mfc0", "lw", "b"].map(str::to_owned));
    let listing = |line: &str| format!("<!-- listing malta a b -->\n```text\na:\n{line}\n```\n<!-- end -->\n");
    let line = "  1  80000000  mfc0  $k0, $4    # k0 = Context";
    for (document, early) in [
        (format!("**`mfc0`** **`$k0`** **Context**\n{}", listing(line)), &[][..]),
        (format!("**`$k0`** **Context**\n{}", listing(line)), &["5: mfc0"]),
        (format!("**`mfc0`** **Context**\n{}", listing(line)), &["5: $k0"]),
        (format!("**`mfc0`** **`$k0`**\n{}", listing(line)), &["5: Context", "5: Context"]),
        ("`mfc0` `$k0`\n".to_owned(), &["1: $k0", "1: mfc0"]),
        ("EPC, and **EPC**\n".to_owned(), &["1: EPC"]),
        ("**EPC** and EPC, `./x b`, b\n".to_owned(), &[]),
        ("**Line 1** has `lw $k0, %lo(x)($k1)`\n".to_owned(), &["1: $k0", "1: %lo", "1: $k1", "1: lw"]),
        ("```c\nContext\n```\n".to_owned(), &["2: Context"]),
        (listing("  1  +00   b label"), &["4: b"]),
    ] {
        assert_eq!(names.too_early(&document), early, "{document}");
    }
}
