//! Recursive descent over the tokens: `or` of `and` of terms, as RFC 7644 section 3.4.2.2 ranks them.
//!
//! `and`, `or` and `not` are reserved: an attribute of that name is only reachable below another one
//! (`attributes.not`). Spaces are free wherever two words do not touch.

use super::lexer::{Lexer, Token};
use super::{
    AttributePath, DEPTH_MAX, Filter, FilterError, IN_VALUES_MAX, Literal, Op, TERMS_MAX, TEXT_BYTES_MAX, quoted,
};

const OPERATORS: [&str; 11] = ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "pr", "in"];

/// What people type who know another query language, and the SCIM operator they mean.
const OPERATOR_SYNONYMS: [(&str, &str); 18] = [
    ("=", "eq"),
    ("==", "eq"),
    ("is", "eq"),
    ("equals", "eq"),
    ("!=", "ne"),
    ("<>", "ne"),
    ("neq", "ne"),
    (">", "gt"),
    (">=", "ge"),
    ("gte", "ge"),
    ("<", "lt"),
    ("<=", "le"),
    ("lte", "le"),
    ("like", "co"),
    ("contains", "co"),
    ("startswith", "sw"),
    ("endswith", "ew"),
    ("exists", "pr"),
];

/// Reads a filter (RFC 7644 section 3.4.2.2, plus `in ["a","b"]`).
///
/// # Errors
/// [`FilterError`] at the leftmost character that breaks the grammar or one of the bounds of
/// [`crate::filter`]. An empty text is an error too: leave the parameter out instead.
pub fn parse(text: &str) -> Result<Filter, FilterError> {
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("expected a filter of at most {TEXT_BYTES_MAX} bytes, found {} bytes", text.len());
        return Err(FilterError::new(1, message));
    }
    let mut lexer = Lexer::new(text);
    let (offset, token) = lexer.next()?;
    let mut parser = Parser { lexer, token, offset, depth: 0, terms: 0, in_value_filter: false };
    let filter = parser.disjunction()?;
    parser.close(&Token::End)?;
    Ok(filter)
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The token not yet consumed, and the byte offset it starts at.
    token: Token<'a>,
    offset: usize,
    depth: usize,
    terms: usize,
    /// Inside `[…]`, where RFC 7644 allows no further `[…]`.
    in_value_filter: bool,
}

enum Operator {
    Present,
    In,
    Compare(Op),
}

