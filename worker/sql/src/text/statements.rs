//! The statements there are, each parsed from its own tokens.

use sqlparser::ast::{CreateTable, CreateView, Expr, Insert, Statement};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError, ParserOptions};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::dialect::FlinkDialect;
use super::tokens::{self, is_keyword, lower_first, start};
use super::watermark::{self, Watermark};
use crate::error::{PlanError, Position};
use crate::limits::Limits;

/// A statement and where it begins.
#[derive(Debug)]
pub(crate) enum Parsed {
    Insert(Position, Box<Insert>),
    View(Position, Box<CreateView>),
    Table(Position, Box<CreateTable>, Option<Watermark>),
}

impl Parsed {
    /// The name it makes known, and where.
    pub(crate) fn makes(&self) -> Option<(&str, Position)> {
        let (at, name) = match self {
            Self::Insert(..) => return None,
            Self::View(at, view) => (at, &view.name),
            Self::Table(at, table, _) => (at, &table.name),
        };
        match super::parts(name)?.as_slice() {
            [name] => Some((name.value.as_str(), *at)),
            _ => None,
        }
    }
}

/// Splits and parses a text of statements separated by semicolons.
pub(crate) fn parse(text: &str, limits: &Limits) -> Result<Vec<Parsed>, PlanError> {
    tokens::statements(text, limits)?.into_iter().map(|tokens| statement(tokens, limits)).collect()
}

fn statement(mut tokens: Vec<TokenWithSpan>, limits: &Limits) -> Result<Parsed, PlanError> {
    let at = start(&tokens[0]);
    let last = tokens.last().map_or(at, start);
    let word = |index: usize| match tokens.get(index).map(|token| &token.token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
        _ => String::new(),
    };
    if word(0) == "WITH" && tokens.iter().any(|token| is_keyword(Some(token), Keyword::INSERT)) {
        return Err(PlanError::new(at, "INSERT INTO stands before WITH").hint("write INSERT INTO topic WITH … SELECT …"));
    }
    allow(at, &[word(0), word(1), word(2)])?;
    let begins_create = is_keyword(tokens.first(), Keyword::CREATE);
    let clause = if begins_create { watermark::take(&mut tokens)? } else { None };
    let parsed = with_parser(tokens, last, limits, |parser| {
        let statement = parser.parse_statement()?;
        match parser.peek_token_ref().token {
            Token::EOF => Ok(statement),
            _ => parser.expected("end of statement or ;", parser.peek_token()),
        }
    })?;
    match (parsed, clause) {
        (Statement::Insert(insert), None) => Ok(Parsed::Insert(at, Box::new(insert))),
        (Statement::CreateView(view), None) => Ok(Parsed::View(at, Box::new(view))),
        (Statement::CreateTable(table), clause) => Ok(Parsed::Table(at, Box::new(table), clause)),
        _ => Err(PlanError::new(at, "this statement is not part of a pipeline").hint(ALLOWED)),
    }
}

const ALLOWED: &str = "a pipeline is made of INSERT INTO … SELECT …, CREATE VIEW and CREATE TABLE … WITH ('connector' = 'filesystem', …)";

/// Refuses by its first words what would otherwise be a riddle of the parser's.
fn allow(at: Position, words: &[String; 3]) -> Result<(), PlanError> {
    let refuse = |message: &str, hint: &str| Err(PlanError::new(at, message).hint(hint));
    match words.each_ref().map(String::as_str) {
        ["INSERT", "OVERWRITE", _] => refuse("INSERT OVERWRITE cannot be streamed", "write INSERT INTO"),
        ["INSERT", ..]
        | ["CREATE", "TABLE" | "VIEW", _]
        | ["CREATE", "TEMPORARY", "TABLE" | "VIEW"]
        | ["CREATE", "OR" | "MATERIALIZED", _] => Ok(()),
        ["SELECT" | "WITH" | "TABLE" | "VALUES" | "FROM", ..] => {
            refuse("the result of this query goes nowhere", "write INSERT INTO topic SELECT …, or CREATE VIEW name AS SELECT …")
        }
        ["EXECUTE" | "BEGIN", "STATEMENT", "SET"] | ["STATEMENT", "SET", _] | ["END", ..] => refuse(
            "a statement set is not needed",
            "all INSERT statements of a pipeline run together: leave BEGIN STATEMENT SET and END out",
        ),
        ["SET" | "RESET", ..] => refuse("SET is not supported", "settings are fields of the Pipeline resource"),
        ["UPDATE" | "DELETE" | "MERGE" | "TRUNCATE", ..] => {
            refuse(&format!("{} changes rows, and a stream only gets new ones", words[0]), ALLOWED)
        }
        ["CREATE", "FUNCTION", _] | ["CREATE", "TEMPORARY", "FUNCTION" | "SYSTEM"] => {
            refuse("functions of your own are not supported yet", ALLOWED)
        }
        _ => Err(PlanError::new(at, "this statement is not part of a pipeline").hint(ALLOWED)),
    }
}

/// One expression from tokens of its own.
pub(crate) fn expression(tokens: Vec<TokenWithSpan>, at: Position, limits: &Limits) -> Result<Expr, PlanError> {
    with_parser(tokens, at, limits, |parser| {
        let expression = parser.parse_expr()?;
        match parser.peek_token_ref().token {
            Token::EOF => Ok(expression),
            _ => parser.expected("end of expression", parser.peek_token()),
        }
    })
}

fn with_parser<T>(
    tokens: Vec<TokenWithSpan>,
    last: Position,
    limits: &Limits,
    parse: impl FnOnce(&mut Parser) -> Result<T, ParserError>,
) -> Result<T, PlanError> {
    let dialect = FlinkDialect::with_fuel(1_000 + 20 * tokens.len());
    let options = ParserOptions::new().with_unescape(true);
    let mut parser =
        Parser::new(&dialect).with_options(options).with_recursion_limit(4 * limits.depth + 50).with_tokens_with_locations(tokens);
    let parsed = parse(&mut parser);
    parsed.map_err(|error| {
        let here = Some(start(parser.peek_token_ref())).filter(|_| parser.peek_token_ref().token != Token::EOF);
        explain(&error, here.unwrap_or(last), last)
    })
}

/// The parser says the place in its text.
fn explain(error: &ParserError, here: Position, last: Position) -> PlanError {
    let text = match error {
        ParserError::RecursionLimitExceeded => {
            return PlanError::new(here, "the statement is nested too deep").hint("move parts of it into views");
        }
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
    };
    let (message, at) = match text.rsplit_once(" at Line: ") {
        Some((message, place)) => (message, place_of(place).unwrap_or(last)),
        None => (text.as_str(), if text.contains("EOF") { last } else { here }),
    };
    let error = PlanError::new(at, lower_first(&message.replace("found: EOF", "found the end of the statement")));
    match message.contains("after column definition") {
        true => error.hint("a column is a name, a type and NOT NULL; what is computed or METADATA is selected in a view"),
        false => error,
    }
}

fn place_of(place: &str) -> Option<Position> {
    let (line, column) = place.split_once(", Column: ")?;
    Some(Position { line: line.trim().parse().ok()?, column: column.trim().parse().ok()? })
}
