//! Some words stand only where the design puts them: `unsafe`, and what tells processors and boards apart.

use aegis_host::cargo::Workspace;
use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where `unsafe` may stand: files, and directories with all that is in them.
/// (`bench/linux` is no part of the system: a program for Linux, without a C library.)
const UNSAFE: [&str; 6] =
    ["stlb/src/table.rs", "aegis/machine", "exos/src/rt", "exos/checks/src/raw", "qemu/plugin", "bench/linux"];
/// Where attributes such as `#[unsafe(no_mangle)]` may stand besides.
const ATTRIBUTES: [&str; 3] = ["aegis/src/main.rs", "exos/src/program.rs", "stlb/web/src/lib.rs"];

/// Where the words may stand that tell processors and boards apart, `MACHINE_WORDS`.
const MACHINES: [&str; 3] = ["aegis/machine", "stlb", "qemu"];
/// What a `cfg` asks a target that tells which machine it is for. (That there is no operating system tells nothing.)
const MACHINE_WORDS: [&str; 5] = ["target_arch", "target_env", "target_feature", "target_vendor", "target_abi"];

/// Every occurrence of some words in a source: its line, and whether it is part of an attribute.
fn find(words: &[&str], source: &str) -> Vec<(usize, bool)> {
    let tokens = TokenStream::from_str(source).expect("Rust source");
    let mut found = Vec::new();
    walk(words, tokens, false, &mut found);
    found
}

fn walk(words: &[&str], tokens: TokenStream, in_attribute: bool, found: &mut Vec<(usize, bool)>) {
    let mut after_hash = false;
    for token in tokens {
        match token {
            TokenTree::Ident(word) if is_one_of(words, &word) => found.push((word.span().start().line, in_attribute)),
            TokenTree::Group(group) => {
                let attribute = after_hash && group.delimiter() == Delimiter::Bracket;
                walk(words, group.stream(), in_attribute || attribute, found);
                after_hash = false;
            }
            // `#[..]` and `#![..]`
            TokenTree::Punct(mark) => after_hash = mark.as_char() == '#' || (after_hash && mark.as_char() == '!'),
            _ => after_hash = false,
        }
    }
}

fn is_one_of(words: &[&str], word: &Ident) -> bool {
    words.iter().any(|other| word == other)
}

/// All Rust sources below a directory, but for what cargo has built and what is hidden.
fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let (path, name) = (entry.path(), entry.file_name());
        let skipped = name == "target" || name.to_string_lossy().starts_with('.');
        if entry.file_type().unwrap().is_dir() && !skipped {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Has every occurrence of `words` in the repository judged by `may`, given the file and whether it is in an attribute.
fn check(words: &[&str], may: impl Fn(&Path, bool) -> bool) {
    let root = Workspace::find(false).unwrap().root;
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut elsewhere = Vec::new();
    let mut within = 0;
    for path in &files {
        let file = path.strip_prefix(&root).unwrap();
        for (line, in_attribute) in find(words, &std::fs::read_to_string(path).unwrap()) {
            if may(file, in_attribute) {
                within += 1;
            } else {
                elsewhere.push(format!("{}:{line}", file.display()));
            }
        }
    }
    assert!(within > 0, "none of {words:?} stands anywhere, so the search does not work");
    assert!(elsewhere.is_empty(), "{words:?} where it may not stand:\n{}", elsewhere.join("\n"));
}

fn is_in(file: &Path, places: &[&str]) -> bool {
    places.iter().any(|place| file.starts_with(place))
}

#[test]
fn unsafe_stands_only_where_it_may() {
    check(&["unsafe"], |file, in_attribute| is_in(file, &UNSAFE) || (in_attribute && is_in(file, &ATTRIBUTES)));
}

#[test]
fn machines_are_told_apart_only_where_they_may() {
    check(&MACHINE_WORDS, |file, _| is_in(file, &MACHINES));
}

/// These panic where nobody reads, or the disk is full: `output` has others.
#[test]
fn the_host_tool_prints_in_one_way() {
    let words = ["println", "print", "eprintln", "eprint"];
    let is_macro = |file: &Path| {
        let source = std::fs::read_to_string(file).unwrap();
        words.iter().any(|word| source.contains(&format!(" {word}!(")))
    };
    let mut files = Vec::new();
    sources(&Workspace::find(false).unwrap().root.join("qemu/src"), &mut files);
    let found: Vec<_> = files.iter().filter(|file| is_macro(file)).collect();
    assert!(found.is_empty(), "they print by themselves: {found:?}");
}

#[test]
fn unsafe_is_found_in_code_and_nowhere_else() {
    let found = find(
        &["unsafe"],
        r##"
        // unsafe in a comment
        /* unsafe { } */ /// unsafe in a doc comment
        #[unsafe(no_mangle)]
        #![allow(unsafe_op_in_unsafe_fn)]
        const A: &str = "unsafe { }"; const B: &str = r#" unsafe "#;
        fn unsafer() { let unsafe_not = 'u'; }
        macro_rules! m { () => { unsafe { f() } } }
        unsafe impl Sync for X {}
        #[cfg(test)] fn f() { unsafe { g() } }
        "##,
    );
    assert_eq!(found, [(4, true), (8, false), (9, false), (10, false)]);
}
