//! The commands as a user meets them: exit statuses, and errors that say what to do.

use std::process::{Command, Output};

/// What `./x ARGUMENTS` says and how it ends.
fn x(arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aegis-host"));
    let Output { status, stdout, stderr } = command.args(arguments).output().unwrap();
    (status.code().unwrap(), String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr))
}

fn check(arguments: &[&str], status: i32, shows: &[&str]) {
    let (got, words) = x(arguments);
    assert_eq!(got, status, "{arguments:?}: {words}");
    for part in shows {
        assert!(words.contains(part), "{arguments:?} does not say `{part}`: {words}");
    }
}

#[test]
fn wrong_arguments_end_with_status_2() {
    check(&[], 2, &["Usage: ./x", "run", "test", "audit", "debug"]);
    check(&["frob"], 2, &["unrecognized subcommand 'frob'"]);
    check(&["run", "--frob"], 2, &["--frob"]);
    check(&["run", "--log", "frob"], 2, &["possible values"]);
    check(&["run", "--machine", "frob"], 2, &["possible values: malta, decstation"]);
    check(&["test", "a", "b"], 2, &["unexpected argument 'b'"]);
}

#[test]
fn help_is_no_error() {
    check(&["help"], 0, &["Usage: ./x", "run", "test", "audit", "docs", "debug"]);
    check(&["help", "run"], 0, &["--no-semihosting", "--file"]);
}

#[test]
fn the_programs_status_is_ours() {
    for machine in ["malta", "decstation"] {
        check(&["run", "--machine", machine, "endings", "status"], 7, &["aegis: "]);
    }
}

#[test]
fn a_missing_program_is_named_with_those_that_exist() {
    check(&["run", "nosuch"], 1, &["there is no program nosuch", "programs: ", "tour", "of the tests: ", "endings"]);
}

#[test]
fn a_file_that_is_no_program_is_refused() {
    check(&["run", "--file", "Cargo.toml"], 1, &["Cargo.toml is no program for Aegis", "not an ELF file"]);
    check(&["run", "--file", "/nonexistent"], 1, &["cannot read the program /nonexistent"]);
    check(&["run", "--file", env!("CARGO_BIN_EXE_aegis-host")], 1, &["not for 32-bit MIPS"]);
}

#[test]
fn arguments_that_the_board_would_cut_are_refused() {
    check(&["run", "tour", &"x".repeat(251)], 1, &["256 bytes", "255"]);
}

#[test]
fn only_what_is_for_the_r3000_is_audited() {
    check(&["audit", "Cargo.toml"], 1, &["cannot audit", "Cargo.toml: not an ELF file"]);
    check(&["audit", env!("CARGO_BIN_EXE_aegis-host")], 1, &["not for the R3000"]);
}

#[test]
fn a_filter_that_matches_nothing_is_an_error() {
    check(&["test", "no::such::test"], 1, &["no test has a name that contains `no::such::test`"]);
}
