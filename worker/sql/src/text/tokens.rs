//! The token stream, with the bounds that must hold before anything recursive looks at it.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Whitespace};

use super::dialect::FlinkDialect;
use super::from_location;
use crate::error::{PlanError, Position};
use crate::limits::Limits;

/// The tokens of each statement, without white space, comments and semicolons.
pub(crate) fn statements(text: &str, limits: &Limits) -> Result<Vec<Vec<TokenWithSpan>>, PlanError> {
    if text.len() > limits.text_bytes {
        return Err(PlanError::new(Position::START, format!("the query has {} bytes, more than {}", text.len(), limits.text_bytes)));
    }
    let dialect = FlinkDialect::with_fuel(0);
    let tokens = Tokenizer::new(&dialect, text).tokenize_with_location().map_err(|error| {
        let at = from_location(error.location).unwrap_or(Position::START);
        unclosed(&error.message, at)
    })?;
    let mut statements = vec![Vec::new()];
    let mut count = 0;
    for token in tokens {
        let at = start(&token);
        match &token.token {
            Token::Whitespace(Whitespace::MultiLineComment(comment)) if comment.starts_with('+') => {
                return Err(PlanError::new(at, "query hints are not supported").hint("leave the /*+ … */ out"));
            }
            Token::Whitespace(_) | Token::EOF => continue,
            Token::SemiColon => {
                statements.push(Vec::new());
                continue;
            }
            Token::DoubleQuotedString(text) => {
                return Err(PlanError::new(at, format!("\"{text}\" is neither a name nor a string"))
                    .hint(format!("a name is written `{text}`, a string '{text}'")));
            }
            Token::SingleQuotedString(_) if follows_text(&statements) => {
                return Err(PlanError::new(at, "two texts stand beside each other").hint("write one text, or join them with ||"));
            }
            Token::Char(char) => return Err(no_sign(*char, at)),
            _ => {}
        }
        count += 1;
        if count > limits.tokens {
            return Err(PlanError::new(at, format!("the query has more than {} words and signs", limits.tokens)));
        }
        statements.last_mut().expect("it begins with one").push(token);
    }
    statements.retain(|statement| !statement.is_empty());
    statements.iter().try_for_each(|statement| check_nesting(statement, limits))?;
    Ok(statements)
}

/// The tokenizer's few complaints in our words.
fn unclosed(message: &str, at: Position) -> PlanError {
    let (what, instead) = match message {
        text if text.starts_with("Unterminated string") => ("the text is not closed", "write ' at its end; a ' within it is written ''"),
        text if text.contains("multi-line comment") => ("the comment is not closed", "write */ at its end"),
        text if text.contains("'`'") => ("the name is not closed", "write ` at its end"),
        text => return PlanError::new(at, lower_first(text.trim_end_matches('.'))),
    };
    PlanError::new(at, what).hint(instead)
}

/// Whether the last token is a text: Flink joins two of them, and the parser would take the second for a name.
fn follows_text(statements: &[Vec<TokenWithSpan>]) -> bool {
    statements.last().and_then(|statement| statement.last()).is_some_and(|last| matches!(last.token, Token::SingleQuotedString(_)))
}

/// A character that no word or sign of SQL begins with.
fn no_sign(char: char, at: Position) -> PlanError {
    let error = PlanError::new(at, format!("{char} (U+{:04X}) has no meaning in SQL", u32::from(char)));
    error.hint(match char {
        '\u{2018}'..='\u{201b}' | '\u{b4}' => "a text is written with straight quotes: 'AA'",
        '\u{201c}'..='\u{201f}' | '\u{ab}' | '\u{bb}' => "a text is written 'AA', a name `AA`",
        _ => "leave it out; where it belongs to a name, put the name in backticks",
    })
}

/// Where a token begins.
pub(crate) fn start(token: &TokenWithSpan) -> Position {
    from_location(token.span.start).unwrap_or(Position::START)
}

/// Whether the token is this keyword, unquoted.
pub(crate) fn is_keyword(token: Option<&TokenWithSpan>, keyword: Keyword) -> bool {
    matches!(token.map(|token| &token.token), Some(Token::Word(word)) if word.keyword == keyword && word.quote_style.is_none())
}

/// Parentheses and generic types may be nested only so deep. A subquery in two pairs of parentheses is refused because the parser tries
/// each such place twice, so that nested ones would take exponential time.
fn check_nesting(tokens: &[TokenWithSpan], limits: &Limits) -> Result<(), PlanError> {
    let (mut depth, mut generics) = (0_usize, 0_usize);
    for (index, token) in tokens.iter().enumerate() {
        match token.token {
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
            Token::Lt if index > 0 && is_nested_type(&tokens[index - 1]) => generics += 1,
            _ => {}
        }
        if depth > limits.depth || generics > limits.depth {
            return Err(PlanError::new(start(token), format!("more than {} levels of nesting", limits.depth)));
        }
        let opens = |offset: usize| index.checked_sub(offset).is_some_and(|index| tokens[index].token == Token::LParen);
        let begins_query = [Keyword::SELECT, Keyword::WITH, Keyword::FROM].iter().any(|keyword| is_keyword(Some(token), *keyword));
        let is_argument = index.checked_sub(3).is_some_and(|index| is_window_function(&tokens[index]));
        if begins_query && opens(1) && opens(2) && !is_argument {
            return Err(PlanError::new(start(token), "a subquery stands in two pairs of parentheses").hint("write one pair"));
        }
    }
    Ok(())
}

/// A window function takes a query in parentheses of its own.
fn is_window_function(token: &TokenWithSpan) -> bool {
    matches!(&token.token, Token::Word(word) if ["TUMBLE", "HOP"].iter().any(|name| word.value.eq_ignore_ascii_case(name)))
}

fn is_nested_type(token: &TokenWithSpan) -> bool {
    let Token::Word(word) = &token.token else { return false };
    ["ARRAY", "MAP", "ROW", "MULTISET", "STRUCT", "NESTED", "TUPLE", "LOWCARDINALITY", "NULLABLE", "TABLE"]
        .iter()
        .any(|name| word.value.eq_ignore_ascii_case(name))
}

/// First letter in lower case, as our messages are; a keyword stays.
pub(crate) fn lower_first(text: &str) -> String {
    if text.chars().nth(1).is_some_and(char::is_uppercase) {
        return text.to_owned();
    }
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}
