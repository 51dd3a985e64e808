//! Random queries: views over views, unions, windows, windows over windows.

use super::expression::{Column, Expression, Kind, Maker};
use crate::rows::Random;

/// A query for us and for DataFusion, and the columns it writes.
pub struct Query {
    pub stream: String,
    pub batch: String,
    /// `name TYPE; …`
    pub into: String,
}

/// A table or view of both texts.
#[derive(Clone)]
struct Relation {
    name: String,
    columns: Vec<Column>,
    /// The event time; in the batch, `seen` is beside it.
    time: &'static str,
}

/// A SELECT in both languages, and its columns, whose names are used only once: DataFusion finds aliases in HAVING.
struct Select {
    stream: String,
    batch: String,
    columns: Vec<Column>,
}

/// The windows of one TUMBLE or HOP, in minutes.
#[derive(Clone, Copy)]
struct Windows {
    size: i32,
    slide: i32,
    offset: i32,
}

struct Writer<'a> {
    random: &'a mut Random,
    stream: String,
    batch: String,
    selects: usize,
}

/// As many rows of one group as there can be.
const ROWS_MAX: i64 = 10_000;

impl Query {
    pub fn random(random: &mut Random) -> Self {
        let mut writer = Writer { random, stream: String::new(), batch: String::new(), selects: 0 };
        let mut relation = flights();
        for _ in 0..writer.random.below(3) {
            relation = writer.rows_view(&relation);
        }
        let last = match writer.random.below(6) {
            0 => writer.rows(&relation, &[], false),
            1 => {
                let kinds = [Kind::any(writer.random), Kind::any(writer.random)];
                writer.union(&relation, &flights(), &kinds)
            }
            2 => {
                let windowed = writer.windows_view(&relation);
                writer.rows(&windowed, &[], false)
            }
            3 => {
                let windowed = writer.windows_view(&relation);
                let again = writer.windows_view(&windowed);
                writer.rows(&again, &[], false)
            }
            4 => {
                let windowed = writer.windows_view(&relation);
                writer.same_window(&windowed)
            }
            _ => {
                let (left, right) = (writer.windows_view(&relation), writer.windows_view(&flights()));
                let kinds = [Kind::Number, Kind::Text, Kind::Moment];
                writer.union(&left, &right, &kinds)
            }
        };
        let into = last.columns.iter().map(|column| format!("{} {}", column.stream, column.kind.sql()));
        Self {
            into: into.collect::<Vec<_>>().join("; "),
            stream: format!("{}INSERT INTO `result` {}", writer.stream, last.stream),
            batch: format!("{}{}", writer.batch, last.batch),
        }
    }
}

fn flights() -> Relation {
    let column = |kind, name, bound| Expression::column(kind, name, bound);
    let columns = vec![
        column(Kind::Text, "carrier", 0),
        column(Kind::Text, "origin", 0),
        column(Kind::Text, "note", 0),
        column(Kind::Number, "delay", 200),
        column(Kind::Number, "distance", 5),
        column(Kind::Exact, "air_time", 0),
        column(Kind::Moment, "departed", 0),
    ];
    Relation { name: "flights".to_owned(), columns, time: "departed" }
}

