//! The macros that the assembly is made with: `macro_rules` with one arm, whose parameters are literals.

use super::source::{Kind, Place, Token};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;

/// Macros by name.
#[derive(Default)]
pub struct Macros {
    by_name: BTreeMap<String, Definition>,
}

/// What a macro says.
struct Definition {
    place: Place,
    /// The names of its parameters and what it stands for; `None` if it is none of those that are understood here.
    arm: Option<(Vec<String>, Vec<Token>)>,
}

/// An invocation found in a row of tokens.
pub struct Invocation<'a> {
    /// Name of the macro, without the path to it.
    pub name: &'a str,
    /// What it is given.
    pub arguments: &'a [Token],
    /// Where.
    pub place: &'a Place,
    /// Tokens of the row up to its end.
    pub length: usize,
}

/// The invocation that `tokens` begin with, path included.
pub fn invocation(tokens: &[Token]) -> Option<Invocation<'_>> {
    let is_path = |token: &&Token| matches!(token.kind, Kind::Word(_)) || token.is_mark(':') || token.is_mark('$');
    let path = tokens.iter().take_while(is_path).count();
    let [Token { kind: Kind::Word(name), place }, mark, Token { kind: Kind::Group(arguments), .. }, ..] =
        tokens.get(path.checked_sub(1)?..)?
    else {
        return None;
    };
    mark.is_mark('!').then_some(Invocation { name, arguments, place, length: path + 2 })
}

/// The definition of a macro that `tokens` begin with: its name and its arms.
fn definition(tokens: &[Token]) -> Option<(&Token, &str, &[Token])> {
    match tokens {
        [keyword, mark, Token { kind: Kind::Word(name), .. }, Token { kind: Kind::Group(arms), .. }, ..]
            if keyword.is_word("macro_rules") && mark.is_mark('!') =>
        {
            Some((keyword, name, arms))
        }
        _ => None,
    }
}

/// Tokens that a definition of a macro takes.
const DEFINITION: usize = 4;

impl Macros {
    /// Adds the macros that a source defines.
    pub fn collect(&mut self, tokens: &[Token]) {
        for (i, token) in tokens.iter().enumerate() {
            if let Some((keyword, name, arms)) = definition(&tokens[i..]) {
                let place = keyword.place.clone();
                let arm = if self.by_name.contains_key(name) { None } else { arm(arms) };
                self.by_name.insert(name.to_owned(), Definition { place, arm });
            } else if let Kind::Group(inner) = &token.kind {
                self.collect(inner);
            }
        }
    }

    /// What an invocation stands for. A literal that it hands on stands, from here on, where the macro takes it.
    pub fn expand(&self, invocation: &Invocation) -> Result<Vec<Token>> {
        let Invocation { name, arguments, place, .. } = invocation;
        let definition = self.by_name.get(*name).with_context(|| format!("{place}: `{name}!` is defined nowhere"))?;
        let (parameters, body) = definition.arm.as_ref().with_context(|| {
            format!("{place}: `{name}!` has not one definition of one arm, with literals: {}", definition.place)
        })?;
        let given = split(arguments);
        ensure!(given.len() == parameters.len(), "{place}: `{name}!` is given {} arguments", given.len());
        let mut values = BTreeMap::new();
        for (parameter, value) in parameters.iter().zip(given) {
            let [value @ Token { kind: Kind::Text(_), .. }] = value else {
                bail!("{place}: not a string for `{name}!`")
            };
            values.insert(parameter.as_str(), value);
        }
        Ok(substitute(body, &values))
    }

    /// Does this macro stand for an item with assembly in it?
    pub fn is_assembly(&self, name: &str) -> bool {
        let arm = self.by_name.get(name).and_then(|definition| definition.arm.as_ref());
        arm.is_some_and(|(_, body)| body.iter().any(|token| token.is_word(super::assembly::GLOBAL)))
    }
}

/// All invocations of macros in a source but those in the definitions of others.
pub fn each_invocation<'a>(tokens: &'a [Token], visit: &mut dyn FnMut(Invocation<'a>) -> Result<()>) -> Result<()> {
    let mut i = 0;
    while i < tokens.len() {
        if definition(&tokens[i..]).is_some() {
            i += DEFINITION;
        } else if let Some(invocation) = invocation(&tokens[i..]) {
            i += invocation.length;
            visit(invocation)?;
        } else {
            if let Kind::Group(inner) = &tokens[i].kind {
                each_invocation(inner, visit)?;
            }
            i += 1;
        }
    }
    Ok(())
}

/// What stands between the commas. A last comma is followed by nothing.
pub fn split(tokens: &[Token]) -> Vec<&[Token]> {
    let mut parts: Vec<&[Token]> = tokens.split(|token| token.is_mark(',')).collect();
    if parts.last().is_some_and(|part| part.is_empty()) {
        parts.pop();
    }
    parts
}

/// Takes `(parameters) => { body }` apart.
fn arm(arms: &[Token]) -> Option<(Vec<String>, Vec<Token>)> {
    let arms =
        arms.strip_suffix(&[Token { kind: Kind::Mark(';'), place: arms.first()?.place.clone() }]).unwrap_or(arms);
    let [Token { kind: Kind::Group(parameters), .. }, equals, greater, Token { kind: Kind::Group(body), .. }] = arms
    else {
        return None;
    };
    if !(equals.is_mark('=') && greater.is_mark('>')) {
        return None;
    }
    let names = split(parameters).into_iter().map(|parameter| match parameter {
        [dollar, Token { kind: Kind::Word(name), .. }, colon, literal]
            if dollar.is_mark('$') && colon.is_mark(':') && literal.is_word("literal") =>
        {
            Some(name.clone())
        }
        _ => None,
    });
    Some((names.collect::<Option<_>>()?, body.clone()))
}

fn substitute(body: &[Token], values: &BTreeMap<&str, &Token>) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = body.iter().peekable();
    while let Some(token) = rest.next() {
        let parameter = match rest.peek() {
            Some(Token { kind: Kind::Word(name), .. }) if token.is_mark('$') => values.get(name.as_str()),
            _ => None,
        };
        if let Some(value) = parameter {
            rest.next();
            tokens.push(Token { kind: value.kind.clone(), place: token.place.clone() });
        } else if let Kind::Group(inner) = &token.kind {
            tokens.push(Token { kind: Kind::Group(substitute(inner, values)), place: token.place.clone() });
        } else {
            tokens.push(token.clone());
        }
    }
    tokens
}
