//! The commands as a user meets them.

use aegis_host::bench::results::Results;
use aegis_host::cargo::Workspace;
use aegis_host::machine::Machine;
use aegis_host::run::Clock;
use aegis_host::tlb::record::{Miss, Path, Record};
use aegis_host::tlb::watch::{Wanted, watch};
use std::path::Path as FilePath;
use std::process::{Command, Output};

/// What `./x ARGUMENTS` says and how it ends, with another emulator if one is named.
fn x(arguments: &[&str], qemu: Option<&FilePath>) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aegis-host"));
    command.args(arguments).envs(qemu.map(|qemu| ("AEGIS_QEMU", qemu)));
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code().unwrap(), String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr))
}

fn check(arguments: &[&str], qemu: Option<&FilePath>, status: i32, shows: &[&str]) {
    let (got, words) = x(arguments, qemu);
    assert_eq!(got, status, "{arguments:?}: {words}");
    for part in shows {
        assert!(words.contains(part), "{arguments:?} does not say `{part}`: {words}");
    }
    assert!(!words.contains("panicked"), "{words}");
}

#[test]
fn bad_input_is_a_line_and_a_status() {
    check(&["tlb", "nosuch"], None, 1, &["there is no program nosuch", "programs: "]);
    check(&["tlb", "--step", "many"], None, 2, &["invalid value 'many'"]);
    check(&["tlb", "--clock", "rtc", "--step", "1"], None, 1, &["leave out --clock"]);
    check(&["tlb", "--clock", "rtc", "--machine", "decstation"], None, 1, &["leave out --clock"]);
    check(&["trace", "frob"], None, 2, &["possible values: exception, transfer"]);
    check(
        &["tlb", "endings", "status", "--step", "0"],
        None,
        1,
        &["there is no miss 0: endings status on malta has misses 1 to "],
    );
    check(&["tlb", "endings", "status", "--step", "99999"], None, 1, &["there is no miss 99999"]);
    for file in ["/nonexistent/page.html", env!("CARGO_MANIFEST_DIR")] {
        for arguments in [&["tlb", "--html", file][..], &["trace", "transfer", "--html", file]] {
            check(arguments, None, 1, &["cannot write the page", file]);
        }
    }
}

#[test]
fn an_emulator_without_plugins_is_told_of() {
    let directory = tempfile::tempdir().unwrap();
    let emulator = |name: &str, script: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        path
    };
    let old = emulator("old", "echo QEMU emulator version 9.0.1");
    check(&["tlb"], Some(&old), 1, &["cannot count in QEMU 9.0"]);
    let bare =
        "[ \"$1\" = --version ] && echo QEMU emulator version 7.2.1 || { echo '-plugin: invalid option' >&2; exit 1; }";
    check(&["tlb"], Some(&emulator("bare", bare)), 1, &["without a miss", "-plugin: invalid option"]);
    check(&["tlb"], Some(FilePath::new("/nonexistent/qemu")), 1, &["/nonexistent/qemu"]);
}

#[test]
fn the_programs_status_is_ours_and_json_is_nothing_but_json() {
    check(
        &["tlb", "endings", "status", "--summary"],
        None,
        7,
        &["endings status on malta: ", "upcall to the application"],
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_aegis-host"));
    let output = command.args(["tlb", "endings", "status", "--json"]).output().unwrap();
    let record: Record = serde_json::from_slice(&output.stdout).unwrap();
    assert!(record.misses.iter().enumerate().all(|(index, miss)| miss.n as usize == index + 1));
    // A segmentation fault is an access that is never repeated.
    let command = ["endings".to_owned(), "null".to_owned()];
    let wanted =
        Wanted { machine: Machine::Malta, faithful: false, clock: Clock::None, command: &command, until: None };
    let seen = watch(&Workspace::find(false).unwrap(), &wanted, &mut |_| ()).unwrap();
    let refused: Vec<&Miss> = seen.record.misses.iter().filter(|miss| miss.path == Path::Refused).collect();
    assert!(refused.iter().any(|miss| miss.address == 8 && miss.instructions.is_none()), "{refused:#?}");
}

#[test]
fn an_exception_and_a_transfer_are_stepped_through_there_and_back() {
    for machine in Machine::ALL {
        let kept =
            Results::read(&Workspace::find(false).unwrap().root.join(format!("bench/results/{machine}.json"))).unwrap();
        for (what, name) in [("exception", "exception-overflow"), ("transfer", "transfer-round-trip")] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_aegis-host"));
            let output = command.args(["trace", what, "--json", "--machine", machine.name()]).output().unwrap();
            let record: Record = serde_json::from_slice(&output.stdout).unwrap();
            let steps = record.walk.unwrap().steps;
            assert_eq!(steps.len() as f64, kept.operations[name].minimum, "{what} on {machine}");
            // From the program into the kernel, and back into a program.
            assert!(
                !steps[0].kernel
                    && steps[1].kernel
                    && steps.iter().any(|step| !step.kernel && step.address != steps[0].address)
            );
            for step in steps.iter().filter(|step| step.kernel) {
                assert!(step.source.as_ref().is_some_and(|source| source.comment.is_some()), "{step:?} has no comment");
            }
        }
    }
}
