//! JSON rows: what is read, what is refused, and agreement with serde_json on random texts.

use std::sync::Arc;

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{DataType, Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, TimestampMillisecondType},
};
use serde_json::Value;
use sql::{Column, ColumnFrom, CsvOptions, Format, Sink, Table};
use streamwright_flow::format::{Decoded, Decoder, Encoder, Row};

use crate::seeds::{self, Random};

pub fn columns(declared: &[(&str, &str)]) -> Vec<Column> {
    let column = |(name, text): &(&str, &str)| {
        let parsed = sql::types::parse(text).unwrap();
        Column { name: (*name).to_owned(), data_type: parsed.data_type, nullable: parsed.nullable, from: ColumnFrom::Value }
    };
    declared.iter().map(column).collect()
}

pub fn decoder(columns: &[Column], format: Format) -> Decoder {
    let every: Vec<usize> = (0..columns.len()).collect();
    let options = CsvOptions { header: false, delimiter: b',', null_literal: None };
    Decoder::with_columns(columns, &every, format, &options).unwrap()
}

pub fn decode(decoder: &mut Decoder, texts: &[&[u8]]) -> Decoded {
    let row = |(offset, value): (i64, &&'static [u8])| Row { value: Some(value), timestamp_ms: 17, partition: 3, offset, ..Row::default() };
    // The rows live as long as the texts; the closure's type wants one lifetime.
    let texts: Vec<&'static [u8]> = texts.iter().map(|text| &*text.to_vec().leak()).collect();
    let rows: Vec<Row<'_>> = (100..).zip(&texts).map(row).collect();
    decoder.decode(&rows).unwrap()
}

fn reasons(decoded: &Decoded) -> Vec<String> {
    decoded.bad.iter().map(|bad| format!("{}: {}", bad.index, bad.reason)).collect()
}

#[test]
fn one_bad_row_costs_no_other_row() {
    let columns = columns(&[("carrier", "STRING NOT NULL"), ("delay", "INT"), ("at", "TIMESTAMP(3)")]);
    let decoded = decode(
        &mut decoder(&columns, Format::Json),
        &[
            br#"{"carrier":"UA","delay":-3,"at":"2013-01-01 05:15:00"}"#,
            br#"{"carrier":"UA","delay":"x","at":null}"#,
            br#"{"carrier":"AA","delay":3000000000}"#,
            br#"{"delay":4}"#,
            b"{\"carrier\":\"A\xff\"}",
            br#"{"carrier":"B6","extra":{"a":[1,{"b":"}"}]},"at":"2013-01-01T05:15:00.25Z"} "#,
            br#"{"carrier":"B6"} {}"#,
            br"[1]",
            b"",
            br#"{"carrier":"DL","delay":1.5}"#,
            br#"{"carrier":"DL","at":1357017300000}"#,
            br#"{"carrier":"DL","delay":5,"delay":6}"#,
        ],
    );
    assert_eq!(decoded.origin, [0, 5, 11]);
    assert_eq!(decoded.batch.column(0).as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["UA", "B6", "DL"]);
    assert_eq!(decoded.batch.column(1).as_primitive::<Int32Type>().iter().collect::<Vec<_>>(), [Some(-3), None, Some(6)]);
    let times = decoded.batch.column(2).as_primitive::<TimestampMillisecondType>();
    assert_eq!(times.iter().collect::<Vec<_>>(), [Some(1_357_017_300_000), Some(1_357_017_300_250), None]);
    let expected = [
        r#"1: column delay: "\"x\"" is not a number"#,
        r#"2: column delay: "3000000000" is not a whole number in range"#,
        "3: column carrier is NOT NULL and has no value",
        "4: byte 12: a string is not UTF-8",
        "6: byte 17: something follows the object",
        "7: byte 0: a row is a JSON object",
        "8: byte 0: a row is a JSON object",
        r#"9: column delay: "1.5" is not a whole number in range"#,
        r#"10: column at: "1357017300000" is a number, not a timestamp"#,
    ];
    assert_eq!(decoded.bad.len(), expected.len());
    for (reason, expected) in reasons(&decoded).iter().zip(expected) {
        assert!(reason.starts_with(expected), "{reason}, not {expected}");
    }
}

#[test]
fn metadata_comes_from_the_envelope_and_tombstones_are_skipped() {
    let mut columns = columns(&[("at", "TIMESTAMP_LTZ(3)"), ("partition", "INT"), ("offset", "BIGINT"), ("x", "INT")]);
    columns[0].from = ColumnFrom::Timestamp;
    columns[1].from = ColumnFrom::Partition;
    columns[2].from = ColumnFrom::Offset;
    let rows = [
        Row { value: Some(br#"{"partition":9,"x":1}"#), timestamp_ms: 5, partition: 2, offset: 7, ..Row::default() },
        Row { value: None, offset: 8, ..Row::default() },
        Row { value: Some(b"{}"), timestamp_ms: -1, partition: 2, offset: 9, ..Row::default() },
    ];
    let decoded = decoder(&columns, Format::Json).decode(&rows).unwrap();
    assert_eq!((decoded.skipped, decoded.origin.as_slice()), (1, &[0, 2][..]));
    assert_eq!(decoded.batch.column(0).as_primitive::<TimestampMillisecondType>().iter().collect::<Vec<_>>(), [Some(5), None]);
    assert_eq!(decoded.batch.column(1).as_primitive::<Int32Type>().values().to_vec(), [2, 2]);
    assert_eq!(decoded.batch.column(2).as_primitive::<Int64Type>().values().to_vec(), [7, 9]);
}

#[test]
fn every_type_is_read_as_flink_reads_it() {
    let columns = columns(&[
        ("b", "BOOLEAN"),
        ("d", "DOUBLE"),
        ("m", "DECIMAL(10, 2)"),
        ("day", "DATE"),
        ("s", "STRING"),
        ("raw", "BYTES"),
        ("l", "BIGINT"),
    ]);
    let decoded = decode(
        &mut decoder(&columns, Format::Json),
        &[
            br#"{"b":"TRUE","d":"1.5","m":12.345,"day":"2024-02-29","s":{"a" : [1, "x \" y"]},"raw":"AAE=","l":" 12 "}"#,
            br#"{"b":false,"d":1e-7,"m":"-0.005","day":null,"s":1.50,"raw":"","l":1e3}"#,
            br#"{"d":"NaN","s":"\u00e4\ud83d\ude00\n\/","\u006c":3}"#,
            br#"{"s":"\ud83d"}"#,
            br#"{"raw":"%%%%"}"#,
            br#"{"d":1e999}"#,
        ],
    );
    assert_eq!(decoded.origin, [0, 1, 2]);
    let batch = &decoded.batch;
    assert_eq!(batch.column(0).as_boolean().iter().collect::<Vec<_>>(), [Some(true), Some(false), None]);
    let doubles = batch.column(1).as_primitive::<Float64Type>();
    assert_eq!((doubles.value(0), doubles.value(1)), (1.5, 1e-7));
    assert!(doubles.value(2).is_nan());
    assert_eq!(batch.column(2).as_primitive::<Decimal128Type>().iter().collect::<Vec<_>>(), [Some(1235), Some(-1), None]);
    assert_eq!(batch.column(3).as_primitive::<Date32Type>().iter().collect::<Vec<_>>(), [Some(19_782), None, None]);
    let strings: Vec<_> = batch.column(4).as_string::<i32>().iter().flatten().collect();
    assert_eq!(strings, [r#"{"a":[1,"x \" y"]}"#, "1.50", "ä😀\n/"]);
    assert_eq!(batch.column(5).as_binary::<i32>().iter().collect::<Vec<_>>(), [Some(&[0, 1][..]), Some(&[][..]), None]);
    assert_eq!(batch.column(6).as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [Some(12), Some(1000), Some(3)]);
}

#[test]
fn nesting_ends_where_it_says_and_never_in_the_stack() {
    let columns = columns(&[("s", "STRING")]);
    let nested = |depth: usize| format!("{{\"s\":{}1{},\"t\":{}{}}}", "[".repeat(depth), "]".repeat(depth), "[".repeat(9), "]".repeat(9));
    let (fits, too_deep, absurd) = (nested(127), nested(128), "{\"t\":".to_owned() + &"[".repeat(1_000_000));
    let decoded = decode(&mut decoder(&columns, Format::Json), &[fits.as_bytes(), too_deep.as_bytes(), absurd.as_bytes()]);
    assert_eq!(decoded.origin, [0]);
    assert!(reasons(&decoded).iter().all(|reason| reason.contains("nested too deep")), "{:?}", reasons(&decoded));
}

const NAMES: [&str; 7] = ["l", "d", "s", "b", "long_name_with_ä", "", "q\"uote"];

fn value(random: &mut Random, depth: u32) -> Value {
    match random.below(if depth == 0 { 7 } else { 9 }) {
        0 => Value::Null,
        1 => Value::Bool(random.chance(50)),
        2 => Value::from(random.between(-1000, 1000)),
        3 => Value::from(random.next().cast_signed()),
        4 => Value::from(random.between(-1_000_000, 1_000_000) as f64 / 64.0),
        5 => Value::from(random.between(-9, 9) as f64 * 10_f64.powi(i32::try_from(random.between(-30, 30)).unwrap())),
        6 => Value::from(string(random)),
        7 => (0..random.below(4)).map(|_| value(random, depth - 1)).collect(),
        _ => Value::Object((0..random.below(4)).map(|_| ((*random.pick(&NAMES)).to_owned(), value(random, depth - 1))).collect()),
    }
}

fn string(random: &mut Random) -> String {
    const PIECES: [&str; 12] = ["a", "plain text ", "\"", "\\", "\n", "\u{1}", "ä", "😀", "{", "12", "true", "\u{7f}"];
    (0..random.below(8)).map(|_| *random.pick(&PIECES)).collect()
}

/// A row of random fields, some named twice, with blanks and escapes where JSON allows them; then maybe one byte is changed.
fn text(random: &mut Random) -> (Vec<u8>, usize) {
    let mut text = String::from("{");
    let fields = random.below(7);
    for index in 0..fields {
        let blank = *random.pick(&["", "", " ", "\n\t "]);
        let name = serde_json::to_string(*random.pick(&NAMES)).unwrap();
        let name = if random.chance(10) { name.replacen('l', "\\u006c", 1) } else { name };
        let value = value(random, 3);
        let value = if random.chance(20) { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        text += &format!("{blank}{name}{blank}:{blank}{value}{blank}{}", if index + 1 < fields { "," } else { "" });
    }
    text.push('}');
    let mut bytes = text.into_bytes();
    if random.chance(50) {
        let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
        match random.below(3) {
            0 => bytes[at] = *random.pick(b"{}[]\",:0123456789.eE+-\\untrue \x01"),
            1 => drop(bytes.remove(at)),
            _ => bytes.truncate(at),
        }
    }
    (bytes, usize::try_from(fields).unwrap())
}

fn agrees(row: usize, batch: &RecordBatch, name: &str, value: Option<&Value>) -> bool {
    let column = batch.column_by_name(name).unwrap();
    let Some(value) = value.filter(|value| !value.is_null()) else { return column.is_null(row) };
    if column.is_null(row) {
        return false;
    }
    match column.data_type() {
        DataType::Int64 => value_of_integer(value) == Some(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => {
            let (ours, theirs) = (column.as_primitive::<Float64Type>().value(row), value_of_float(value).unwrap());
            (ours - theirs).abs() <= theirs.abs() * 1e-15
        }
        DataType::Boolean => value_of_bool(value) == Some(column.as_boolean().value(row)),
        _ => match (column.as_string::<i32>().value(row), value) {
            (ours, Value::String(theirs)) => ours == theirs,
            (ours, theirs) => serde_json::from_str::<Value>(ours).is_ok_and(|ours| ours == *theirs),
        },
    }
}

fn value_of_integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 9.2e18)?;
            number.is_f64().then_some(float as i64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn value_of_float(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn value_of_bool(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Whether the values of a text that serde_json reads fit the columns.
fn fits(object: &serde_json::Map<String, Value>) -> bool {
    let fits = |name: &str, fits: &dyn Fn(&Value) -> bool| object.get(name).is_none_or(|value| value.is_null() || fits(value));
    fits("l", &|value| value_of_integer(value).is_some())
        && fits("d", &|value| value_of_float(value).is_some())
        && fits("b", &|value| value_of_bool(value).is_some())
}

#[test]
fn random_texts_are_read_as_serde_json_reads_them() {
    let columns = columns(&[("l", "BIGINT"), ("d", "DOUBLE"), ("s", "STRING"), ("b", "BOOLEAN"), ("long_name_with_ä", "STRING")]);
    let (mut good, mut bad) = (0, 0);
    let mut reader = decoder(&columns, Format::Json);
    for seed in 0..seeds::count(20_000) {
        let mut random = Random(seed);
        let (text, fields) = text(&mut random);
        if std::str::from_utf8(&text).is_err() {
            continue;
        }
        let expected = serde_json::from_slice::<Value>(&text);
        let context = || format!("seed {seed}: {}\n{expected:?}", String::from_utf8_lossy(&text));
        let rows = [Row { value: Some(&text), ..Row::default() }];
        let decoded = reader.decode(&rows).unwrap();
        match &expected {
            // Of fields named twice the last counts, but each must fit.
            Ok(Value::Object(object)) if object.len() < fields && !decoded.bad.is_empty() => {}
            // serde_json has rounded such a number before anyone can ask whether it was whole.
            Ok(Value::Object(object)) if object.get("l").and_then(Value::as_f64).is_some_and(|float| float.abs() >= 1e15) => {}
            Ok(Value::Object(object)) if fits(object) => {
                assert_eq!(decoded.bad, [], "{}", context());
                for column in &columns {
                    assert!(agrees(0, &decoded.batch, &column.name, object.get(&column.name)), "{} in {}", column.name, context());
                }
                good += 1;
            }
            Ok(_) => assert_eq!(decoded.bad.len(), 1, "{}", context()),
            // What is passed over is not checked for half surrogate pairs, and a number nobody needs may be beyond f64.
            Err(error) if ["surrogate", "hex escape", "number out of range"].iter().any(|known| error.to_string().contains(known)) => {}
            Err(_) => {
                assert_eq!(decoded.bad.len(), 1, "{}", context());
                bad += 1;
            }
        }
    }
    assert!(good > 10 && bad > 10, "{good} good and {bad} bad rows prove nothing");
}

pub fn sink(columns: &[Column], key: &[usize], format: Format) -> (Sink, arrow::datatypes::SchemaRef) {
    let fields: Vec<_> = columns.iter().map(|column| arrow::datatypes::Field::new(&column.name, column.data_type.clone(), true)).collect();
    let value: Vec<usize> = (0..columns.len()).filter(|index| columns[*index].from == ColumnFrom::Value).collect();
    let table = Table {
        name: "t".to_owned(),
        columns: columns.to_vec(),
        key: key.to_vec(),
        event_time: None,
        format,
        topic: units::TopicName::new("t").unwrap(),
        partitions: 1,
    };
    let sink = Sink {
        names: value.iter().map(|index| columns[*index].name.clone()).collect(),
        nullable: value.iter().map(|index| columns[*index].nullable).collect(),
        timestamp: columns.iter().position(|column| column.from == ColumnFrom::Timestamp),
        value,
        key: key.to_vec(),
        table: Arc::new(table),
    };
    (sink, Arc::new(arrow::datatypes::Schema::new(fields)))
}

#[test]
fn rows_are_written_as_flink_writes_them() {
    let mut columns = columns(&[
        ("carrier", "STRING NOT NULL"),
        ("mean", "DOUBLE"),
        ("cost", "DECIMAL(10, 2)"),
        ("day", "DATE"),
        ("start", "TIMESTAMP(3)"),
        ("seen", "TIMESTAMP_LTZ(3)"),
        ("raw", "BYTES"),
        ("ok", "BOOLEAN"),
        ("at", "TIMESTAMP(3)"),
    ]);
    let texts: [&[u8]; 3] = [
        br#"{"carrier":"U\"A","mean":1.50,"cost":3,"day":"2013-01-01","start":"2013-01-01 00:00:00","seen":"2013-01-01 00:00:00.5","raw":"AAE=","ok":true,"at":"1970-01-01 00:00:01"}"#,
        br#"{"carrier":null,"mean":1}"#,
        "{\"carrier\":\"\\u0001ä\",\"mean\":\"-Infinity\"}".as_bytes(),
    ];
    columns[0].nullable = true;
    let batch = decode(&mut decoder(&columns, Format::Json), &texts).batch;
    columns[0].nullable = false;
    columns[8].from = ColumnFrom::Timestamp;
    let (sink, schema) = sink(&columns, &[0], Format::Json);
    let encoded = Encoder::new(&sink, &schema).unwrap().encode(&batch).unwrap();
    let written: Vec<_> = encoded.values.iter().map(|value| String::from_utf8(value.to_vec()).unwrap()).collect();
    assert_eq!(
        written,
        [
            r#"{"carrier":"U\"A","mean":1.5,"cost":3.00,"day":"2013-01-01","start":"2013-01-01 00:00:00.000","seen":"2013-01-01 00:00:00.500Z","raw":"AAE=","ok":true}"#,
            r#"{"carrier":"\u0001ä","mean":"-Infinity","cost":null,"day":null,"start":null,"seen":null,"raw":null,"ok":null}"#,
        ]
    );
    assert_eq!((encoded.key(0), encoded.key(1)), (Some(&b"U\"A"[..]), Some("\u{1}ä".as_bytes())));
    assert_eq!(encoded.timestamps_ms, Some(vec![1000, -1]));
    assert_eq!(encoded.origin, [0, 2]);
    assert_eq!(encoded.bad[0].reason, "column carrier is NOT NULL and has no value");
    let (two_keys, schema) = self::sink(&columns, &[0, 1], Format::Json);
    let encoded = Encoder::new(&two_keys, &schema).unwrap().encode(&batch.slice(0, 1)).unwrap();
    assert_eq!(encoded.key(0), Some(&br#"{"carrier":"U\"A","mean":1.5}"#[..]));
}

#[test]
fn what_is_written_is_read_again() {
    let columns =
        columns(&[("l", "BIGINT"), ("d", "DOUBLE"), ("s", "STRING"), ("f", "FLOAT"), ("m", "DECIMAL(38, 10)"), ("t", "TIMESTAMP_LTZ(6)")]);
    let (sink, schema) = sink(&columns, &[], Format::Json);
    let encoder = Encoder::new(&sink, &schema).unwrap();
    seeds::each(200, |random| {
        let texts: Vec<String> = (0..20)
            .map(|_| {
                serde_json::json!({"l": random.next().cast_signed(), "d": f64::from_bits(random.next()), "s": string(random),
                    "f": f32::from_bits(random.next() as u32), "m": random.between(-1_000_000, 1_000_000) as f64 / 8.0,
                    "t": format!("{:04}-01-0{}T0{}:00:00.{:06}Z", random.between(0, 9999), random.between(1, 9), random.below(10), random.below(1_000_000))})
                .to_string()
            })
            .collect();
        let texts: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
        let first = decode(&mut decoder(&columns, Format::Json), &texts);
        assert_eq!(first.bad, []);
        let encoded = encoder.encode(&first.batch).unwrap();
        let again = decode(&mut decoder(&columns, Format::Json), &encoded.values.iter().collect::<Vec<_>>());
        assert_eq!(again.batch, first.batch);
    });
}
