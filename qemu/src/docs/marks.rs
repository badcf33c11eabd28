//! Marks in a document: what stands between `<!-- words -->` and `<!-- end -->` is made, and not written.

use anyhow::{Context, Result, ensure};

const OPEN: &str = "<!-- ";
const CLOSE: &str = " -->";
const END: &str = "end";

/// A mark.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark<'a> {
    /// The words in it.
    pub words: &'a str,
    /// What it is about stands on lines of its own, and not within one.
    pub is_block: bool,
}

/// `document` with each part as `make` has it.
pub fn replace(document: &str, make: impl Fn(Mark) -> Result<String>) -> Result<String> {
    let mut text = String::new();
    let mut rest = document;
    while let Some((before, from)) = rest.split_once(OPEN) {
        let line = document[..document.len() - from.len()].lines().count();
        let (words, behind) =
            from.split_once(CLOSE).with_context(|| format!("line {line}: a mark without `{CLOSE}`"))?;
        ensure!(words != END, "line {line}: an end of nothing");
        let end = format!("{OPEN}{END}{CLOSE}");
        let (old, after) = behind.split_once(&end).with_context(|| format!("line {line}: `{words}` has no end"))?;
        ensure!(!old.contains(OPEN), "line {line}: a mark within `{words}`");
        let is_block = behind.starts_with('\n');
        let made = make(Mark { words, is_block }).with_context(|| format!("line {line}: {words}"))?;
        let made = if is_block { format!("\n{}\n", made.trim_end()) } else { made };
        text.push_str(&format!("{before}{OPEN}{words}{CLOSE}{made}{end}"));
        rest = after;
    }
    Ok(text + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(document: &str) -> Result<String> {
        replace(document, |mark| Ok(format!("[{}]{}", mark.words, if mark.is_block { "\n" } else { "" })))
    }

    #[test]
    fn parts_are_replaced_within_a_line_and_on_lines_of_their_own() {
        let document =
            "a <!-- x 1 -->old<!-- end --> b <!-- y --><!-- end -->\n<!-- z -->\nold\nold\n<!-- end -->\nc\n";
        let expected =
            "a <!-- x 1 -->[x 1]<!-- end --> b <!-- y -->[y]<!-- end -->\n<!-- z -->\n[z]\n<!-- end -->\nc\n";
        assert_eq!(replaced(document).unwrap(), expected);
        assert_eq!(replaced(expected).unwrap(), expected);
        assert_eq!(replaced("no marks\n").unwrap(), "no marks\n");
    }

    #[test]
    fn marks_that_do_not_belong_together_are_refused() {
        for (document, word) in [
            ("\n<!-- x -->", "line 2: `x` has no end"),
            ("<!-- end -->", "an end of nothing"),
            ("<!-- x --> <!-- y --> <!-- end -->", "a mark within `x`"),
            ("<!-- x", "a mark without"),
        ] {
            let error = replaced(document).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
