//! A process' arguments on their way from its parent: the words of its command line, the first of
//! which is its name.
//!
//! Each word is its length, in two bytes, the low one first, and its bytes. So a word may hold
//! anything that a `str` may, blanks and zeros too, or nothing.

use alloc::vec::Vec;

/// Bytes that all words together may take, [`WORD_BYTES`] for each beside its own. They lie in the
/// page of the library's state.
pub const BYTES: usize = 1024;

/// Bytes that a word takes beside its own.
pub const WORD_BYTES: usize = 2;

/// The words as the process will find them; `None` where they take more than [`BYTES`].
pub fn encode<'a>(words: impl Iterator<Item = &'a str>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for word in words {
        let length = u16::try_from(word.len()).ok()?;
        if bytes.len() + WORD_BYTES + word.len() > BYTES {
            return None;
        }
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(word.as_bytes());
    }
    Some(bytes)
}

/// A program's words: see [`args`](crate::machine::args).
#[derive(Clone, Debug)]
pub struct Args(Words);

#[derive(Clone, Debug)]
enum Words {
    /// As [`encode`] has made them.
    Parents(&'static [u8]),
    /// The boot loader's line: words separated by blanks.
    Loaders(core::str::SplitAsciiWhitespace<'static>),
}

impl Args {
    /// Those that the parent has written.
    pub fn of_parent(bytes: &'static [u8]) -> Args {
        Args(Words::Parents(bytes))
    }

    /// Those of the boot loader, which may have cut the line within a character.
    pub fn of_loader(line: &'static [u8]) -> Args {
        Args(Words::Loaders(whole_characters(line).split_ascii_whitespace()))
    }
}

impl Iterator for Args {
    type Item = &'static str;

    fn next(&mut self) -> Option<&'static str> {
        match &mut self.0 {
            Words::Loaders(words) => words.next(),
            Words::Parents(bytes) => {
                // What is no word, of a parent that is not this library, is the end.
                let (length, rest) = bytes.split_first_chunk::<WORD_BYTES>()?;
                let (word, rest) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
                *bytes = rest;
                Some(whole_characters(word))
            }
        }
    }
}

/// The characters up to the first that is none.
fn whole_characters(bytes: &[u8]) -> &str {
    bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::String;

    fn decode(bytes: &[u8]) -> Vec<&'static str> {
        Args::of_parent(bytes.to_vec().leak()).collect()
    }

    proptest! {
        #[test]
        fn words_arrive_whole(words in proptest::collection::vec(any::<String>(), 0..20)) {
            let needed: usize = words.iter().map(|word| WORD_BYTES + word.len()).sum();
            match encode(words.iter().map(String::as_str)) {
                Some(bytes) => prop_assert_eq!(decode(&bytes), words),
                None => prop_assert!(needed > BYTES),
            }
        }

        #[test]
        fn anything_is_some_words(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let all: usize = decode(&bytes).iter().map(|word| word.len()).sum();
            prop_assert!(all <= bytes.len());
        }
    }

    #[test]
    fn the_longest_words_that_fit_arrive_and_one_byte_more_is_refused() {
        let longest = BYTES - 2 * WORD_BYTES - "name".len();
        let words = ["name", &"x".repeat(longest)];
        assert_eq!(decode(&encode(words.into_iter()).expect("it fits")), words);
        assert_eq!(encode(["name", &"x".repeat(longest + 1)].into_iter()), None);
        assert_eq!(encode(["x".repeat(1 << 16).as_str()].into_iter()), None);
    }

    #[test]
    fn a_line_that_was_cut_within_a_character_ends_before_it() {
        let line = "name é".as_bytes();
        let words = |line: &'static [u8]| Args::of_loader(line).collect::<Vec<_>>();
        assert_eq!(words(line), ["name", "é"]);
        assert_eq!(words(&line[..line.len() - 1]), ["name"]);
        assert_eq!(words(b""), [""; 0]);
    }
}
