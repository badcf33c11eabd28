//! The assembly of a source, as the assembler reads it: line by line, each with its place.

use super::macros::{self, Invocation, Macros};
use super::source::{Kind, Place, Token};
use crate::tlb::record::Source;
use anyhow::{Context, Result, bail, ensure};

/// The macro that all assembly stands in.
pub const GLOBAL: &str = "global_asm";

/// What a line says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Statement {
    /// `name:`
    Label(String),
    /// An instruction, or a `.word` in place of one.
    Instruction,
    /// `.if` with its condition.
    If(String),
    /// `.else`
    Else,
    /// `.endif`
    EndIf,
    /// `.org label + offset`
    Org(String, u32),
    /// `.section` with its name.
    Section(String),
    /// `.pushsection` with its name.
    PushSection(String),
    /// `.popsection`
    PopSection,
}

/// A line of assembly.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// What it says.
    pub statement: Statement,
    /// Where it is written, how, and the comments beside it.
    pub source: Source,
}

impl Line {
    /// For messages.
    pub fn place(&self) -> String {
        format!("{}:{}", self.source.file, self.source.line)
    }
}

/// The lines of each piece of assembly in a source.
pub fn blocks(tokens: &[Token], macros: &Macros) -> Result<Vec<Vec<Line>>> {
    let mut blocks = Vec::new();
    macros::each_invocation(tokens, &mut |invocation| {
        if invocation.name == GLOBAL {
            blocks.push(block(&invocation, macros)?);
        } else if macros.is_assembly(invocation.name) {
            blocks.extend(self::blocks(&macros.expand(&invocation)?, macros)?);
        }
        Ok(())
    })?;
    Ok(blocks)
}

/// A line as it is put together from pieces.
#[derive(Default)]
struct Raw {
    text: String,
    /// Of the pieces.
    places: Vec<Place>,
}

fn block(invocation: &Invocation, macros: &Macros) -> Result<Vec<Line>> {
    let mut raw = Vec::new();
    for argument in macros::split(invocation.arguments) {
        if is_operand(argument) {
            continue;
        }
        raw.push(Raw::default());
        for (text, place) in pieces(argument, macros)? {
            for (i, part) in text.split('\n').enumerate() {
                let ends_line = i > 0;
                if ends_line {
                    // The comment stands beside the piece that ends the line.
                    raw.last_mut().expect("one was pushed").places.push(place.clone());
                    raw.push(Raw::default());
                }
                if !part.is_empty() {
                    let line = raw.last_mut().expect("one was pushed");
                    line.text.push_str(part);
                    line.places.push(place.clone());
                }
            }
        }
    }
    raw.retain(|raw| !raw.text.trim().is_empty());
    lines(raw)
}

/// `name = const ...`, `name = sym ...` or `options(...)`.
fn is_operand(argument: &[Token]) -> bool {
    match argument {
        [Token { kind: Kind::Word(_), .. }, equals, ..] if equals.is_mark('=') => true,
        [options, Token { kind: Kind::Group(_), .. }] => options.is_word("options"),
        _ => false,
    }
}

/// The literals that an expression is joined from.
fn pieces(expression: &[Token], macros: &Macros) -> Result<Vec<(String, Place)>> {
    if let [Token { kind: Kind::Text(text), place }] = expression {
        return Ok(vec![(text.clone(), place.clone())]);
    }
    let first = expression.first().context("assembly without a word")?;
    let invocation = macros::invocation(expression).filter(|invocation| invocation.length == expression.len());
    let invocation = invocation.with_context(|| format!("{}: assembly that is no string", first.place))?;
    if invocation.name != "concat" {
        return pieces(&macros.expand(&invocation)?, macros);
    }
    let parts = macros::split(invocation.arguments).into_iter().map(|part| pieces(part, macros));
    Ok(parts.collect::<Result<Vec<_>>>()?.concat())
}

fn lines(raw: Vec<Raw>) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    let mut rest = raw.into_iter();
    while let Some(Raw { text, places }) = rest.next() {
        let place = places.first().context("a line without a piece")?;
        let text = text.trim();
        let (word, after) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let after = after.trim();
        if word == ".irp" {
            let (parameter, values) = after.split_once(',').with_context(|| format!("{place}: `.irp` of nothing"))?;
            let mut ends = false;
            let repeated: Vec<Raw> = rest.by_ref().take_while(|raw| !end(raw, &mut ends)).collect();
            ensure!(ends, "{place}: `.irp` without `.endr`");
            for value in values.split(',') {
                let with_value = |raw: &Raw| {
                    let text = raw.text.replace(&format!("\\{}", parameter.trim()), value.trim());
                    Raw { text, places: raw.places.clone() }
                };
                lines.extend(self::lines(repeated.iter().map(with_value).collect())?);
            }
            continue;
        }
        if let Some(statement) = statement(word, after).with_context(|| format!("{place}: `{text}`"))? {
            lines.push(Line { statement, source: source(text, &places, place) });
        }
    }
    Ok(lines)
}

