//! Looks a source over before the engine compiles it, by its tokens.
//!
//! The engine's fuel counts steps and bytes, but not all of them. Expressions and branches recurse, so that a chain of
//! ten thousand filters overflows the stack and ends the process. Lists share their items, so that putting a list
//! four times into itself, thirty times over, makes a value that takes years to print or compare. What messages need
//! of lists (going through them, joining, counting, choosing) stays; what builds lists of lists is refused here.
//!
//! And the engine reports unknown filters, tests and functions only when it reaches them; the tokens tell at once.

use minijinja::machinery::{Token, tokenize};
use minijinja::{Environment, ErrorKind};

use super::TemplateError;
use crate::automation::problem::excerpt;

/// The most tokens inside one tag: bounds how deep an expression goes.
const MAX_TAG_TOKENS: usize = 500;
/// The most `elif` in a template: each is one level deeper.
const MAX_BRANCHES: usize = 100;
/// The most `+` in tags that bind names: each may double a list.
const MAX_BOUND_SUMS: usize = 4;

/// Global functions that are taken away: two make values of values, one prints our insides.
pub const REMOVED_FUNCTIONS: [&str; 3] = ["namespace", "dict", "debug"];
/// Filters that are taken away, because they make lists of lists.
pub const REMOVED_FILTERS: [&str; 6] = ["zip", "chain", "batch", "slice", "groupby", "pprint"];
/// Filters whose result is a list.
const LISTING: [&str; 12] = [
    "list",
    "map",
    "select",
    "reject",
    "selectattr",
    "rejectattr",
    "sort",
    "unique",
    "reverse",
    "split",
    "lines",
    "items",
];
/// Filters that turn a list into one text or number.
const ENDING: [&str; 3] = ["join", "length", "count"];

/// What the source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Template,
    Expression,
}

/// Words that may stand before a parenthesis without being called.
const KEYWORDS: [&str; 14] = [
    "and",
    "elif",
    "else",
    "filter",
    "for",
    "if",
    "in",
    "is",
    "not",
    "or",
    "set",
    "with",
    "autoescape",
    "do",
];

/// Whether every filter, test and function that a source names exists.
pub fn check_names(environment: &Environment<'_>, source: &str, kind: Kind) -> Result<(), TemplateError> {
    let tokens = tokens(environment, source, kind)?;
    for at in 0..tokens.len() {
        let (before, here) = tokens.split_at(at);
        for name in names(before, here) {
            known(environment, &name)?;
        }
    }
    Ok(())
}

/// Whether a source is safe to compile and render, whoever saved it.
pub fn check_structure(environment: &Environment<'_>, source: &str, kind: Kind) -> Result<(), TemplateError> {
    structure(&tokens(environment, source, kind)?)
}

fn tokens<'s>(
    environment: &Environment<'_>,
    source: &'s str,
    kind: Kind,
) -> Result<Vec<Token<'s>>, TemplateError> {
    let tokens = tokenize(source, kind == Kind::Expression, environment.syntax().clone());
    Ok(tokens.map(|token| token.map(|(token, _)| token)).collect::<Result<_, _>>()?)
}

