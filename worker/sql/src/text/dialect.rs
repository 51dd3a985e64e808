//! Flink's dialect for the parser: backticks, `TABLE t` as an argument, `name => value`, `FILTER (WHERE …)`, which operator binds tighter.

use std::any::TypeId;
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlparser::ast::Expr;
use sqlparser::dialect::{AnsiDialect, Dialect, Precedence};
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

/// Whether IS DISTINCT FROM stands at the left of an expression, outside of parentheses.
fn begins_with_distinction(mut expression: &Expr) -> bool {
    loop {
        expression = match expression {
            Expr::IsDistinctFrom(..) | Expr::IsNotDistinctFrom(..) => return true,
            Expr::BinaryOp { left: inner, .. }
            | Expr::IsNull(inner)
            | Expr::IsNotNull(inner)
            | Expr::IsTrue(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsFalse(inner)
            | Expr::IsNotFalse(inner)
            | Expr::IsUnknown(inner)
            | Expr::IsNotUnknown(inner)
            | Expr::Between { expr: inner, .. }
            | Expr::InList { expr: inner, .. }
            | Expr::Like { expr: inner, .. }
            | Expr::Cast { expr: inner, .. } => inner,
            _ => return false,
        }
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

    /// So that GROUPING SETS can be refused by their name.
    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_table_versioning(&self) -> bool {
        true
    }

    /// As in Flink; also, the value of an interval then counts against the recursion limit.
    fn require_interval_qualifier(&self) -> bool {
        true
    }

    /// As in Flink, IN, LIKE and BETWEEN bind tighter than comparisons: `a = b IN (c)` is `a = (b IN (c))`. The parser has them the other way.
    fn prec_value(&self, precedence: Precedence) -> u8 {
        let usual = |precedence| AnsiDialect {}.prec_value(precedence);
        match precedence {
            Precedence::Between | Precedence::Like => usual(Precedence::Eq) + 1,
            other => usual(other),
        }
    }

    /// What follows IS [NOT] DISTINCT FROM is an operand like that of `=`. The parser takes all that is left, with its AND and OR.
    fn parse_infix(&self, parser: &mut Parser, left: &Expr, _precedence: u8) -> Option<Result<Expr, ParserError>> {
        use Keyword::{DISTINCT, FROM, IS, NOT};
        let negated = parser.parse_keywords(&[IS, NOT, DISTINCT, FROM]);
        if !negated && !parser.parse_keywords(&[IS, DISTINCT, FROM]) {
            return None;
        }
        if begins_with_distinction(left) {
            // Each of a chain would copy all before it.
            return Some(Err(ParserError::ParserError("IS DISTINCT FROM stands once without parentheses".to_owned())));
        }
        let left = Box::new(left.clone());
        let right = parser.parse_subexpr(self.prec_value(Precedence::Eq)).map(Box::new);
        Some(right.map(|right| if negated { Expr::IsNotDistinctFrom(left, right) } else { Expr::IsDistinctFrom(left, right) }))
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
