//! `CREATE TABLE … WITH ('connector' = 'filesystem', …)`: a file that is read once, in order.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlparser::ast::helpers::stmt_create_table::CreateTableBuilder;
use sqlparser::ast::{BinaryOperator, ColumnDef, ColumnOption, CreateTable, CreateTableOptions, Expr, SqlOption, Value};

use super::Planner;
use crate::catalog::{Column, ColumnFrom, EventTime, Format, event_time_problem};
use crate::error::{PlanError, Position};
use crate::lower::closest;
use crate::lower::literals::interval;
use crate::plan::{CsvOptions, FileTable, SourceFrom};
use crate::relation::Relation;
use crate::text::{Watermark, expression, named_at, position, single};
use crate::types;

const OPTIONS: [&str; 6] = ["connector", "path", "format", "csv.header", "csv.field-delimiter", "csv.null-literal"];

impl Planner<'_> {
    pub(super) fn create_table(&mut self, create: &CreateTable, watermark: Option<&Watermark>, at: Position) -> Result<(), PlanError> {
        let name = single(&create.name, at)?;
        let place = named_at(name, at);
        if create.query.is_some() || create.like.is_some() {
            return Err(PlanError::new(place, "CREATE TABLE AS and LIKE are not supported").hint("write CREATE VIEW, or name the columns"));
        }
        if !is_plain(create) {
            return Err(PlanError::new(place, "keys, constraints, partitions and comments of tables are not supported")
                .hint("write CREATE TABLE t (columns) WITH ('connector' = 'filesystem', 'path' = '…', 'format' = 'csv')"));
        }
        let options = Options::read(&create.table_options, place)?;
        let columns = create.columns.iter().map(|column| file_column(column, place)).collect::<Result<Vec<_>, _>>()?;
        let event_time = watermark.map(|watermark| self.event_time(watermark, &columns)).transpose()?;
        let table = options.file_table(name.value.clone(), columns, event_time)?;
        let relation = Relation::source(SourceFrom::File(Arc::new(table))).within(&self.budget, place)?;
        self.define(name, at, relation)?;
        self.files.push(name.value.clone());
        Ok(())
    }

    /// `WATERMARK FOR ts AS ts` or `… AS ts - INTERVAL '5' SECOND`.
    fn event_time(&self, watermark: &Watermark, columns: &[Column]) -> Result<EventTime, PlanError> {
        let at = named_at(&watermark.column, watermark.at);
        let wrong = |message: &str| PlanError::new(at, message).hint("write WATERMARK FOR ts AS ts - INTERVAL '5' SECOND");
        let name = &watermark.column.value;
        let index = columns.iter().position(|column| column.name == *name);
        let column = index.ok_or_else(|| wrong(&format!("column {name} does not exist")))?;
        let is_column = |expression: &Expr| matches!(expression, Expr::Identifier(ident) if ident.value == *name);
        let watermark_delay_ms = match expression(watermark.expression.clone(), watermark.at, self.limits)? {
            expression if is_column(&expression) => 0,
            Expr::BinaryOp { left, op: BinaryOperator::Minus, right } if is_column(&left) => {
                let Expr::Interval(delay) = right.as_ref() else { return Err(wrong("the watermark is the column minus an INTERVAL")) };
                let span = interval(delay, at)?;
                if span.months != 0 {
                    return Err(wrong("the delay of a watermark has a fixed length, months and years have not"));
                }
                span.milliseconds
            }
            _ => return Err(wrong("the watermark is the column minus an INTERVAL")),
        };
        let event_time = EventTime { column, watermark_delay_ms, idle_timeout_ms: 0 };
        match event_time_problem(columns, &event_time) {
            None => Ok(event_time),
            Some(problem) => Err(wrong(&problem)),
        }
    }
}

/// Nothing but a name, columns and options: what else the parser knows would be left out silently, such as partitions, whose columns are not
/// in the file.
fn is_plain(create: &CreateTable) -> bool {
    let plain = CreateTableBuilder::new(create.name.clone())
        .columns(create.columns.clone())
        .table_options(create.table_options.clone())
        .temporary(create.temporary)
        .if_not_exists(create.if_not_exists);
    plain.build() == *create
}

fn file_column(column: &ColumnDef, at: Position) -> Result<Column, PlanError> {
    let at = named_at(&column.name, at);
    let data_type = types::parse(&column.data_type.to_string()).map_err(|error| PlanError::new(at, error.to_string()))?.data_type;
    let mut nullable = true;
    for option in &column.options {
        match option.option {
            ColumnOption::Null => {}
            ColumnOption::NotNull => nullable = false,
            _ => return Err(PlanError::new(at, format!("this property of column {} is not supported", column.name.value))),
        }
    }
    Ok(Column { name: column.name.value.clone(), data_type, nullable, from: ColumnFrom::Value })
}

/// The options of WITH and where their values stand.
struct Options {
    at: Position,
    values: BTreeMap<String, (String, Position)>,
}