impl Writer<'_> {
    fn make(&mut self, columns: &[Column], kind: Kind, depth: usize) -> Expression {
        Maker { random: self.random, columns }.make(kind, depth)
    }

    /// ` WHERE …`, or nothing.
    fn condition(&mut self, columns: &[Column]) -> (String, String) {
        if self.random.once_in(3) {
            return (String::new(), String::new());
        }
        let condition = self.make(columns, Kind::Truth, 3);
        (format!(" WHERE {}", condition.stream), format!(" WHERE {}", condition.batch))
    }

    /// Expressions of these kinds (or any) and the time if wanted, with `seen` beside it in the batch.
    fn rows(&mut self, of: &Relation, kinds: &[Kind], with_time: bool) -> Select {
        let any = 2 + self.random.below(3) as usize;
        let kinds: Vec<Kind> = if kinds.is_empty() { (0..any).map(|_| Kind::any(self.random)).collect() } else { kinds.to_vec() };
        let items: Vec<Expression> = kinds.iter().map(|kind| self.make(&of.columns, *kind, 3)).collect();
        let columns = self.named(&items);
        let (ours, theirs) =
            if with_time { (format!(", {}", of.time), format!(", {}, seen", of.time)) } else { (String::new(), String::new()) };
        let (where_ours, where_theirs) = self.condition(&of.columns);
        Select {
            stream: format!("SELECT {}{ours} FROM {}{where_ours}", list(&items, &columns, |item| &item.stream), of.name),
            batch: format!("SELECT {}{theirs} FROM {}{where_theirs}", list(&items, &columns, |item| &item.batch), of.name),
            columns,
        }
    }

    /// Columns of new names for expressions.
    fn named(&mut self, items: &[Expression]) -> Vec<Column> {
        self.selects += 1;
        let name = |index: usize| format!("q{}c{index}", self.selects);
        items.iter().enumerate().map(|(index, item)| Expression::column(item.kind, &name(index), item.bound())).collect()
    }

    fn union(&mut self, left: &Relation, right: &Relation, kinds: &[Kind]) -> Select {
        let (left, right) = (self.rows(left, kinds, false), self.rows(right, kinds, false));
        united(left, right)
    }

    /// A view of rows with their time.
    fn rows_view(&mut self, of: &Relation) -> Relation {
        let mut select = self.rows(of, &[], true);
        if self.random.once_in(3) {
            let kinds: Vec<Kind> = select.columns.iter().map(|column| column.kind).collect();
            select = united(select, self.rows(of, &kinds, true));
        }
        let name = self.view(&select);
        let columns = select.columns.into_iter().chain([Expression::column(Kind::Moment, of.time, 0)]).collect();
        Relation { name, columns, time: of.time }
    }

    fn view(&mut self, select: &Select) -> String {
        self.selects += 1;
        let name = format!("v{}", self.selects);
        self.stream += &format!("CREATE VIEW {name} AS {};\n", select.stream);
        self.batch += &format!("CREATE VIEW {name} AS {};\n", select.batch);
        name
    }

    fn windows(&mut self) -> Windows {
        let (slide, size) = self.random.pick(&[(60, 60), (360, 360), (1_440, 1_440), (7, 7), (40, 90), (60, 180), (15, 60), (720, 1_440)]);
        Windows { size, slide, offset: self.random.pick(&[0, 0, 15, -5]) }
    }

    /// A view of groups per window, then `s`, `e` and the time of the window, `closed`.
    fn windows_view(&mut self, of: &Relation) -> Relation {
        let windows = self.windows();
        let mut columns = of.columns.clone();
        columns.push(Expression::column(Kind::Moment, "window_start", 0));
        let (where_ours, where_theirs) = match self.random.once_in(4) {
            true => self.condition(&columns),
            false => self.condition(&of.columns),
        };
        let rows = (format!("{}{where_ours}", windows.stream(of)), format!("{}{where_theirs}", windows.batch(of)));
        let select = self.groups(&of.columns, &rows, ("window_start, window_end, window_time", "window_start, window_end"));
        let stream =
            format!("SELECT {}, window_start AS s, window_end AS e, window_time AS closed FROM {}", select.stream.0, select.stream.1);
        let batch = format!(
            "SELECT {}, window_start AS s, window_end AS e, window_end - INTERVAL '1 millisecond' AS closed, TIMESTAMP '1700-01-01 00:00:00' AS seen FROM {}",
            select.batch.0, select.batch.1
        );
        let times = ["s", "e", "closed"].map(|name| Expression::column(Kind::Moment, name, 0));
        let columns = select.columns.into_iter().chain(times).collect();
        let select = Select { stream, batch, columns };
        Relation { name: self.view(&select), columns: select.columns, time: "closed" }
    }

    /// Groups of groups in the window they have already.
    fn same_window(&mut self, of: &Relation) -> Select {
        let (where_ours, where_theirs) = self.condition(&of.columns);
        let rows = (format!("{}{where_ours}", of.name), format!("{}{where_theirs}", of.name));
        let select = self.groups(&of.columns, &rows, ("s, e", "s, e"));
        Select {
            stream: format!("SELECT {} FROM {}", select.stream.0, select.stream.1),
            batch: format!("SELECT {} FROM {}", select.batch.0, select.batch.1),
            columns: select.columns,
        }
    }

    /// Keys, aggregates and expressions of both over `rows`, grouped by the keys and the window.
    fn groups(&mut self, columns: &[Column], rows: &(String, String), window: (&str, &str)) -> Groups {
        let keys: Vec<Expression> = (0..self.random.below(3)).map(|_| self.key(columns)).collect();
        let aggregates: Vec<Expression> = (0..=self.random.below(3)).map(|_| self.aggregate(columns)).collect();
        let known: Vec<Expression> = keys.iter().chain(&aggregates).cloned().collect();
        let mut items = known.clone();
        if self.random.once_in(2) {
            let kind = Kind::any(self.random);
            items.push(self.make(&known, kind, 2));
        }
        let having = self.random.once_in(3).then(|| self.make(&known, Kind::Truth, 2));
        let by = |texts: Vec<&str>, window: &str| texts.into_iter().chain([window]).collect::<Vec<_>>().join(", ");
        let columns = self.named(&items);
        let (having_ours, having_theirs) = having
            .map_or((String::new(), String::new()), |having| (format!(" HAVING {}", having.stream), format!(" HAVING {}", having.batch)));
        let by_ours = by(keys.iter().map(|key| key.stream.as_str()).collect(), window.0);
        let by_theirs = by(keys.iter().map(|key| key.batch.as_str()).collect(), window.1);
        Groups {
            stream: (list(&items, &columns, |item| &item.stream), format!("{} GROUP BY {by_ours}{having_ours}", rows.0)),
            batch: (list(&items, &columns, |item| &item.batch), format!("{} GROUP BY {by_theirs}{having_theirs}", rows.1)),
            columns,
        }
    }

    /// Something of a column: a constant is a position to one of the two, and conditions are taken apart by the other.
    fn key(&mut self, columns: &[Column]) -> Expression {
        let kind = self.random.pick(&[Kind::Text, Kind::Text, Kind::Number, Kind::Moment]);
        let made = self.make(columns, kind, 2);
        let outside_of_texts = made.stream.split('\'').step_by(2);
        let mut words = outside_of_texts.flat_map(|part| part.split(|char: char| !char.is_alphanumeric() && char != '_'));
        match words.any(|word| columns.iter().any(|column| column.stream == word)) {
            true => made,
            false => columns[0].clone(),
        }
    }

    fn aggregate(&mut self, columns: &[Column]) -> Expression {
        let filter = self.random.once_in(4).then(|| self.make(columns, Kind::Truth, 2));
        let (filter_ours, filter_theirs) = filter.map_or((String::new(), String::new()), |filter| {
            (format!(" FILTER (WHERE {})", filter.stream), format!(" FILTER (WHERE {})", filter.batch))
        });
        let call = |kind: Kind, ours: String, theirs: String, bound: i64| {
            Expression::atom(kind, format!("{ours}{filter_ours}"), format!("{theirs}{filter_theirs}"), bound)
        };
        match self.random.below(7) {
            0 | 1 => call(Kind::Number, "COUNT(*)".to_owned(), "count(*)".to_owned(), ROWS_MAX),
            2 => {
                let kind = Kind::any(self.random);
                let of = self.make(columns, kind, 2);
                call(Kind::Number, format!("COUNT({})", of.stream), format!("count({})", of.batch), ROWS_MAX)
            }
            3 => {
                let of = self.make(columns, Kind::Number, 2);
                call(Kind::Number, format!("SUM({})", of.stream), format!("sum({})", of.batch), of.bound().saturating_mul(ROWS_MAX))
            }
            4 => {
                let of = self.make(columns, Kind::Exact, 2);
                let (kind, name) = self.random.pick(&[(Kind::Exact, "SUM"), (Kind::Mean, "AVG")]);
                call(kind, format!("{name}({})", of.stream), format!("{}({})", name.to_lowercase(), of.batch), 0)
            }
            5 => {
                let of = self.make(columns, Kind::Number, 2);
                call(Kind::Mean, format!("AVG(CAST({} AS DOUBLE))", of.stream), format!("avg(CAST({} AS DOUBLE))", of.batch), 0)
            }
            _ => {
                let kind = self.random.pick(&[Kind::Number, Kind::Exact, Kind::Mean, Kind::Text, Kind::Moment]);
                let (of, name) = (self.make(columns, kind, 2), self.random.pick(&["MIN", "MAX"]));
                call(kind, format!("{name}({})", of.stream), format!("{}({})", name.to_lowercase(), of.batch), of.bound())
            }
        }
    }
}

