//! The kernel's assembly beside the machine code of the kernels' images.

mod images;

use aegis_host::listing::{Instruction, Listing};
use aegis_host::machine::Machine;
use anyhow::Result;
use images::{kernel, workspace};
use object::{Object, ObjectSection};
use std::path::Path;

fn listing(machine: Machine, features: &[&str]) -> Listing {
    Listing::read(&workspace().root, machine, &kernel(machine, features)).unwrap_or_else(|error| panic!("{error:#}"))
}

/// The words in the sections of the vectors.
fn vectors(kernel: &Path) -> Vec<(u32, u32)> {
    let bytes = std::fs::read(kernel).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let sections = file.sections().filter(|section| section.name().is_ok_and(|name| name.starts_with(".vectors.")));
    let words = sections.flat_map(|section| {
        let words = section.data().unwrap().as_chunks().0.iter().map(|word| u32::from_le_bytes(*word));
        (section.address() as u32..).step_by(4).zip(words).collect::<Vec<_>>()
    });
    words.collect()
}

#[test]
fn all_code_of_the_vectors_is_in_the_sources() {
    for (machine, features) in [
        (Machine::Malta, &[][..]),
        (Machine::Malta, &["counting"]),
        (Machine::Malta, &["faithful"]),
        (Machine::Malta, &["overflow-2"]),
        (Machine::Decstation, &[]),
        (Machine::Decstation, &["counting"]),
    ] {
        let kernel = kernel(machine, features);
        let listing = listing(machine, features);
        let words = vectors(&kernel);
        assert!(words.len() > 300, "{} words", words.len());
        // A vector is filled up to the next one.
        let end = |address: u32| address & !0x7f | 0x7c;
        let mut found = 0;
        for &(address, word) in &words {
            if listing.at(address).is_some() {
                found += 1;
                continue;
            }
            let is_filling = words.iter().filter(|(other, _)| (address..=end(address)).contains(other));
            assert!(
                word == 0 && address < 0x8000_0280 && is_filling.clone().all(|(_, word)| *word == 0),
                "{machine} {features:?}: {word:#010x} at {address:#010x} stands in no source"
            );
        }
        assert_eq!(found, listing.instructions().filter(|one| one.address < 0x8000_2000).count());
        assert!(listing.address("vec_general") == Some(machine.vectors().general));
    }
}

#[test]
fn the_refill_sequences_are_told_line_by_line() {
    for (machine, features, length) in
        [(Machine::Malta, &[][..], 16), (Machine::Malta, &["faithful"], 18), (Machine::Decstation, &[], 18)]
    {
        let listing = listing(machine, features);
        let refill = listing.between("stlb_refill", "stlb_refill_end").unwrap();
        assert_eq!(refill.len(), length, "{machine} {features:?}");
        assert_eq!(refill[0].address, machine.vectors().refill);
        for Instruction { address, source, .. } in &refill {
            assert_eq!(source.file, "stlb/src/refill.rs");
            assert!(source.comment.is_some(), "{address:#010x}: {source:?}");
        }
    }
}

#[test]
fn each_line_has_its_place_and_the_comment_beside_it() {
    let listing = listing(Machine::Malta, &[]);
    let at = |label: &str, number: u32| *listing.from(label, number + 1).unwrap().last().unwrap();
    let hazard = at("stlb_refill", 13);
    assert_eq!((hazard.source.text.as_str(), hazard.delay_slot), ("ehb", true));
    assert_eq!(hazard.source.comment.as_deref(), Some("hazard: EntryLo0, EntryLo1 before tlbwr"));
    assert_eq!(listing.label(hazard.address), Some(("stlb_refill", 13 * 4)));
    // Written once, for all entries.
    let third = at("vec_overflow_2", 0);
    assert!(third.source.text.ends_with("{TABLE} + 2 * {ENTRY} + {LO0})($k1)"), "{third:?}");
    // Put together by macros: the place is where the macro says it, and so is the comment.
    let entry = at("vec_unhandled", 6);
    assert_eq!(entry.source.file, "aegis/machine/src/cpu/mips32/passage.rs");
    assert_eq!(entry.source.text, "addiu $k1, $k1, %lo({DISPATCHER})");
    assert_eq!(entry.source.comment.as_deref(), Some("k1 = the kernel's own block"));
    let jump = at("vec_unhandled", 9);
    assert_eq!(jump.source.text.split_whitespace().collect::<Vec<_>>(), ["j", "aegis_unhandled"]);
    let source = std::fs::read_to_string(workspace().root.join(&jump.source.file)).unwrap();
    assert_eq!(source.lines().nth(jump.source.line as usize - 1).unwrap().trim(), "$jump,");
    // A label of digits does not count, and what the compiler made is not in here.
    let (label, offset) = listing.label(at("vec_reserved", 9).address).unwrap();
    assert_eq!((label, offset), ("vec_reserved", 36));
    assert!(listing.at(0x8010_1000).is_none() && listing.label(0x8010_1000).is_none());
}