impl Parser<'_> {
    fn disjunction(&mut self) -> Result<Filter, FilterError> {
        self.joined("or", Filter::Or, Self::conjunction)
    }

    fn conjunction(&mut self) -> Result<Filter, FilterError> {
        self.joined("and", Filter::And, Self::term)
    }

    fn joined(
        &mut self,
        keyword: &str,
        join: fn(Vec<Filter>) -> Filter,
        part: fn(&mut Self) -> Result<Filter, FilterError>,
    ) -> Result<Filter, FilterError> {
        let first = part(self)?;
        if !self.token.is_keyword(keyword) {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.token.is_keyword(keyword) {
            self.advance()?;
            parts.push(part(self)?);
        }
        Ok(join(parts))
    }

    fn term(&mut self) -> Result<Filter, FilterError> {
        if self.token == Token::OpenParenthesis {
            return self.nested(&Token::CloseParenthesis);
        }
        if self.token.is_keyword("not") {
            self.advance()?;
            if self.token != Token::OpenParenthesis {
                return Err(self.expected("\"(\" after \"not\""));
            }
            let filter = self.nested(&Token::CloseParenthesis)?;
            return Ok(Filter::Not(Box::new(filter)));
        }
        self.attribute_expression()
    }

    /// From an opening `(` or `[` through its closing counterpart.
    fn nested(&mut self, closing: &Token) -> Result<Filter, FilterError> {
        if self.depth == DEPTH_MAX {
            let message =
                format!("expected at most {DEPTH_MAX} levels of nesting, found another {}", self.token.described());
            return Err(self.error(message));
        }
        self.depth += 1;
        self.advance()?;
        let filter = self.disjunction()?;
        self.close(closing)?;
        self.depth -= 1;
        Ok(filter)
    }

    fn attribute_expression(&mut self) -> Result<Filter, FilterError> {
        let path = self.path()?;
        if self.token == Token::OpenBracket {
            return self.value_filter(path);
        }
        match self.operator()? {
            Operator::Present => Ok(Filter::Present(path)),
            Operator::In => {
                let values = self.list()?;
                Ok(Filter::In { path, values })
            }
            Operator::Compare(op) => {
                let value = self.operand(op)?;
                Ok(Filter::Compare { path, op, value })
            }
        }
    }

    fn path(&mut self) -> Result<AttributePath, FilterError> {
        let is_reserved = self.token.is_keyword("and") || self.token.is_keyword("or");
        let word = match self.token {
            Token::Word(word) if !is_reserved => word,
            _ => return Err(self.expected("an attribute name, \"not\" or \"(\"")),
        };
        if self.terms == TERMS_MAX {
            let message =
                format!("expected at most {TERMS_MAX} attribute expressions, found another: {}", quoted(word));
            return Err(self.error(message));
        }
        self.terms += 1;
        let path = AttributePath::parse(word).map_err(|error| self.error(error.message))?;
        self.advance()?;
        Ok(path)
    }

    fn value_filter(&mut self, path: AttributePath) -> Result<Filter, FilterError> {
        if self.in_value_filter {
            return Err(self.expected("an operator (a \"[…]\" filter cannot hold another one)"));
        }
        self.in_value_filter = true;
        let filter = self.nested(&Token::CloseBracket)?;
        self.in_value_filter = false;
        Ok(Filter::Within { path, filter: Box::new(filter) })
    }

    fn operator(&mut self) -> Result<Operator, FilterError> {
        let expected = || format!("an operator ({})", OPERATORS.join(", "));
        let Token::Word(word) = self.token else {
            return Err(self.expected(&expected()));
        };
        let known = if word.eq_ignore_ascii_case("pr") {
            Some(Operator::Present)
        } else if word.eq_ignore_ascii_case("in") {
            Some(Operator::In)
        } else {
            let mut all = Op::ALL.into_iter();
            all.find(|op| word.eq_ignore_ascii_case(op.keyword())).map(Operator::Compare)
        };
        let Some(operator) = known else {
            let error = self.expected(&expected());
            return Err(match suggested_operator(word) {
                Some(meant) => {
                    FilterError { message: format!("{}: did you mean \"{meant}\"?", error.message), ..error }
                }
                None => error,
            });
        };
        self.advance()?;
        Ok(operator)
    }

    /// The value after a comparison operator. Order and substrings make no sense for the others
    /// (RFC 7644 section 3.4.2.2 has them fail).
    fn operand(&mut self, op: Op) -> Result<Literal, FilterError> {
        let allowed = |value: &Literal| match op {
            Op::Eq | Op::Ne => true,
            Op::Co | Op::Sw | Op::Ew => matches!(value, Literal::String(_)),
            Op::Gt | Op::Ge | Op::Lt | Op::Le => {
                matches!(value, Literal::String(_) | Literal::Number(_))
            }
        };
        let expected = match op {
            Op::Eq | Op::Ne => "a value (a string in double quotes, a number, true, false or null)",
            Op::Co | Op::Sw | Op::Ew => "a string in double quotes",
            Op::Gt | Op::Ge | Op::Lt | Op::Le => "a string in double quotes or a number",
        };
        match self.token.literal() {
            Some(value) if allowed(&value) => {
                self.advance()?;
                Ok(value)
            }
            _ => Err(self.expected(expected)),
        }
    }

    /// `["a","b"]`.
    fn list(&mut self) -> Result<Vec<Literal>, FilterError> {
        if self.token != Token::OpenBracket {
            return Err(self.expected("a list such as [\"a\",\"b\"] after \"in\""));
        }
        let mut values = Vec::new();
        loop {
            // The opening bracket, then each comma.
            self.advance()?;
            if values.len() == IN_VALUES_MAX {
                let message = format!("expected at most {IN_VALUES_MAX} values in a list");
                return Err(self.error(message));
            }
            match self.token.literal() {
                None | Some(Literal::Null) => {
                    return Err(
                        self.expected("a value of the list (a string in double quotes, a number, true or false)")
                    );
                }
                Some(value) => values.push(value),
            }
            self.advance()?;
            if self.token != Token::Comma {
                break;
            }
        }
        if self.token != Token::CloseBracket {
            return Err(self.expected("\",\" or \"]\""));
        }
        self.advance()?;
        Ok(values)
    }

    fn close(&mut self, closing: &Token) -> Result<(), FilterError> {
        if self.token != *closing {
            let expected = format!("\"and\", \"or\" or {}", closing.described());
            return Err(self.expected(&expected));
        }
        self.advance()
    }

    fn advance(&mut self) -> Result<(), FilterError> {
        (self.offset, self.token) = self.lexer.next()?;
        Ok(())
    }

    fn expected(&self, expected: &str) -> FilterError {
        self.error(format!("expected {expected}, found {}", self.token.described()))
    }

    fn error(&self, message: String) -> FilterError {
        self.lexer.error(self.offset, message)
    }
}

/// The operator most likely meant: a synonym, or the only one a single slip of the fingers away.
fn suggested_operator(word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    let synonym = OPERATOR_SYNONYMS.iter().find(|(typed, _)| *typed == word);
    if let Some((_, operator)) = synonym {
        return Some(operator);
    }
    let mut near = OPERATORS.into_iter().filter(|operator| strsim::osa_distance(operator, &word) == 1);
    match (near.next(), near.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}
