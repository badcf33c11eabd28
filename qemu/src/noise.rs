//! Lines that are not meant for us, taken out of a stream.

/// Drops lines that begin with certain words, or the rest of a line from these words on. All else passes at once, but for
/// what may be the start of the words.
pub struct Noise {
    words: &'static [&'static str],
    /// What may be the start of the words.
    held: Vec<u8>,
    /// The words were met: drop up to the end of the line.
    dropping: bool,
}

impl Noise {
    /// Drops from any of `words` to the end of the line.
    pub fn new(words: &'static [&'static str]) -> Noise {
        Noise { words, held: Vec::new(), dropping: false }
    }

    /// Adds to `out` what is to pass.
    pub fn pass(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for &byte in bytes {
            if self.dropping {
                self.dropping = byte != b'\n';
                continue;
            }
            self.held.push(byte);
            if self.words.iter().any(|words| self.held.ends_with(words.as_bytes())) {
                self.held.clear();
                self.dropping = true;
                continue;
            }
            let may_start = |held: &[u8]| self.words.iter().any(|words| words.as_bytes().starts_with(held));
            let keep = (0..=self.held.len()).find(|&from| may_start(&self.held[from..])).unwrap_or(self.held.len());
            out.extend(self.held.drain(..keep));
        }
    }

    /// Adds to `out` what is left at the end.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_dropped_wherever_they_are_cut() {
        let text = "a [ warm\nab[ [ warning: low ]\ncd\n[ note: x ]\n[ no";
        for cut in 0..text.len() {
            let mut noise = Noise::new(&["[ warning: ", "[ note: "]);
            let mut out = Vec::new();
            noise.pass(&text.as_bytes()[..cut], &mut out);
            noise.pass(&text.as_bytes()[cut..], &mut out);
            noise.finish(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), "a [ warm\nab[ cd\n[ no", "cut at {cut}");
        }
    }

    #[test]
    fn only_what_may_be_noise_is_held_back() {
        let mut noise = Noise::new(&["[ note: "]);
        let mut out = Vec::new();
        noise.pass(b"$ [ no", &mut out);
        assert_eq!(out, b"$ ");
        noise.pass(b"w", &mut out);
        assert_eq!(out, b"$ [ now");
    }
}
