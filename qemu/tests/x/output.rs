//! Output that cannot be written, or that nobody reads.

use super::{check, command};
use std::fs::OpenOptions;
use std::process::Stdio;

/// A pipe that nobody reads.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

/// Commands that show something, and how they end: the console of a guest that goes on for ever,
/// lines, one piece, help.
const COMMANDS: [(&[&str], bool); 4] =
    [(&["run", "echo"], true), (&["tlb", "echo"], true), (&["audit", "--help"], false), (&["help"], false)];

#[test]
fn what_cannot_be_written_is_an_error() {
    for (arguments, reads) in COMMANDS {
        let input = if reads { Stdio::piped() } else { Stdio::null() };
        let child = command(arguments).stdin(input).stdout(full()).spawn().unwrap();
        check(child, 1, &["cannot write to the standard output", "No space left on device"]);
    }
}

#[test]
fn what_nobody_reads_ends_and_is_no_error() {
    for (arguments, reads) in COMMANDS {
        let input = if reads { Stdio::piped() } else { Stdio::null() };
        let child = command(arguments).stdin(input).stdout(closed()).spawn().unwrap();
        let words = check(child, 0, &[]);
        assert!(!words.contains("cannot write"), "{words}");
    }
}

#[test]
fn errors_that_nobody_reads_end_with_their_status() {
    let error = ["run", "--machine", "decstation", "--limit", "1"];
    for stderr in [closed(), full()] {
        let child = command(&error).stderr(stderr).spawn().unwrap();
        check(child, 1, &[]);
    }
    check(command(&["frob"]).stderr(closed()).spawn().unwrap(), 2, &[]);
}
