//! Cuts filter text into tokens, one at a time, so that the leftmost mistake is the one reported.
//!
//! It does not know keywords: `and`, `eq`, `true`, `42` and `userName` are all words to it.

use serde_json::Number;

use super::{FilterError, Literal, quoted};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token<'a> {
    OpenParenthesis,
    CloseParenthesis,
    OpenBracket,
    CloseBracket,
    Comma,
    /// A JSON string, unescaped.
    Text(String),
    /// Any other run of characters up to a space or one of `()[],"`; not empty.
    Word(&'a str),
    End,
}

impl Token<'_> {
    /// The token as an error message names it.
    pub(super) fn described(&self) -> String {
        match self {
            Token::OpenParenthesis => "\"(\"".to_owned(),
            Token::CloseParenthesis => "\")\"".to_owned(),
            Token::OpenBracket => "\"[\"".to_owned(),
            Token::CloseBracket => "\"]\"".to_owned(),
            Token::Comma => "\",\"".to_owned(),
            Token::Text(text) => format!("the string {}", quoted(text)),
            Token::Word(word) => quoted(word),
            Token::End => "the end of the filter".to_owned(),
        }
    }

    pub(super) fn is_keyword(&self, keyword: &str) -> bool {
        matches!(self, Token::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    /// The literal this token stands for, if it is one. `True` and `NULL` count: ABNF literals have no
    /// case (RFC 5234 section 2.3), and clients in the field send them.
    pub(super) fn literal(&self) -> Option<Literal> {
        match self {
            Token::Text(text) => Some(Literal::String(text.clone())),
            Token::Word(word) if word.eq_ignore_ascii_case("true") => Some(Literal::Bool(true)),
            Token::Word(word) if word.eq_ignore_ascii_case("false") => Some(Literal::Bool(false)),
            Token::Word(word) if word.eq_ignore_ascii_case("null") => Some(Literal::Null),
            Token::Word(word) => number(word).map(Literal::Number),
            _ => None,
        }
    }
}

/// A JSON number. `serde_json` checks the syntax, but by default reads fractions to within a bit or so;
/// the standard library reads them exactly, which the canonical text needs.
fn number(word: &str) -> Option<Number> {
    let number: Number = serde_json::from_str(word).ok()?;
    if number.is_i64() || number.is_u64() {
        return Some(number);
    }
    Number::from_f64(word.parse().ok()?)
}

pub(super) struct Lexer<'a> {
    text: &'a str,
    /// In bytes, always on a character boundary.
    offset: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Lexer<'a> {
        Lexer { text, offset: 0 }
    }

    /// The next token and the byte offset it starts at. After the last one, `End` for ever.
    pub(super) fn next(&mut self) -> Result<(usize, Token<'a>), FilterError> {
        let rest = &self.text[self.offset..];
        let trimmed = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let start = self.text.len() - trimmed.len();
        let (length, token) = match trimmed.as_bytes().first() {
            None => (0, Token::End),
            Some(b'(') => (1, Token::OpenParenthesis),
            Some(b')') => (1, Token::CloseParenthesis),
            Some(b'[') => (1, Token::OpenBracket),
            Some(b']') => (1, Token::CloseBracket),
            Some(b',') => (1, Token::Comma),
            Some(b'"') => self.string(start)?,
            Some(_) => {
                let end = trimmed.find([' ', '\t', '\r', '\n', '(', ')', '[', ']', ',', '"']).unwrap_or(trimmed.len());
                (end, Token::Word(&trimmed[..end]))
            }
        };
        self.offset = start + length;
        Ok((start, token))
    }

    /// The JSON string that opens at `start`, with its length in the text.
    fn string(&self, start: usize) -> Result<(usize, Token<'a>), FilterError> {
        let text = &self.text[start..];
        let Some(length) = string_length(text) else {
            let message =
                format!("expected a closing '\"' to the string {}, found the end of the filter", quoted(&text[1..]));
            return Err(self.error(start, message));
        };
        let unescaped = serde_json::from_str(&text[..length]).map_err(|_| {
            let message = format!(
                "expected a JSON string (its escapes are \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX; control \
                 characters must be escaped), found {}",
                quoted(&text[1..length - 1])
            );
            self.error(start, message)
        })?;
        Ok((length, Token::Text(unescaped)))
    }

    /// An error at a byte offset, which becomes the character's column.
    pub(super) fn error(&self, offset: usize, message: String) -> FilterError {
        FilterError::new(self.text[..offset].chars().count() + 1, message)
    }
}

/// The bytes a JSON string takes, both quotes included, when `text` opens with one that is closed.
pub(crate) fn string_length(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (index, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(index + 1),
            _ => {}
        }
    }
    None
}