impl Options {
    fn read(options: &CreateTableOptions, at: Position) -> Result<Self, PlanError> {
        let wrong = |place: Position| PlanError::new(place, "options are written 'key' = 'value'");
        let list: &[SqlOption] = if let CreateTableOptions::With(list) = options { list } else { &[] };
        let mut values = BTreeMap::new();
        for option in list {
            let SqlOption::KeyValue { key, value } = option else { return Err(wrong(at)) };
            let place = named_at(key, at);
            let Expr::Value(value) = value else { return Err(wrong(place)) };
            let Value::SingleQuotedString(text) = &value.value else { return Err(wrong(place)) };
            if values.insert(key.value.clone(), (text.clone(), position(value, place))).is_some() {
                return Err(PlanError::new(place, format!("option '{}' is given twice", key.value)));
            }
        }
        Ok(Self { at, values })
    }

    fn file_table(&self, name: String, columns: Vec<Column>, event_time: Option<EventTime>) -> Result<FileTable, PlanError> {
        let twice = (1..columns.len()).find(|index| columns[..*index].iter().any(|earlier| earlier.name == columns[*index].name));
        if let Some(index) = twice {
            return Err(PlanError::new(self.at, format!("column {} is declared twice", columns[index].name)));
        }
        if columns.is_empty() {
            return Err(PlanError::new(self.at, "the table has no columns"));
        }
        let (connector, place) = self.required("connector")?;
        if connector != "filesystem" {
            return Err(PlanError::new(place, format!("connector '{connector}' is not supported"))
                .hint("'filesystem' reads a file; a Kafka topic is a Topic resource with a schema"));
        }
        if let Some((key, (_, place))) = self.values.iter().find(|(key, _)| !OPTIONS.contains(&key.as_str())) {
            return Err(unknown_option(key, *place));
        }
        let (path, place) = self.required("path")?;
        check_path(path, place)?;
        let (format, place) = self.required("format")?;
        let format = match format {
            "json" => Format::Json,
            "csv" => Format::Csv,
            other => return Err(PlanError::new(place, format!("format '{other}' is not supported")).hint("there are 'json' and 'csv'")),
        };
        let csv_option = self.values.iter().find(|(key, _)| key.starts_with("csv."));
        if let (Format::Json, Some((key, (_, place)))) = (format, csv_option) {
            return Err(PlanError::new(*place, format!("option '{key}' belongs to format 'csv'")));
        }
        Ok(FileTable { name, columns, event_time, format, path: path.to_owned(), gzip: path.ends_with(".gz"), csv: self.csv()? })
    }

    fn csv(&self) -> Result<CsvOptions, PlanError> {
        let option = |key: &str| self.values.get(key).map(|(text, place)| (text.as_str(), *place));
        let header = match option("csv.header") {
            None | Some(("false", _)) => false,
            Some(("true", _)) => true,
            Some((_, place)) => return Err(PlanError::new(place, "'csv.header' is 'true' or 'false'")),
        };
        let delimiter = match option("csv.field-delimiter").map(|(text, place)| (text.as_bytes(), place)) {
            None => b',',
            Some((b"\\t", _)) => b'\t',
            Some(([byte], _)) if byte.is_ascii() && !b"\"\r\n".contains(byte) => *byte,
            Some((_, place)) => return Err(PlanError::new(place, "'csv.field-delimiter' is one ASCII character, not a quote")),
        };
        Ok(CsvOptions { header, delimiter, null_literal: option("csv.null-literal").map(|(text, _)| text.to_owned()) })
    }

    fn required(&self, key: &str) -> Result<(&str, Position), PlanError> {
        self.values.get(key).map(|(text, place)| (text.as_str(), *place)).ok_or_else(|| {
            PlanError::new(self.at, format!("option '{key}' is missing"))
                .hint("write WITH ('connector' = 'filesystem', 'path' = 'data/file.csv', 'format' = 'csv')")
        })
    }
}

fn unknown_option(key: &str, at: Position) -> PlanError {
    let error = PlanError::new(at, format!("option '{key}' is not known"));
    match closest(key, OPTIONS.into_iter()) {
        Some(close) => error.hint(format!("did you mean '{close}'?")),
        None => error.hint(format!("there are {}", OPTIONS.join(", "))),
    }
}

/// Inside the folder that whoever runs the pipeline allows: relative, no `..`, no scheme.
fn check_path(path: &str, at: Position) -> Result<(), PlanError> {
    let refused = path.is_empty()
        || path.starts_with(['/', '~'])
        || path.chars().any(|char| char == '\\' || char == ':' || char.is_control())
        || path.split('/').any(|part| part == "..");
    if refused {
        return Err(PlanError::new(at, format!("path {path:?} leads out of the pipeline's folder"))
            .hint("write a relative path such as 'data/file.csv.gz'"));
    }
    Ok(())
}
