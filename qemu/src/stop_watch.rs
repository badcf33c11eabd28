//! The kernel's last line, in which it says its exit status where it cannot hand that to the
//! emulator.
//!
//! A program can print what it likes. So the line ends with a nonce that the kernel alone is told,
//! new in every run.

use anyhow::{Context, Result};
use data_encoding::BASE64URL_NOPAD;
use std::fs::File;
use std::io::Read;

/// What stands before the exit status.
const STOPPED: &str = "aegis: stopped, exit status ";
/// Bytes of a nonce: too many to try them all.
const NONCE: usize = 6;
/// Bytes of a line that are kept: the last line is shorter, even behind words that a program has
/// not ended.
const LONGEST: usize = 4096;

/// Watches a board's output for the kernel's last line.
#[derive(Debug)]
pub struct StopWatch {
    /// What the line must end with.
    pub nonce: String,
    line: Vec<u8>,
}

impl StopWatch {
    /// Draws a nonce. All have the same length.
    pub fn new() -> Result<StopWatch> {
        let mut bytes = [0; NONCE];
        let drawn = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
        drawn.context("cannot draw a random number")?;
        Ok(StopWatch { nonce: BASE64URL_NOPAD.encode(&bytes), line: Vec::new() })
    }

    /// The exit status, once the line that says it is complete.
    pub fn pass(&mut self, output: &[u8]) -> Option<i32> {
        for &byte in output {
            if byte != b'\n' {
                if self.line.len() == LONGEST {
                    self.line.drain(..LONGEST / 2);
                }
                self.line.push(byte);
                continue;
            }
            let status = self.status();
            self.line.clear();
            if status.is_some() {
                return status;
            }
        }
        None
    }

    /// The exit status, if the line says it.
    fn status(&self) -> Option<i32> {
        let line = String::from_utf8_lossy(&self.line);
        let (status, nonce) = line.rsplit_once(STOPPED)?.1.trim_end().split_once(", ")?;
        status.parse().ok().filter(|_| nonce == self.nonce)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> StopWatch {
        StopWatch { nonce: "Ab3-_x9Z".to_owned(), line: Vec::new() }
    }

    #[test]
    fn the_kernels_last_line_is_found_wherever_it_is_cut() {
        let output = b"aegis: error: no\naegis: stopped, exit status 122, Ab3-_x9Z\r\nmore";
        for cut in 0..output.len() - 5 {
            let mut watch = watch();
            let (first, second) = output.split_at(cut);
            assert_eq!(watch.pass(first).or_else(|| watch.pass(second)), Some(122), "cut at {cut}");
        }
    }

    #[test]
    fn what_a_program_prints_is_no_last_line() {
        for line in [
            "aegis: stopped, exit status 0\n",
            "aegis: stopped, exit status 0, \n",
            "aegis: stopped, exit status 0, Ab3-_x9z\n",
            "aegis: stopped, exit status 0, Ab3-_x9Z0\n",
            "aegis: stopped, exit status 0, Ab3-_x9Z, Ab3\n",
            "aegis: stopped, exit status 0, Ab3-_x9Z",
        ] {
            assert_eq!(watch().pass(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn the_last_line_is_found_behind_whatever_a_program_has_printed() {
        let line = b"aegis: stopped, exit status 7, Ab3-_x9Z\n";
        for before in [&b"aegis: stopped, exit status 0, "[..], &[b'x'; 10_000], &[0xff, 0xfe]] {
            assert_eq!(watch().pass(&[before, line].concat()), Some(7));
        }
    }

    #[test]
    fn nonces_differ_and_have_one_length() {
        let draw = || StopWatch::new().unwrap().nonce;
        let (a, b) = (draw(), draw());
        assert!(a != b && a.len() == b.len());
    }
}