fn structure(tokens: &[Token<'_>]) -> Result<(), TemplateError> {
    let (mut branches, mut bound_sums) = (0, 0);
    for tag in tokens.split(|token| matches!(token, Token::VariableEnd | Token::BlockEnd)) {
        if tag.len() > MAX_TAG_TOKENS {
            return Err(too_complex());
        }
        // The text before the tag is one token of it.
        let tag = if let [Token::TemplateData(_), tag @ ..] = tag { tag } else { tag };
        let lists = Lists::of(tag);
        let good = match tag {
            [Token::BlockStart, Token::Ident("elif"), ..] => {
                branches += 1;
                true
            }
            [Token::BlockStart, Token::Ident("for"), tag @ ..] => loop_is_flat(tag, &lists)?,
            [Token::BlockStart, Token::Ident(word @ ("set" | "with")), tag @ ..] => {
                let tuple =
                    *word == "set" && has_tuple(tag.split(|token| matches!(token, Token::Assign)).skip(1));
                bound_sums += tag.iter().filter(|token| matches!(token, Token::Plus)).count();
                !tuple && (!lists.any() || ends_as_scalar(tag))
            }
            _ => true,
        };
        if !good || lists.aliased || lists.any() && tag.iter().any(multiplies) {
            return Err(too_complex());
        }
    }
    if branches > MAX_BRANCHES || bound_sums > MAX_BOUND_SUMS { Err(too_complex()) } else { Ok(()) }
}

/// What a tag makes of lists.
#[derive(Debug, Default)]
struct Lists {
    /// `[…]`, `{…}`, `(…, …)` and slices.
    literals: usize,
    /// Filters and functions whose result is a list.
    made: usize,
    /// `map` in a form that may put one value into every item.
    aliased: bool,
}

impl Lists {
    fn of(tag: &[Token<'_>]) -> Self {
        let mut lists = Self::default();
        // Whether each open parenthesis calls something.
        let mut calls = Vec::new();
        for at in 0..tag.len() {
            let (before, here) = tag.split_at(at);
            let after_value = matches!(
                before.last(),
                Some(
                    Token::Ident(_)
                        | Token::BracketClose
                        | Token::ParenClose
                        | Token::Str(_)
                        | Token::String(_)
                )
            ) && !matches!(before.last(), Some(Token::Ident(word)) if KEYWORDS.contains(word));
            match here {
                [Token::BracketOpen, ..] => {
                    lists.literals += usize::from(!after_value);
                    calls.push(true);
                }
                [Token::BraceOpen, ..] => {
                    lists.literals += 1;
                    calls.push(true);
                }
                [Token::ParenOpen, ..] => calls.push(after_value),
                [Token::ParenClose | Token::BracketClose | Token::BraceClose, ..] => {
                    calls.pop();
                }
                [Token::Comma, ..] if calls.last().is_some_and(|call| !call) => lists.literals += 1,
                [Token::Colon, ..] => lists.literals += 1,
                [Token::Pipe, Token::Ident("map"), rest @ ..] => {
                    lists.made += 1;
                    lists.aliased |= !is_plain_map(rest);
                }
                [Token::Pipe, Token::Ident(name), ..] if LISTING.contains(name) || *name == "dictsort" => {
                    lists.made += 1;
                }
                [Token::Ident("range"), Token::ParenOpen, ..] => lists.made += 1,
                _ => {}
            }
        }
        lists
    }

    const fn any(&self) -> bool {
        self.literals + self.made > 0
    }
}

/// `map(attribute='…')`, with a literal default or none, or `map('filter')`.
fn is_plain_map(rest: &[Token<'_>]) -> bool {
    use Token::{Assign, Comma, Ident, Int, ParenClose, ParenOpen, Str};
    matches!(
        rest,
        [ParenOpen, Ident("attribute"), Assign, Str(_), ParenClose, ..]
            | [
                ParenOpen,
                Ident("attribute"),
                Assign,
                Str(_),
                Comma,
                Ident("default"),
                Assign,
                Str(_) | Int(_),
                ParenClose,
                ..
            ]
            | [ParenOpen, Str(_), ParenClose, ..]
    )
}

/// A loop whose items are no lists made here: at most one literal, without filters, and pairs only when unpacked.
fn loop_is_flat(tag: &[Token<'_>], lists: &Lists) -> Result<bool, TemplateError> {
    if tag.iter().any(|token| matches!(token, Token::Ident("recursive"))) {
        return Err(TemplateError::new(
            "recursive_loop",
            "Kendini çağıran döngü (recursive) kullanılamaz.",
            "Recursive loops cannot be used.",
        ));
    }
    let target_ends = tag.iter().position(|token| matches!(token, Token::Ident("in"))).unwrap_or(tag.len());
    let (target, source) = tag.split_at(target_ends);
    let unpacked = target.iter().any(|token| matches!(token, Token::Comma));
    // A comma in the target, or between the items of one literal, is not another list.
    let literals = source.iter().filter(|token| opens(token)).count();
    let pairs = |window: &[Token<'_>]| matches!(window, [Token::Pipe, Token::Ident("items" | "dictsort")]);
    let maps = |window: &[Token<'_>]| {
        matches!(window, [Token::Pipe, Token::Ident("map"), Token::ParenOpen, Token::Str(_)])
    };
    let makes_literal = lists.literals > 0 && literals > 0;
    Ok(!has_tuple(std::iter::once(source))
        && (!makes_literal || literals == 1 && lists.made == 0)
        && (unpacked || !source.windows(2).any(pairs))
        && !source.windows(4).any(maps))
}

const fn opens(token: &Token<'_>) -> bool {
    matches!(token, Token::BracketOpen | Token::BraceOpen | Token::ParenOpen)
}

/// A comma outside parentheses makes a list of what it separates.
fn has_tuple<'t>(mut parts: impl Iterator<Item = &'t [Token<'t>]>) -> bool {
    parts.any(|part| {
        let mut depth = 0_usize;
        part.iter().any(|token| {
            match token {
                token if opens(token) => depth += 1,
                Token::ParenClose | Token::BracketClose | Token::BraceClose => {
                    depth = depth.saturating_sub(1)
                }
                _ => {}
            }
            depth == 0 && matches!(token, Token::Comma)
        })
    })
}

/// The last filter outside parentheses makes one text or number of it all, and no operator comes after.
fn ends_as_scalar(tag: &[Token<'_>]) -> bool {
    let mut depth = 0_usize;
    let mut last = None;
    for pair in tag.windows(2) {
        match pair {
            [token, _] if opens(token) => depth += 1,
            [Token::ParenClose | Token::BracketClose | Token::BraceClose, _] => {
                depth = depth.saturating_sub(1)
            }
            // What follows or precedes such words and commas is a value of its own.
            [Token::Ident("if" | "else" | "or" | "and") | Token::Comma, _] if depth == 0 => return false,
            [Token::Pipe, Token::Ident(name)] if depth == 0 => last = Some(*name),
            _ => {}
        }
    }
    last.is_some_and(|name| ENDING.contains(&name))
}

const fn multiplies(token: &Token<'_>) -> bool {
    matches!(token, Token::Mul | Token::Pow)
}

fn too_complex() -> TemplateError {
    TemplateError::new(
        "template_too_complex",
        "Şablon çok karmaşık; ifadeleri bölün ya da kısaltın.",
        "The template is too complex; split or shorten its expressions.",
    )
}

/// What stands at one place of the source.
enum Name<'t> {
    Filter(&'t str),
    Test(&'t str),
    Function(&'t str),
}

/// The names that the token at the head of `here` introduces.
fn names<'t>(before: &[Token<'t>], here: &'t [Token<'t>]) -> Vec<Name<'t>> {
    use Token::{BlockStart, Comma, Dot, Ident, ParenOpen, Pipe, Str};
    match (before, here) {
        // Filters that take the name of another filter or test.
        (_, [Pipe, Ident(name @ "map"), ParenOpen, Str(inner), ..]) => {
            vec![Name::Filter(name), Name::Filter(inner)]
        }
        (_, [Pipe, Ident(name @ ("select" | "reject")), ParenOpen, Str(inner), ..]) => {
            vec![Name::Filter(name), Name::Test(inner)]
        }
        (
            _,
            [Pipe, Ident(name @ ("selectattr" | "rejectattr")), ParenOpen, Str(_), Comma, Str(inner), ..],
        ) => {
            vec![Name::Filter(name), Name::Test(inner)]
        }
        (_, [Pipe, Ident(name), ..]) => vec![Name::Filter(name)],
        ([.., BlockStart], [Ident("filter"), Ident(name), ..]) => vec![Name::Filter(name)],
        ([.., Dot], _) => Vec::new(),
        (_, [Ident("is"), Ident("not"), Ident(name), ..] | [Ident("is"), Ident(name), ..]) => {
            vec![Name::Test(name)]
        }
        ([.., Pipe | Ident("is")] | [.., Ident("is"), Ident("not")], _) => Vec::new(),
        ([.., BlockStart, Ident("filter")], _) => Vec::new(),
        (_, [Ident(name), ParenOpen, ..]) if !KEYWORDS.contains(name) => vec![Name::Function(name)],
        _ => Vec::new(),
    }
}

fn known(environment: &Environment<'_>, name: &Name<'_>) -> Result<(), TemplateError> {
    let mut state = environment.empty_state();
    match name {
        // Without arguments a known one fails for another reason.
        Name::Filter(name) => match state.apply_filter(name, &[]) {
            Err(error) if error.kind() == ErrorKind::UnknownFilter => {
                Err(unknown("unknown_filter", "süzgeç", "filter", name))
            }
            _ => Ok(()),
        },
        Name::Test(name) => match state.perform_test(name, &[]) {
            Err(error) if error.kind() == ErrorKind::UnknownTest => {
                Err(unknown("unknown_test", "sınama", "test", name))
            }
            _ => Ok(()),
        },
        Name::Function(name) => {
            if environment.globals().any(|(global, _)| global == *name) {
                Ok(())
            } else {
                Err(unknown("unknown_function", "işlev", "function", name))
            }
        }
    }
}

fn unknown(code: &'static str, tr: &str, en: &str, name: &str) -> TemplateError {
    let name = excerpt(name);
    TemplateError::new(code, format!("Bilinmeyen {tr}: “{name}”."), format!("Unknown {en}: “{name}”."))
}
