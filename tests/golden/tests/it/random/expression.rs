//! Random expressions in two languages.
//!
//! Kept to what Flink and DataFusion answer alike: integers stay small (theirs wraps), DOUBLE is a multiple of a power of two where it is
//! summed (in any order) and never -0.0 (theirs is less than 0.0), no division by zero that is not guarded.

use crate::rows::Random;

/// What a value is, and how it may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// INT or BIGINT.
    Number,
    /// DOUBLE whose sums are exact.
    Exact,
    /// Another DOUBLE.
    Mean,
    Text,
    Truth,
    /// TIMESTAMP(3).
    Moment,
}

impl Kind {
    const ALL: [Self; 6] = [Self::Number, Self::Exact, Self::Mean, Self::Text, Self::Truth, Self::Moment];

    pub fn any(random: &mut Random) -> Self {
        random.pick(&Self::ALL)
    }

    /// The type of a column that takes it.
    pub fn sql(self) -> &'static str {
        match self {
            Self::Number => "BIGINT",
            Self::Exact | Self::Mean => "DOUBLE",
            Self::Text => "STRING",
            Self::Truth => "BOOLEAN",
            Self::Moment => "TIMESTAMP(3)",
        }
    }
}

/// How tight an operator binds in Flink.
type Level = u8;
const OR: Level = 1;
const AND: Level = 2;
const NOT: Level = 3;
const IS: Level = 4;
const COMPARE: Level = 5;
const WITHIN: Level = 6;
const SUM: Level = 7;
const PRODUCT: Level = 8;
const ATOM: Level = 9;

/// The same expression for us and for DataFusion.
#[derive(Clone, Debug)]
pub struct Expression {
    pub kind: Kind,
    pub stream: String,
    pub batch: String,
    level: Level,
    /// No NUMBER is greater, with or without its sign.
    bound: i64,
}

/// A column that expressions may name.
pub type Column = Expression;

const BOUND_MAX: i64 = 1_000_000_000;

impl Expression {
    pub fn column(kind: Kind, name: &str, bound: i64) -> Self {
        Self { kind, stream: name.to_owned(), batch: name.to_owned(), level: ATOM, bound }
    }

    pub fn bound(&self) -> i64 {
        self.bound
    }

    /// The same text in both.
    fn constant(kind: Kind, text: &str, bound: i64) -> Self {
        Self::column(kind, text, bound)
    }

    /// A call, or what else stands by itself.
    pub fn atom(kind: Kind, stream: String, batch: String, bound: i64) -> Self {
        Self { kind, stream, batch, level: ATOM, bound }
    }

    fn operator(kind: Kind, level: Level, stream: String, batch: String, bound: i64) -> Self {
        Self { kind, stream, batch: format!("({batch})"), level, bound }
    }

    /// For us, in parentheses only where it binds less than `least`.
    fn within(&self, least: Level) -> String {
        if self.level < least { format!("({})", self.stream) } else { self.stream.clone() }
    }

    fn binary(kind: Kind, level: Level, left: &Self, sign: &str, right: &Self, bound: i64) -> Self {
        let stream = format!("{} {sign} {}", left.within(level), right.within(level + 1));
        Self::operator(kind, level, stream, format!("{} {sign} {}", left.batch, right.batch), bound)
    }
}

/// Makes expressions over some columns.
pub struct Maker<'a> {
    pub random: &'a mut Random,
    pub columns: &'a [Column],
}

