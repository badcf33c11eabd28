//! A line of text while it is typed, byte by byte, in UTF-8.

#[cfg(test)]
mod tests;

use alloc::string::String;
use core::char::REPLACEMENT_CHARACTER;
use core::str::from_utf8;

/// Bytes of a character at most.
const CHARACTER: usize = 4;

/// What has been typed so far: whole characters, and the bytes of one that has begun.
#[derive(Debug, Default)]
pub(crate) struct Line {
    text: String,
    begun: [u8; CHARACTER],
    length: usize,
}

impl Line {
    /// An empty one.
    pub fn new() -> Line {
        Line::default()
    }

    /// Has nothing been typed?
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() && self.length == 0
    }

    /// Adds a byte; returns the characters that are complete with it.
    pub fn push(&mut self, byte: u8) -> &str {
        let before = self.text.len();
        self.begun[self.length] = byte;
        self.length += 1;
        // More than once where the byte shows that the ones before are no character.
        while self.length > 0 {
            match from_utf8(&self.begun[..self.length]) {
                Ok(character) => {
                    self.text.push_str(character);
                    self.length = 0;
                }
                Err(error) => {
                    let Some(wrong) = error.error_len() else { break };
                    self.text.push(REPLACEMENT_CHARACTER);
                    self.begun.copy_within(wrong..self.length, 0);
                    self.length -= wrong;
                }
            }
        }
        &self.text[before..]
    }

    /// Takes back what was typed last. Was that a character that has been shown?
    pub fn erase(&mut self) -> bool {
        if self.length > 0 {
            self.length = 0;
            return false;
        }
        self.text.pop().is_some()
    }

    /// The whole line, and the end of it that has not been shown yet.
    pub fn finish(mut self) -> (String, &'static str) {
        if self.length == 0 {
            return (self.text, "");
        }
        self.text.push(REPLACEMENT_CHARACTER);
        (self.text, "\u{fffd}")
    }
}