/// The listing of the usual image with one text in place of another in a source.
fn with_changed(machine: Machine, file: &str, from: &str, to: &str) -> Result<Listing> {
    let root = workspace().root;
    let copy = tempfile::tempdir()?;
    copy_sources(&root, copy.path(), Path::new("aegis/machine/src"));
    copy_sources(&root, copy.path(), Path::new("stlb/src"));
    let path = copy.path().join(file);
    let text = std::fs::read_to_string(&path)?;
    assert!(text.contains(from), "{file} has no `{from}`");
    std::fs::write(&path, text.replacen(from, to, 1))?;
    Listing::read(copy.path(), machine, &kernel(machine, &[]))
}

fn copy_sources(root: &Path, copy: &Path, directory: &Path) {
    std::fs::create_dir_all(copy.join(directory)).unwrap();
    for entry in std::fs::read_dir(root.join(directory)).unwrap() {
        let entry = entry.unwrap();
        let path = directory.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_sources(root, copy, &path);
        } else {
            std::fs::copy(entry.path(), copy.join(path)).unwrap();
        }
    }
}

#[test]
fn sources_that_are_not_the_kernels_are_refused() {
    /// The line that is changed.
    const HERE: &str = "here";
    const REFILL: &str = "stlb/src/refill.rs";
    const MISS: &str = "aegis/machine/src/cpu/r3000/miss.rs";
    const PASSAGE: &str = "aegis/machine/src/cpu/r3000/passage.rs";
    use Machine::{Decstation, Malta};
    for (machine, file, from, to, words) in [
        // Another mnemonic, another register, another number, another order, too much, too little.
        (Malta, REFILL, "\"xor   $k0, $k0, $k1\"", "\"or    $k0, $k0, $k1\"", &[HERE, "0x8000000c", "xor"][..]),
        (Malta, REFILL, "\"mtc0  $k0, $3\"", "\"mtc0  $k0, $2\"", &[HERE, "0x80000024", "EntryLo1"]),
        (Decstation, REFILL, "0x42000010", "0x42000018", &[HERE, "0x80000044", "rfe"]),
        (Decstation, REFILL, "\"jr    $k1\"", "\"nop\", \"jr    $k1\"", &["refill.rs:", "0x80000040", "jr $k1"]),
        (
            Decstation,
            REFILL,
            "stlb_miss\",          // another process or page:",
            "vec_general\", // another process or page:",
            &[HERE, "0x80000034", "bne $k0, $k1, 0x80000"],
        ),
        (Decstation, MISS, "\"nop\",", "", &["r3000/miss.rs:", "beq", "nop"]),
        (Decstation, MISS, "\"vec_upcall:\"", "\"vec_call:\"", &[HERE, "vec_call"]),
        (Decstation, MISS, ".globl vec_tlb_invalid\",", "\", \"nowhere:\",", &["r3000/miss.rs:", "nowhere"]),
        // In a macro, and in one way of an `.if`.
        (Decstation, PASSAGE, ", 29 - 16\\n", ", 13\\nnop\\n", &["r3000/passage.rs:"]),
        (Malta, REFILL, "\" ehb\",  ", "\" nop\",  ", &[HERE, "0x80000034", "ehb"]),
    ] {
        let change = format!("{machine}: {from} -> {to}");
        let error = with_changed(machine, file, from, to).err().unwrap_or_else(|| panic!("not found: {change}"));
        let error = format!("{error:#}");
        let text = std::fs::read_to_string(workspace().root.join(file)).unwrap();
        let line = text[..text.find(from).unwrap()].lines().count();
        let place = format!("{file}:{line}: ");
        for word in words {
            let word = if word == &HERE { &place } else { *word };
            assert!(error.contains(word), "{change}: no {word} in {error}");
        }
    }
    assert!(with_changed(Malta, REFILL, "drop what", "leave out what").is_ok(), "a comment changes no code");
}
