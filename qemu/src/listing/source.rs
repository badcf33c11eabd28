//! Rust sources as tokens that know where they stand and what is said beside them.

use anyhow::{Context, Result, bail};
use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use std::path::Path;
use std::rc::Rc;

/// Where something stands in the sources.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// File, from the project's root.
    pub file: Rc<str>,
    /// Line, from 1.
    pub line: u32,
    /// The comment at the end of the line.
    pub comment: Option<Rc<str>>,
}

/// A token, or tokens in brackets.
#[derive(Clone, Debug)]
pub struct Token {
    /// What.
    pub kind: Kind,
    /// Where.
    pub place: Place,
}

/// What a token is.
#[derive(Clone, PartialEq, Debug)]
pub enum Kind {
    /// A string literal: the string.
    Text(String),
    /// An identifier.
    Word(String),
    /// A mark.
    Mark(char),
    /// What stands in brackets.
    Group(Vec<Token>),
    /// Another literal.
    Other,
}

impl PartialEq for Token {
    /// Tokens are equal wherever they stand.
    fn eq(&self, other: &Token) -> bool {
        self.kind == other.kind
    }
}

impl Token {
    /// Is it this identifier?
    pub fn is_word(&self, word: &str) -> bool {
        matches!(&self.kind, Kind::Word(own) if own == word)
    }

    /// Is it this mark?
    pub fn is_mark(&self, mark: char) -> bool {
        self.kind == Kind::Mark(mark)
    }
}

/// Reads `file`, a path from `root`.
pub fn read(root: &Path, file: &str) -> Result<Vec<Token>> {
    let text = std::fs::read_to_string(root.join(file)).with_context(|| format!("cannot read {file}"))?;
    parse(file, &text)
}

/// Takes the text of `file` apart.
pub fn parse(file: &str, text: &str) -> Result<Vec<Token>> {
    let stream: TokenStream = text.parse().ok().with_context(|| format!("{file} is no Rust source"))?;
    let lines: Vec<&str> = text.lines().collect();
    // Where the last token of each line ends.
    let mut ends = vec![0; lines.len()];
    find_ends(stream.clone(), &mut ends);
    let comments = lines.iter().zip(ends).map(|(line, end)| {
        let rest: String = line.chars().skip(end).collect();
        rest.trim().strip_prefix("//").map(|comment| comment.trim().into())
    });
    let reader = Reader { file: file.into(), comments: comments.collect() };
    reader.tokens(stream)
}

fn find_ends(stream: TokenStream, ends: &mut [usize]) {
    for token in stream {
        let span = match token {
            TokenTree::Group(group) => {
                find_ends(group.stream(), ends);
                reach(group.span_open(), ends);
                group.span_close()
            }
            other => other.span(),
        };
        reach(span, ends);
    }
}

fn reach(span: Span, ends: &mut [usize]) {
    let end = span.end();
    if let Some(last) = ends.get_mut(end.line - 1) {
        *last = end.column.max(*last);
    }
}

struct Reader {
    file: Rc<str>,
    comments: Vec<Option<Rc<str>>>,
}

impl Reader {
    fn tokens(&self, stream: TokenStream) -> Result<Vec<Token>> {
        stream.into_iter().map(|token| self.token(token)).collect()
    }

    fn token(&self, token: TokenTree) -> Result<Token> {
        let line = token.span().start().line;
        let comment = self.comments.get(line - 1).cloned().flatten();
        let place = Place { file: self.file.clone(), line: line as u32, comment };
        let kind = match token {
            TokenTree::Ident(word) => Kind::Word(word.to_string()),
            TokenTree::Punct(mark) => Kind::Mark(mark.as_char()),
            // What a macro stands for may come in brackets that nobody has written.
            TokenTree::Group(group) if group.delimiter() == Delimiter::None => bail!("{place}: not as it is written"),
            TokenTree::Group(group) => Kind::Group(self.tokens(group.stream())?),
            TokenTree::Literal(literal) => match string(&literal.to_string()) {
                Some(text) => Kind::Text(text),
                None => Kind::Other,
            },
        };
        Ok(Token { kind, place })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What a string literal stands for; `None` if it is no plain one.
fn string(literal: &str) -> Option<String> {
    let mut rest = literal.strip_prefix('"')?.strip_suffix('"')?.chars();
    let mut text = String::new();
    while let Some(letter) = rest.next() {
        text.push(match letter {
            '\\' => match rest.next()? {
                'n' => '\n',
                't' => '\t',
                itself @ ('\\' | '"' | '\'') => itself,
                _ => return None,
            },
            letter => letter,
        });
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_those_at_the_end_of_the_line() {
        let text = "a!( // first\n    \"// no\\n\\\\n\", // second\n    b(1), 'c');\n/* none */ \"d\"\n";
        let tokens = parse("f.rs", text).unwrap();
        assert_eq!((tokens[0].place.line, tokens[0].place.comment.as_deref()), (1, Some("first")));
        let Kind::Group(inner) = &tokens[2].kind else { panic!("{tokens:?}") };
        assert_eq!(inner[0].kind, Kind::Text("// no\n\\n".to_owned()));
        assert_eq!((inner[0].place.line, inner[0].place.comment.as_deref()), (2, Some("second")));
        assert_eq!((inner[2].place.line, inner[2].place.comment.as_deref()), (3, None));
        assert_eq!(tokens.last().unwrap().place.to_string(), "f.rs:4");
    }

    #[test]
    fn what_is_no_rust_is_refused() {
        assert!(parse("f.rs", "\"open").is_err());
    }
}