impl Maker<'_> {
    /// Of this kind, at most so deep.
    pub fn make(&mut self, kind: Kind, depth: usize) -> Expression {
        if depth == 0 || self.random.once_in(5) {
            return self.leaf(kind);
        }
        let depth = depth - 1;
        match self.random.below(8) {
            0 => self.case(kind, depth),
            1 => self.first_known(kind, depth),
            2 if kind != Kind::Moment => self.unless_equal(kind, depth),
            _ => match kind {
                Kind::Number => self.number(depth),
                Kind::Exact => self.exact(depth),
                Kind::Mean => self.mean(depth),
                Kind::Text => self.text(depth),
                Kind::Truth => self.truth(depth),
                Kind::Moment => self.moment(depth),
            },
        }
    }

    fn leaf(&mut self, kind: Kind) -> Expression {
        let known: Vec<&Column> = self.columns.iter().filter(|column| column.kind == kind).collect();
        if !known.is_empty() && !self.random.once_in(4) {
            return known[usize::try_from(self.random.below(known.len() as u64)).expect("small")].clone();
        }
        match kind {
            Kind::Number => {
                let number = i64::from(self.random.between(2, 100));
                Expression::constant(kind, &number.to_string(), number)
            }
            Kind::Exact => Expression::constant(kind, self.random.pick(&["1.5e0", "0.25e0", "100e0"]), 0),
            Kind::Mean => Expression::constant(kind, self.random.pick(&["0.1e0", "33.3e0"]), 0),
            Kind::Text => Expression::constant(kind, self.random.pick(&["'late'", "''", "'a_b'", "'Ünited'", "'it''s'", "'EWR'"]), 0),
            Kind::Truth => Expression::constant(kind, self.random.pick(&["TRUE", "FALSE"]), 0),
            Kind::Moment => {
                let text = self.random.pick(&["TIMESTAMP '1970-01-01 00:00:00'", "TIMESTAMP '1970-01-02 03:04:05.678'"]);
                Expression::constant(kind, text, 0)
            }
        }
    }

    fn case(&mut self, kind: Kind, depth: usize) -> Expression {
        let (mut stream, mut batch) = ("CASE".to_owned(), "CASE".to_owned());
        let subject = self.random.once_in(2).then(|| (Kind::Number, self.make(Kind::Number, depth)));
        if let Some((_, subject)) = &subject {
            stream += &format!(" {}", subject.stream);
            batch += &format!(" {}", subject.batch);
        }
        let mut bound = 0;
        for _ in 0..=self.random.below(2) {
            let (when, then) = (self.make(subject.as_ref().map_or(Kind::Truth, |(kind, _)| *kind), depth), self.make(kind, depth));
            stream += &format!(" WHEN {} THEN {}", when.stream, then.stream);
            batch += &format!(" WHEN {} THEN {}", when.batch, then.batch);
            bound = bound.max(then.bound);
        }
        if !self.random.once_in(3) {
            let otherwise = self.make(kind, depth);
            stream += &format!(" ELSE {}", otherwise.stream);
            batch += &format!(" ELSE {}", otherwise.batch);
            bound = bound.max(otherwise.bound);
        }
        Expression::atom(kind, stream + " END", batch + " END", bound)
    }

    fn first_known(&mut self, kind: Kind, depth: usize) -> Expression {
        let (left, right) = (self.make(kind, depth), self.make(kind, depth));
        let bound = left.bound.max(right.bound);
        Expression::atom(
            kind,
            format!("COALESCE({}, {})", left.stream, right.stream),
            format!("coalesce({}, {})", left.batch, right.batch),
            bound,
        )
    }

    fn unless_equal(&mut self, kind: Kind, depth: usize) -> Expression {
        let (left, right) = (self.make(kind, depth), self.make(kind, depth));
        let stream = format!("NULLIF({}, {})", left.stream, right.stream);
        Expression::atom(kind, stream, format!("nullif({}, {})", left.batch, right.batch), left.bound)
    }

    fn number(&mut self, depth: usize) -> Expression {
        let left = self.make(Kind::Number, depth);
        match self.random.below(9) {
            0 | 1 => {
                let right = self.make(Kind::Number, depth);
                let bound = left.bound.saturating_add(right.bound);
                let sign = self.random.pick(&["+", "-"]);
                if bound > BOUND_MAX { left } else { Expression::binary(Kind::Number, SUM, &left, sign, &right, bound) }
            }
            2 => {
                let right = self.leaf(Kind::Number);
                let bound = left.bound.saturating_mul(right.bound);
                if bound > BOUND_MAX { left } else { Expression::binary(Kind::Number, PRODUCT, &left, "*", &right, bound) }
            }
            3 => {
                let right = self.leaf(Kind::Number);
                let divisor = Expression::atom(
                    Kind::Number,
                    format!("NULLIF({}, 0)", right.stream),
                    format!("nullif({}, 0)", right.batch),
                    right.bound,
                );
                let sign = self.random.pick(&["/", "%"]);
                Expression::binary(Kind::Number, PRODUCT, &left, sign, &divisor, left.bound)
            }
            4 => {
                let text = self.make(Kind::Text, depth);
                let (stream, batch) = (&text.stream, &text.batch);
                Expression::atom(Kind::Number, format!("CHAR_LENGTH({stream})"), format!("character_length({batch})"), 10_000)
            }
            5 => {
                let text = self.make(Kind::Text, depth);
                let part = self.random.pick(&["'a'", "'t'", "'%'"]);
                Expression::atom(
                    Kind::Number,
                    format!("POSITION({part} IN {})", text.within(SUM)),
                    format!("strpos({}, {part})", text.batch),
                    10_000,
                )
            }
            6 => {
                let moment = self.make(Kind::Moment, depth);
                let (ours, theirs) =
                    self.random.pick(&[("HOUR", "hour"), ("DAY", "day"), ("MONTH", "month"), ("YEAR", "year"), ("DOY", "doy")]);
                Expression::atom(
                    Kind::Number,
                    format!("EXTRACT({ours} FROM {})", moment.stream),
                    format!("CAST(date_part('{theirs}', {}) AS BIGINT)", moment.batch),
                    10_000,
                )
            }
            7 => {
                let text = format!("TRY_CAST(CAST({} AS STRING) AS BIGINT)", left.stream);
                Expression::atom(Kind::Number, text, format!("TRY_CAST(CAST({} AS VARCHAR) AS BIGINT)", left.batch), left.bound)
            }
            _ => Expression::atom(Kind::Number, format!("ABS({})", left.stream), format!("abs({})", left.batch), left.bound),
        }
    }

    fn exact(&mut self, depth: usize) -> Expression {
        match self.random.below(4) {
            0 => {
                let number = self.make(Kind::Number, depth);
                let cast = |text: &str| format!("CAST({text} AS DOUBLE)");
                Expression::atom(Kind::Exact, cast(&number.stream), cast(&number.batch), 0)
            }
            1 => {
                let left = self.make(Kind::Exact, depth);
                let half = Expression::constant(Kind::Exact, "2e0", 0);
                Expression::binary(Kind::Exact, PRODUCT, &left, self.random.pick(&["/", "*"]), &half, 0)
            }
            _ => {
                let (left, right) = (self.make(Kind::Exact, depth), self.make(Kind::Exact, depth));
                Expression::binary(Kind::Exact, SUM, &left, self.random.pick(&["+", "-"]), &right, 0)
            }
        }
    }

    fn mean(&mut self, depth: usize) -> Expression {
        let kind = self.random.pick(&[Kind::Exact, Kind::Mean]);
        let left = self.make(kind, depth);
        let right = self.make(Kind::Mean, depth);
        Expression::binary(Kind::Mean, SUM, &left, self.random.pick(&["+", "-"]), &right, 0)
    }

    fn text(&mut self, depth: usize) -> Expression {
        let text = self.make(Kind::Text, depth);
        let (stream, batch) = (&text.stream, &text.batch);
        let same = |ours: String, theirs: String| Expression::atom(Kind::Text, ours, theirs, 0);
        match self.random.below(9) {
            0 => {
                let right = self.make(Kind::Text, depth);
                Expression::binary(Kind::Text, PRODUCT, &text, "||", &right, 0)
            }
            1 => {
                let name = self.random.pick(&["UPPER", "LOWER", "REVERSE"]);
                same(format!("{name}({stream})"), format!("{}({batch})", name.to_lowercase()))
            }
            2 => same(format!("TRIM({stream})"), format!("btrim({batch})")),
            3 => {
                let (from, count) = (self.random.between(1, 5), self.random.between(0, 5));
                same(format!("SUBSTRING({stream}, {from}, {count})"), format!("substr({batch}, {from}, {count})"))
            }
            4 => {
                let (name, count) = (self.random.pick(&["LEFT", "RIGHT"]), self.random.between(0, 6));
                same(format!("{name}({stream}, {count})"), format!("{}({batch}, {count})", name.to_lowercase()))
            }
            5 => {
                let (name, count) = (self.random.pick(&["LPAD", "RPAD"]), self.random.between(0, 12));
                same(format!("{name}({stream}, {count}, 'xé')"), format!("{}({batch}, {count}, 'xé')", name.to_lowercase()))
            }
            6 => same(format!("REPLACE({stream}, 'a', '<>')"), format!("replace({batch}, 'a', '<>')")),
            7 => {
                let number = self.make(Kind::Number, depth);
                same(format!("CAST({} AS STRING)", number.stream), format!("CAST({} AS VARCHAR)", number.batch))
            }
            _ => {
                let right = self.make(Kind::Text, depth);
                same(format!("CONCAT_WS('-', {stream}, {})", right.stream), format!("concat_ws('-', {batch}, {})", right.batch))
            }
        }
    }

    fn truth(&mut self, depth: usize) -> Expression {
        let operand = Kind::any(self.random);
        match self.random.below(10) {
            0 | 1 => {
                let (left, right) = (self.make(Kind::Truth, depth), self.make(Kind::Truth, depth));
                let (sign, level) = self.random.pick(&[("AND", AND), ("OR", OR)]);
                Expression::binary(Kind::Truth, level, &left, sign, &right, 0)
            }
            2 => {
                let inner = self.make(Kind::Truth, depth);
                Expression::operator(Kind::Truth, NOT, format!("NOT {}", inner.within(NOT)), format!("NOT {}", inner.batch), 0)
            }
            3 => {
                let inner = self.make(operand, depth);
                let test = self.random.pick(&["IS NULL", "IS NOT NULL"]);
                Expression::operator(Kind::Truth, IS, format!("{} {test}", inner.within(IS)), format!("{} {test}", inner.batch), 0)
            }
            4 => {
                let inner = self.make(Kind::Truth, depth);
                let test = self.random.pick(&["IS TRUE", "IS NOT TRUE", "IS FALSE", "IS NOT FALSE", "IS UNKNOWN", "IS NOT UNKNOWN"]);
                Expression::operator(Kind::Truth, IS, format!("{} {test}", inner.within(IS)), format!("{} {test}", inner.batch), 0)
            }
            5 => {
                let (value, low, high) = (self.make(operand, depth), self.make(operand, depth), self.make(operand, depth));
                let not = self.random.pick(&["", "NOT "]);
                let stream = format!("{} {not}BETWEEN {} AND {}", value.within(SUM), low.within(SUM), high.within(SUM));
                let batch = format!("{} {not}BETWEEN {} AND {}", value.batch, low.batch, high.batch);
                Expression::operator(Kind::Truth, WITHIN, stream, batch, 0)
            }
            6 => {
                let (kind, list) = self.random.pick(&[
                    (Kind::Number, "(1, 5, 20, 100)"),
                    (Kind::Number, "(3, NULL)"),
                    (Kind::Text, "('AA', 'EWR', 'late')"),
                    (Kind::Text, "('', NULL)"),
                ]);
                let (value, not) = (self.make(kind, depth), self.random.pick(&["", "NOT "]));
                let stream = format!("{} {not}IN {list}", value.within(SUM));
                Expression::operator(Kind::Truth, WITHIN, stream, format!("{} {not}IN {list}", value.batch), 0)
            }
            7 => {
                let (value, not) = (self.make(Kind::Text, depth), self.random.pick(&["", "NOT "]));
                let pattern = self.random.pick(&["'%a%'", "'_A'", "'l%'", "'%'", "''", "'%_b'", "'A_'", "'%e'"]);
                let stream = format!("{} {not}LIKE {pattern}", value.within(SUM));
                Expression::operator(Kind::Truth, WITHIN, stream, format!("{} {not}LIKE {pattern}", value.batch), 0)
            }
            8 => {
                let (left, right) = (self.make(operand, depth), self.make(operand, depth));
                let sign = self.random.pick(&["IS DISTINCT FROM", "IS NOT DISTINCT FROM"]);
                // We refuse a chain of them without parentheses.
                let stream = format!("{} {sign} {}", left.within(WITHIN), right.within(WITHIN));
                Expression::operator(Kind::Truth, COMPARE, stream, format!("{} {sign} {}", left.batch, right.batch), 0)
            }
            _ => {
                let (left, right) = (self.make(operand, depth), self.make(operand, depth));
                let sign = self.random.pick(&["=", "<>", "<", "<=", ">", ">="]);
                Expression::binary(Kind::Truth, COMPARE, &left, sign, &right, 0)
            }
        }
    }

    fn moment(&mut self, depth: usize) -> Expression {
        let moment = self.make(Kind::Moment, depth);
        if self.random.once_in(2) {
            let unit = self.random.pick(&["HOUR", "DAY", "MONTH", "MINUTE"]);
            // INTERVAL '1' DAY TO MINUTE is one interval, in Flink too.
            let stream = format!("FLOOR({} TO {unit})", moment.within(PRODUCT));
            return Expression::atom(Kind::Moment, stream, format!("date_trunc('{}', {})", unit.to_lowercase(), moment.batch), 0);
        }
        let (sign, count) = (self.random.pick(&["+", "-"]), self.random.between(1, 50));
        let (ours, theirs) = self.random.pick(&[("HOUR", "hours"), ("DAY", "days"), ("MINUTE", "minutes")]);
        let stream = format!("{} {sign} INTERVAL '{count}' {ours}", moment.within(SUM));
        Expression::operator(Kind::Moment, SUM, stream, format!("{} {sign} INTERVAL '{count} {theirs}'", moment.batch), 0)
    }
}
