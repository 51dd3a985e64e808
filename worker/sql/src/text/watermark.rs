//! `WATERMARK FOR column AS expression` inside CREATE TABLE, which the parser does not know: it is taken out of the token stream.

use sqlparser::ast::Ident;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::tokens::{is_keyword, start};
use crate::error::{PlanError, Position};

/// One clause, not yet understood.
#[derive(Debug)]
pub(crate) struct Watermark {
    pub(crate) at: Position,
    pub(crate) column: Ident,
    /// The tokens after AS.
    pub(crate) expression: Vec<TokenWithSpan>,
}

/// Removes the clause (and the comma that goes with it) from the tokens of a CREATE TABLE statement.
pub(crate) fn take(tokens: &mut Vec<TokenWithSpan>) -> Result<Option<Watermark>, PlanError> {
    let Some(first) = (0..tokens.len()).find(|index| begins(tokens, *index)) else { return Ok(None) };
    let at = start(&tokens[first]);
    let wrong = || PlanError::new(at, "this WATERMARK cannot be read").hint("write WATERMARK FOR ts AS ts - INTERVAL '5' SECOND");
    let Some(Token::Word(word)) = tokens.get(first + 2).map(|token| &token.token) else { return Err(wrong()) };
    let column = word.to_ident(tokens[first + 2].span);
    if !is_keyword(tokens.get(first + 3), Keyword::AS) {
        return Err(wrong());
    }
    let end = end_of_item(tokens, first + 4).ok_or_else(wrong)?;
    let (from, to) = match tokens[first - 1].token {
        Token::Comma => (first - 1, end),
        _ if tokens[end].token == Token::Comma => (first, end + 1),
        _ => (first, end),
    };
    let clause = tokens.drain(from..to).collect::<Vec<_>>();
    let body = first + 4 - from;
    let expression = clause[body..body + (end - (first + 4))].to_vec();
    match (0..tokens.len()).find(|index| begins(tokens, *index)) {
        Some(second) => Err(PlanError::new(start(&tokens[second]), "a table has one WATERMARK")),
        None => Ok(Some(Watermark { at, column, expression })),
    }
}

/// `WATERMARK FOR` at the beginning of a column or constraint.
fn begins(tokens: &[TokenWithSpan], index: usize) -> bool {
    let named =
        matches!(&tokens[index].token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("WATERMARK"));
    named && index > 0 && matches!(tokens[index - 1].token, Token::LParen | Token::Comma) && is_keyword(tokens.get(index + 1), Keyword::FOR)
}

/// The comma or closing parenthesis that ends the item which begins here.
fn end_of_item(tokens: &[TokenWithSpan], begin: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(begin) {
        match token.token {
            Token::LParen => depth += 1,
            Token::Comma if depth == 0 => return Some(index),
            Token::RParen => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return Some(index),
            },
            _ => {}
        }
    }
    None
}