/// SELECT list and the rest of a grouped query.
struct Groups {
    stream: (String, String),
    batch: (String, String),
    columns: Vec<Column>,
}

/// `expression AS name, …`
fn list(items: &[Expression], columns: &[Column], text: impl Fn(&Expression) -> &String) -> String {
    items.iter().zip(columns).map(|(item, column)| format!("{} AS {}", text(item), column.stream)).collect::<Vec<_>>().join(", ")
}

fn united(left: Select, right: Select) -> Select {
    let both = left.columns.iter().zip(&right.columns);
    let columns = both.map(|(left, right)| Expression::column(left.kind, &left.stream, left.bound().max(right.bound()))).collect();
    Select {
        stream: format!("{} UNION ALL {}", left.stream, right.stream),
        batch: format!("{} UNION ALL {}", left.batch, right.batch),
        columns,
    }
}

impl Windows {
    fn stream(self, of: &Relation) -> String {
        let Self { size, slide, offset } = self;
        let minutes = |minutes: i32| format!("INTERVAL '{minutes}' MINUTE");
        let offset = if offset == 0 { String::new() } else { format!(", {}", minutes(offset)) };
        let lengths = if size == slide {
            format!("TUMBLE(TABLE {}, DESCRIPTOR({}), {}", of.name, of.time, minutes(size))
        } else {
            format!("HOP(TABLE {}, DESCRIPTOR({}), {}, {}", of.name, of.time, minutes(slide), minutes(size))
        };
        format!("TABLE({lengths}{offset}))")
    }

    /// Each row once for each of its windows that was open when it came.
    fn batch(self, of: &Relation) -> String {
        let Self { size, slide, offset } = self;
        let (name, time) = (&of.name, of.time);
        let minutes = |minutes: i32| format!("INTERVAL '{minutes} minutes'");
        let backs =
            (0..size.div_euclid(slide) + i32::from(size % slide > 0)).map(|back| format!("SELECT {} AS back", minutes(back * slide)));
        let backs = backs.collect::<Vec<_>>().join(" UNION ALL ");
        let origin = if offset < 0 { format!("1969-12-31 23:{:02}:00", 60 + offset) } else { format!("1970-01-01 00:{offset:02}:00") };
        let bins = format!(
            "SELECT {name}.*, date_bin({}, {time}, TIMESTAMP '{origin}') - back AS window_start FROM {name} CROSS JOIN ({backs}) AS backs",
            minutes(slide)
        );
        let ends = format!("window_start + {}", minutes(size));
        format!(
            "(SELECT *, {ends} AS window_end FROM ({bins}) AS bins WHERE {time} < {ends} AND {ends} > seen + INTERVAL '1 millisecond') AS windows"
        )
    }
}
