//! `./x` among other programs: in pipes, in scripts, without anybody there, in a foreign
//! environment.

mod builds;
mod ends;
mod output;

use std::io::Write;
use std::process::{Child, Command, Output, Stdio};

/// The machines, by name.
const MACHINES: [&str; 2] = ["malta", "decstation"];

/// A call of `./x`, without input.
fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aegis-host"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Starts it with this input, which then ends.
fn with_input(arguments: &[&str], input: &[u8]) -> Child {
    let mut child = command(arguments).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child
}

/// Its status and all its words.
fn end(child: Child) -> (i32, String) {
    words(&child.wait_with_output().unwrap())
}

fn words(Output { status, stdout, stderr }: &Output) -> (i32, String) {
    (status.code().unwrap(), String::from_utf8_lossy(stdout).replace('\r', "") + &String::from_utf8_lossy(stderr))
}

/// Waits for its end; status and words must be these.
fn check(mut child: Child, status: i32, shows: &[&str]) -> String {
    // Input that has not ended does not end meanwhile.
    let _input = child.stdin.take();
    let (got, words) = end(child);
    assert_eq!(got, status, "{words}");
    for part in shows {
        assert!(words.contains(part), "it does not say `{part}`: {words}");
    }
    assert!(!words.contains("panicked at"), "{words}");
    words
}
