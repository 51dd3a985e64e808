//! `expressions.txt`: `expression : type = value for each row`, over the rows below.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::compute::cast;
use arrow::datatypes::{Field, Schema};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use streamwright_sql::{Catalog, Limits, Table, plan};

use crate::{cases, interpreter, tables};

const COLUMNS: &str = "i INT; j INT; b BIGINT; d DOUBLE; f FLOAT; m DECIMAL(10, 2); s STRING; t TIMESTAMP(3); u TIMESTAMP(6); z TIMESTAMP_LTZ(3); day DATE; yes BOOLEAN";

/// Three rows: ordinary, extreme, NULL.
fn rows() -> RecordBatch {
    let columns = tables::columns(COLUMNS);
    let schema = Schema::new(columns.iter().map(|column| Field::new(&column.name, column.data_type.clone(), true)).collect::<Vec<_>>());
    let to = |array: ArrayRef, name: &str| {
        let (_, field) = schema.column_with_name(name).expect("a column");
        cast(&array, field.data_type()).expect("a value of the type")
    };
    let time: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![Some(1_357_034_401_500), Some(-1), None]));
    let micros: ArrayRef = Arc::new(StringArray::from(vec![Some("2013-01-01T10:00:01.500999"), Some("1969-12-31T23:59:59.999999"), None]));
    let arrays = vec![
        Arc::new(Int32Array::from(vec![Some(7), Some(0), None])) as ArrayRef,
        Arc::new(Int32Array::from(vec![Some(-2), Some(i32::MAX), None])),
        Arc::new(Int64Array::from(vec![Some(10_000_000_000), Some(-1), None])),
        Arc::new(Float64Array::from(vec![Some(2.5), Some(-0.0), None])),
        to(Arc::new(Float64Array::from(vec![Some(1.5), Some(0.25), None])), "f"),
        to(Arc::new(StringArray::from(vec![Some("12.34"), Some("-0.05"), None])), "m"),
        Arc::new(StringArray::from(vec![Some("Héllo wörld"), Some(""), None])),
        Arc::clone(&time),
        to(micros, "u"),
        to(Arc::clone(&time), "z"),
        to(time, "day"),
        to(Arc::new(Int32Array::from(vec![Some(1), Some(0), None])), "yes"),
    ];
    RecordBatch::try_new(Arc::new(schema), arrays).expect("a batch")
}

fn answer(expression: &str, data_type: &str) -> String {
    let input = tables::table("rows", COLUMNS, &[], None);
    let output: Table = tables::table("out", &format!("x {data_type}"), &[], None);
    let catalog = Catalog { tables: vec![input, output] };
    let plan = match plan(&format!("INSERT INTO `out` SELECT {expression} FROM `rows`"), &catalog, &Limits::default()) {
        Ok(plan) => plan,
        Err(error) => return format!("refused: {}", error.message),
    };
    let batch = rows();
    let all: Vec<String> = (0..batch.num_rows())
        .map(|row| match interpreter::run(&plan, &batch.slice(row, 1)) {
            Err(error) => format!("error: {}", error.reason.lines().next().unwrap_or_default()),
            Ok(results) => {
                let options = FormatOptions::new().with_null("NULL");
                let array = results[0].column(0);
                ArrayFormatter::try_new(array.as_ref(), &options).expect("a printable type").value(0).to_string()
            }
        })
        .collect();
    all.join(" | ")
}

#[test]
fn every_expression_has_the_values_written_beside_it() {
    let file = cases::folder().join("expressions.txt");
    let text = std::fs::read_to_string(&file).expect("the cases");
    let mut answered = String::new();
    for line in text.lines() {
        if line.is_empty() || line.starts_with('#') {
            answered += &format!("{line}\n");
            continue;
        }
        let question = line.split(" = ## ").next().unwrap_or(line);
        let (expression, data_type) = question.rsplit_once(" : ").expect("an expression and its type");
        answered += &format!("{question} = ## {}\n", answer(expression, data_type));
    }
    cases::expect(&file, &answered).unwrap_or_else(|difference| panic!("{difference}"));
}

#[test]
fn a_batch_and_its_rows_one_by_one_have_the_same_values() {
    let input = tables::table("rows", COLUMNS, &[], None);
    let output = tables::table("out", "x STRING; y DOUBLE", &[], None);
    let catalog = Catalog { tables: vec![input, output] };
    let query =
        "INSERT INTO `out` SELECT COALESCE(s, CAST(i AS STRING), '-'), CASE WHEN i <> 0 AND 10 / i > 0 THEN d ELSE 0 - d END FROM `rows`";
    let plan = plan(query, &catalog, &Limits::default()).unwrap_or_else(|error| panic!("{error}"));
    let batch = rows();
    let whole = interpreter::run(&plan, &batch).expect("no row fails").remove(0);
    for row in 0..batch.num_rows() {
        let one = interpreter::run(&plan, &batch.slice(row, 1)).expect("no row fails").remove(0);
        assert_eq!(whole.slice(row, 1), one);
    }
}

/// Views that double a text thirty times would make a gigabyte of each byte.
#[test]
fn a_text_that_doubles_over_and_over_fails_for_its_row() {
    let input = tables::table("rows", COLUMNS, &[], None);
    let output = tables::table("out", "x STRING", &[], None);
    let mut query = "CREATE VIEW v0 AS SELECT s AS x FROM `rows`;".to_owned();
    for number in 1..30 {
        query += &format!("CREATE VIEW v{number} AS SELECT x || x AS x FROM v{};", number - 1);
    }
    query += "INSERT INTO `out` SELECT x FROM v29";
    let plan = plan(&query, &Catalog { tables: vec![input, output] }, &Limits::default()).unwrap_or_else(|error| panic!("{error}"));
    let error = interpreter::run(&plan, &rows().slice(0, 1)).expect_err("a text of gigabytes");
    assert!(error.reason.contains("bytes, more than"), "{error}");
    assert!(interpreter::run(&plan, &rows().slice(1, 2)).is_ok(), "an empty text stays empty");
}
