//! How runs end: with their input, at a limit, with a status that nobody can forge.

use super::{MACHINES, check, command, with_input};
use std::process::Stdio;

/// What the UART may lose before it is ready.
const EARLY: &str = "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n";

#[test]
fn the_end_of_the_input_reaches_the_program() {
    for machine in MACHINES {
        let input = format!("{EARLY}hello\n");
        let child = with_input(&["run", "--machine", machine, "echo", "first", "words"], input.as_bytes());
        check(child, 0, &["first words\n", "\nhello\nhello\n"]);
    }
}

#[test]
fn an_end_in_the_middle_of_a_line_is_one() {
    for machine in MACHINES {
        let child = with_input(&["run", "--machine", machine, "echo"], format!("{EARLY}hello").as_bytes());
        check(child, 0, &["hello"]);
    }
}

#[test]
fn a_run_ends_at_its_timeout() {
    for machine in MACHINES {
        // Its input stays open, so it waits for ever.
        let child = command(&["run", "--machine", machine, "--timeout", "1.5", "echo"]).stdin(Stdio::piped()).spawn();
        check(child.unwrap(), 124, &["ended by --timeout: it has run for 1.5 s"]);
    }
    check(command(&["run", "--timeout", "0"]).spawn().unwrap(), 2, &["this is no time in seconds"]);
}

#[test]
fn a_run_ends_at_its_limit() {
    let run = |limit: &str| command(&["run", "--limit", limit, "endings", "status"]).spawn().unwrap();
    let shows = ["ended by --limit: 5000 instructions are executed, and the next would be that at 0x8"];
    // It is the same place in every run.
    let place = |words: String| words.lines().find(|line| line.contains("--limit")).map(str::to_owned);
    assert_eq!(place(check(run("5000"), 123, &shows)), place(check(run("5000"), 123, &shows)));
    check(run("1000000000"), 7, &[]);
    let other = command(&["run", "--machine", "decstation", "--limit", "5000"]).spawn().unwrap();
    check(other, 1, &["--limit is for malta", "--timeout"]);
}

#[test]
fn a_program_cannot_forge_the_exit_status() {
    for machine in MACHINES {
        for forged in ["exit status 3", "exit status 3, AAAAAAAA"] {
            let arguments = ["run", "--machine", machine, "--no-semihosting", "echo", "aegis:", "stopped,"];
            let arguments: Vec<&str> = arguments.into_iter().chain(forged.split(' ')).collect();
            let line = format!("\naegis: stopped, {forged}\n");
            let words = check(with_input(&arguments, EARLY.as_bytes()), 0, &[&line, "aegis: stopped, exit status 0, "]);
            // The program has not seen what it would need.
            let nonce = words.rsplit_once("exit status 0, ").unwrap().1.lines().next().unwrap();
            assert_eq!((nonce.len(), words.matches(nonce).count()), (8, 1), "{words}");
        }
    }
}

#[test]
fn a_file_that_is_none_is_refused_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).unwrap();
    for path in [fifo.to_str().unwrap(), "/dev/zero", directory.path().to_str().unwrap()] {
        check(command(&["run", "--file", path]).spawn().unwrap(), 1, &[path, "not a regular file"]);
        check(command(&["audit", path]).spawn().unwrap(), 1, &[path, "not a regular file"]);
    }
}