/// Is it the end of a repetition?
fn end(raw: &Raw, ends: &mut bool) -> bool {
    *ends = raw.text.trim() == ".endr";
    *ends
}

/// What a line says; `None`: nothing that moves or makes an instruction.
fn statement(word: &str, after: &str) -> Result<Option<Statement>> {
    let section = || after.split(',').next().unwrap_or_default().to_owned();
    Ok(Some(match word {
        ".set" | ".globl" | ".type" | ".size" => return Ok(None),
        ".if" => Statement::If(after.to_owned()),
        ".else" => Statement::Else,
        ".endif" => Statement::EndIf,
        ".section" => Statement::Section(section()),
        ".pushsection" => Statement::PushSection(section()),
        ".popsection" => Statement::PopSection,
        ".org" => {
            let (label, offset) = after.split_once('+').context("only `label + offset` is understood")?;
            let offset = number(offset).and_then(|offset| offset.try_into().ok()).context("not a number")?;
            Statement::Org(label.trim().to_owned(), offset)
        }
        ".word" => Statement::Instruction,
        _ if word.starts_with('.') => bail!("a directive that is not understood"),
        _ => match word.strip_suffix(':') {
            Some(label) => {
                ensure!(after.is_empty(), "a label has a line of its own");
                Statement::Label(label.to_owned())
            }
            None => Statement::Instruction,
        },
    }))
}

/// A number as the assembler reads one.
pub fn number(text: &str) -> Option<i64> {
    let text = text.trim();
    let (digits, sign) = text.strip_prefix('-').map_or((text, 1), |digits| (digits, -1));
    let value = match digits.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok()?,
        None => digits.parse().ok()?,
    };
    Some(sign * value)
}

fn source(text: &str, places: &[Place], first: &Place) -> Source {
    let mut said: Vec<&Place> = Vec::new();
    for place in places.iter().filter(|place| place.comment.is_some()) {
        if !said.contains(&place) {
            said.push(place);
        }
    }
    let comments: Vec<&str> = said.iter().filter_map(|place| place.comment.as_deref()).collect();
    Source {
        file: first.file.to_string(),
        line: first.line,
        text: text.to_owned(),
        comment: (!comments.is_empty()).then(|| comments.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::parse;
    use super::*;

    fn lines_of(text: &str) -> Result<Vec<Line>> {
        let tokens = parse("f.rs", text)?;
        let mut macros = Macros::default();
        macros.collect(&tokens);
        Ok(blocks(&tokens, &macros)?.concat())
    }

    fn shown(text: &str) -> Vec<String> {
        let show = |line: &Line| {
            let Source { line: number, text, comment, .. } = &line.source;
            format!("{number} {text} | {}", comment.as_deref().unwrap_or_default())
        };
        lines_of(text).unwrap().iter().map(show).collect()
    }

    #[test]
    fn macros_are_expanded_and_pieces_joined() {
        let text = r#"
            macro_rules! go {
                ($to:literal, $register:literal) => {
                    concat!(
                        "lui   $k1, 1\n", // upper half
                        "jal   ",
                        $to,
                        "\n",             // there
                        " move ", $register, ", $k1" // delay slot
                    )
                };
            }
            macro_rules! item { ($name:literal) => { core::arch::global_asm!($name, "nop", X = const 1); }; }
            global_asm!(
                ".set push",
                "start:",
                go!("main", "$a0"),
                "eret",
                A = const 3,
            );
            crate::item!("sync");
        "#;
        let expected =
            ["16 start: | ", "5 lui   $k1, 1 | upper half", "6 jal   main | there", "9 move $a0, $k1 | delay slot"];
        assert_eq!(shown(text), [&expected[..], &["18 eret | ", "13 sync | ", "13 nop | "]].concat());
    }

    #[test]
    fn repetitions_and_directives_are_understood() {
        let text = r#"global_asm!(".section .a,\"ax\"", ".irp n, 1,2", "l\\n:", ".if \\n < {N}", "sw $\\n, 0($k0)", ".endif",
            ".endr", ".org l1 + 0x80");"#;
        let statements: Vec<Statement> = lines_of(text).unwrap().into_iter().map(|line| line.statement).collect();
        let each = |n: &str| {
            let [label, condition] = [format!("l{n}"), format!("{n} < {{N}}")];
            [Statement::Label(label), Statement::If(condition), Statement::Instruction, Statement::EndIf]
        };
        let mut expected = vec![Statement::Section(".a".to_owned())];
        expected.extend(each("1").into_iter().chain(each("2")));
        expected.push(Statement::Org("l1".to_owned(), 0x80));
        assert_eq!(statements, expected);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in ["global_asm!(\".align 4\");", "global_asm!(unknown!());", "global_asm!(concat!(1));"] {
            let error = lines_of(text).expect_err(text);
            assert!(format!("{error:#}").contains("f.rs:1"), "{error:#}");
        }
    }
}
