//! Flink's dialect for the parser: backticks, `TABLE t` as an argument, `name => value`, `FILTER (WHERE …)`.

use std::any::TypeId;
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlparser::ast::Expr;
use sqlparser::dialect::Dialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

/// Also bounds the work of the parser: where the grammar is ambiguous it goes back and tries again, and nested ambiguities would multiply.
#[derive(Debug)]
pub(crate) struct FlinkDialect {
    fuel: AtomicUsize,
}

impl FlinkDialect {
    pub(crate) fn with_fuel(prefixes: usize) -> Self {
        Self { fuel: AtomicUsize::new(prefixes) }
    }

    fn burn(&self) -> bool {
        self.fuel.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |fuel| fuel.checked_sub(1)).is_ok()
    }
}

impl Dialect for FlinkDialect {
    fn dialect(&self) -> TypeId {
        TypeId::of::<Self>()
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_' || ch == '$'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '_' || ch == '$'
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '`'
    }

    fn identifier_quote_style(&self, _identifier: &str) -> Option<char> {
        Some('`')
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_named_fn_args_with_rarrow_operator(&self) -> bool {
        true
    }

    fn supports_table_versioning(&self) -> bool {
        true
    }

    /// As in Flink; also, the value of an interval then counts against the recursion limit.
    fn require_interval_qualifier(&self) -> bool {
        true
    }

    /// `TABLE name` stands as an argument of a table function; it becomes a name with the prefix `TABLE`.
    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        if !self.burn() {
            return Some(Err(ParserError::RecursionLimitExceeded));
        }
        let table = parser.peek_token_ref();
        let is_table = matches!(&table.token, Token::Word(word) if word.keyword == Keyword::TABLE && word.quote_style.is_none());
        if !is_table || !matches!(parser.peek_nth_token_ref(1).token, Token::Word(_)) {
            return None;
        }
        let span = table.span;
        parser.next_token();
        Some(parser.parse_object_name(false).map(|name| Expr::Prefixed {
            prefix: sqlparser::ast::Ident::with_span(span, "TABLE"),
            value: Box::new(Expr::CompoundIdentifier(name.0.into_iter().filter_map(|part| part.as_ident().cloned()).collect())),
        }))
    }
}
