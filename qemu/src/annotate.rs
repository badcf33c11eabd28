//! Adds names to the lines of a backtrace, `    at 0x8010abcd`, while they pass by.

use std::io::{Result, Write};

/// Longest line that can be one of a backtrace.
const LONGEST: usize = 64;

/// Passes bytes on at once; only what it adds stands at the end of a line.
pub struct Annotator<F> {
    describe: F,
    /// The current line, until it is too long to be of interest.
    line: Vec<u8>,
    /// Nothing more is to be added to the current line.
    done: bool,
}

impl<F: FnMut(u32) -> Option<String>> Annotator<F> {
    /// `describe` names an address, if it can.
    pub fn new(describe: F) -> Self {
        Annotator { describe, line: Vec::new(), done: false }
    }

    /// Passes `bytes` to `out`.
    pub fn pass(&mut self, bytes: &[u8], out: &mut impl Write) -> Result<()> {
        let mut passed = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            if (byte == b'\r' || byte == b'\n') && !self.done {
                self.done = true;
                if let Some(words) = backtrace_address(&self.line).and_then(&mut self.describe) {
                    out.write_all(&bytes[passed..at])?;
                    passed = at;
                    write!(out, "  {words}")?;
                }
            }
            if byte == b'\n' {
                self.line.clear();
                self.done = false;
            } else if self.line.len() <= LONGEST {
                self.line.push(byte);
            }
        }
        out.write_all(&bytes[passed..])
    }
}

/// The address in a line that consists of `at 0x8010abcd` after blanks.
fn backtrace_address(line: &[u8]) -> Option<u32> {
    let digits = std::str::from_utf8(line).ok()?.strip_prefix(' ')?.trim_start_matches(' ').strip_prefix("at 0x")?;
    let hexadecimal = digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    hexadecimal.then(|| u32::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Output for every chunk of input.
    fn annotated(chunks: &[&str]) -> Vec<String> {
        let mut annotator = Annotator::new(|address| (address != 0).then(|| format!("<{address:x}>")));
        let pass = |chunk: &&str| {
            let mut out = Vec::new();
            annotator.pass(chunk.as_bytes(), &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        chunks.iter().map(pass).collect()
    }

    #[test]
    fn backtraces_get_names() {
        assert_eq!(
            annotated(&["panic\n    at 0x8010abcd\n at 0x00400000\n"]),
            ["panic\n    at 0x8010abcd  <8010abcd>\n at 0x00400000  <400000>\n"]
        );
    }

    #[test]
    fn a_carriage_return_stays_behind_the_names() {
        assert_eq!(annotated(&["  at 0x8010abcd\r\nx\r\n"]), ["  at 0x8010abcd  <8010abcd>\r\nx\r\n"]);
    }

    #[test]
    fn nothing_is_held_back() {
        assert_eq!(annotated(&["name? ", " at 0x80", "10abcd", "\n"]), ["name? ", " at 0x80", "10abcd", "\n"]);
        assert_eq!(annotated(&["\n at 0x80", "10abcd", "\n$ "]), ["\n at 0x80", "10abcd", "  <8010abcd>\n$ "]);
    }

    #[test]
    fn other_lines_stay_as_they_are() {
        for line in [
            "at 0x8010abcd\n",
            "  at 0x8010abc\n",
            "  at 0x8010abcd1\n",
            "  at 0x+010abcd\n",
            "  at 0x8010abcd !\n",
            "  at 0x00000000\n",
            "look at 0x8010abcd\n",
        ] {
            assert_eq!(annotated(&[line]), [line]);
        }
        let long = format!("{:>100}\n", "at 0x8010abcd");
        assert_eq!(annotated(&[&long]), [long.as_str()]);
    }
}
