//! A process that is watched: its output is taken as it comes, and it is never waited for in vain.

use crate::terminal;
use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::io::{ErrorKind, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// How often we look whether the user wants to end.
const TICK: Duration = Duration::from_millis(50);
/// Chunks of output that may wait for us. A process that is faster, such as one that is traced, waits in turn.
const CHUNKS: usize = 256;

/// How long a process may take.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patience {
    /// Until it first shows something.
    pub first_output: Option<Duration>,
    /// Between what it shows.
    pub silence: Option<Duration>,
    /// Until it ends.
    pub end: Option<Duration>,
}

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// By itself, with this status.
    Exited(i32),
    /// By a signal that was not ours.
    Signalled(i32),
    /// It showed nothing (more) for so long, and was killed.
    Silent(Duration),
    /// It did not end for so long, and was killed.
    TooLong(Duration),
    /// The user wanted to end, so it was killed.
    Interrupted,
    /// By itself, where that tells nothing, and without the line that would have.
    Lost,
}

/// Output, which comes in chunks that may end anywhere, by lines.
#[derive(Default)]
pub struct Lines {
    output: Vec<u8>,
    /// Where the line begins that is not complete yet.
    start: usize,
}

impl Lines {
    /// Adds a chunk, and shows each line that it completes to `each`.
    pub fn push(&mut self, chunk: &[u8], mut each: impl FnMut(&str)) {
        self.output.extend_from_slice(chunk);
        while let Some(length) = self.output[self.start..].iter().position(|&byte| byte == b'\n') {
            each(&String::from_utf8_lossy(&self.output[self.start..self.start + length]));
            self.start += length + 1;
        }
    }

    /// All that has come.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }
}

/// What becomes of the error output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Errors {
    /// It goes where ours goes.
    Inherited,
    /// It is taken together with the output.
    Taken,
}

/// A command for `program` that, where possible, ends when we do, even if we are killed.
pub fn tied_to_us(program: impl AsRef<OsStr>) -> Command {
    let in_path = |name: &str| {
        std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(name).is_file()))
    };
    if cfg!(target_os = "linux") && in_path("setpriv") {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

/// Runs a command to its end, passing all output to `sink` as it comes.
pub fn run(command: Command, errors: Errors, patience: Patience, mut sink: impl FnMut(&[u8])) -> Result<End> {
    run_until(command, errors, patience, |chunk| {
        sink(chunk);
        None
    })
}

/// As [`run`], but a status from `sink` ends the process, as if it had exited with it.
pub fn run_until(
    mut command: Command,
    errors: Errors,
    patience: Patience,
    mut sink: impl FnMut(&[u8]) -> Option<i32>,
) -> Result<End> {
    let (reader, writer) = std::io::pipe().context("cannot make a pipe")?;
    if errors == Errors::Taken {
        command.stderr(writer.try_clone().context("cannot copy a pipe")?);
    }
    command.stdout(writer);
    let child = command.spawn();
    let mut child = Killed(child.with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))?);
    // Holds our ends of the pipe, so that its end would not be seen.
    drop(command);

    let chunks = read_in_background(reader);
    let start = Instant::now();
    let (mut silent, mut last) = (true, start);
    let mut speaking = true;
    let stop = loop {
        if speaking {
            match chunks.recv_timeout(TICK) {
                Ok(chunk) => {
                    (silent, last) = (false, Instant::now());
                    if let Some(status) = sink(&chunk) {
                        break End::Exited(status);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => speaking = false,
            }
        } else if let Some(status) = child.0.try_wait().context("cannot wait for a process")? {
            return Ok(match (terminal::interrupted(), status.code(), status.signal()) {
                (true, ..) => End::Interrupted,
                (_, Some(code), _) => End::Exited(code),
                (_, None, signal) => End::Signalled(signal.unwrap_or_default()),
            });
        } else {
            std::thread::sleep(Duration::from_millis(1));
        }
        let over = |limit: Option<Duration>| limit.filter(|&limit| start.elapsed() >= limit);
        if terminal::interrupted() {
            break End::Interrupted;
        } else if let Some(limit) = over(patience.first_output).filter(|_| silent) {
            break End::Silent(limit);
        } else if let Some(limit) = patience.silence.filter(|&limit| !silent && last.elapsed() >= limit) {
            break End::Silent(limit);
        } else if let Some(limit) = over(patience.end) {
            break End::TooLong(limit);
        }
    };
    child.kill();
    for chunk in chunks.try_iter() {
        sink(&chunk);
    }
    Ok(stop)
}

/// A child that is killed when this is dropped, unless it has ended.
pub struct Killed(pub Child);

impl Killed {
    /// Ends it now.
    pub fn kill(&mut self) {
        // Both fail only where there is nothing left to end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        self.kill();
    }
}

fn read_in_background(mut reader: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = sync_channel(CHUNKS);
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) if sender.send(buffer[..length].to_vec()).is_ok() => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => break,
            }
        }
    });
    receiver
}

/// No input for a command.
pub fn without_input(mut command: Command) -> Command {
    command.stdin(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_complete_wherever_the_output_is_cut() {
        let output = b"one\n\ntwo and a half\nno end";
        for size in 1..=output.len() {
            let (mut lines, mut seen) = (Lines::default(), Vec::new());
            output.chunks(size).for_each(|chunk| lines.push(chunk, |line| seen.push(line.to_owned())));
            assert_eq!(seen, ["one", "", "two and a half"], "in chunks of {size}");
            assert_eq!(lines.text().as_bytes(), output);
        }
    }

    fn shell(script: &str, patience: Patience) -> (End, String) {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let mut output = Vec::new();
        let end = run(without_input(command), Errors::Taken, patience, |chunk| output.extend_from_slice(chunk));
        (end.unwrap(), String::from_utf8(output).unwrap())
    }

    #[test]
    fn status_and_both_outputs_are_taken() {
        let (end, output) = shell("echo a; echo b >&2; exit 7", Patience::default());
        assert_eq!((end, output.as_str()), (End::Exited(7), "a\nb\n"));
    }

    #[test]
    fn the_output_may_end_it() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo a; exec sleep 60"]);
        let status = |chunk: &[u8]| chunk.contains(&b'a').then_some(7);
        let end = run_until(without_input(command), Errors::Taken, Patience::default(), status);
        assert_eq!(end.unwrap(), End::Exited(7));
    }

    #[test]
    fn a_signal_is_no_status() {
        assert_eq!(shell("kill -ABRT $$", Patience::default()).0, End::Signalled(6));
    }

    #[test]
    fn silence_is_not_waited_for() {
        let limit = Duration::from_millis(200);
        let (end, output) = shell("exec sleep 60", Patience { first_output: Some(limit), ..Patience::default() });
        assert_eq!((end, output.as_str()), (End::Silent(limit), ""));
    }

    #[test]
    fn one_that_speaks_may_go_on_up_to_its_limit() {
        let (silence, limit) = (Duration::from_millis(300), Duration::from_millis(800));
        let patience = Patience { first_output: Some(silence), end: Some(limit), ..Patience::default() };
        let (end, output) = shell("echo a; exec sleep 60", patience);
        assert_eq!((end, output.as_str()), (End::TooLong(limit), "a\n"));
    }

    #[test]
    fn one_that_falls_silent_is_not_waited_for() {
        let limit = Duration::from_millis(200);
        let patience = Patience { silence: Some(limit), ..Patience::default() };
        let (end, output) = shell("echo a; exec sleep 60", patience);
        assert_eq!((end, output.as_str()), (End::Silent(limit), "a\n"));
    }
}
