//! CSV rows: RFC 4180 in both directions.

use arrow::{
    array::AsArray,
    datatypes::{Float64Type, Int32Type},
};
use sql::{CsvOptions, Format};
use streamwright_flow::format::{Decoder, Encoder};

use crate::{
    json::{columns, decode, decoder, sink},
    seeds,
};

#[test]
fn fields_come_in_the_order_of_the_columns_and_may_be_quoted() {
    let columns = columns(&[("carrier", "STRING"), ("delay", "INT"), ("note", "STRING"), ("mean", "DOUBLE")]);
    let decoded = decode(
        &mut decoder(&columns, Format::Csv),
        &[
            b"UA,5,\"a, \"\"b\"\"\",1.5",
            b"UA,,,\r\n",
            b"\"\",\"7\",\" x \",1e3",
            b"UA,5",
            b"UA,5,x,1,9",
            b"UA,five,x,1",
            b"UA,5,\"x,1",
            b"UA,5,\"x\"y,1",
            b"\xff,5,x,1",
        ],
    );
    assert_eq!(decoded.origin, [0, 1, 2]);
    assert_eq!(decoded.batch.column(0).as_string::<i32>().iter().collect::<Vec<_>>(), [Some("UA"), Some("UA"), Some("")]);
    assert_eq!(decoded.batch.column(1).as_primitive::<Int32Type>().iter().collect::<Vec<_>>(), [Some(5), None, Some(7)]);
    assert_eq!(decoded.batch.column(2).as_string::<i32>().iter().collect::<Vec<_>>(), [Some("a, \"b\""), Some(""), Some(" x ")]);
    assert_eq!(decoded.batch.column(3).as_primitive::<Float64Type>().iter().collect::<Vec<_>>(), [Some(1.5), None, Some(1000.0)]);
    let reasons: Vec<_> = decoded.bad.iter().map(|bad| bad.reason.as_str()).collect();
    assert_eq!(
        reasons,
        [
            "2 fields where the table has 4 columns",
            "5 fields where the table has 4 columns",
            "column delay: \"five\" is not a number",
            "byte 5: a quoted field does not end, near \"UA,5,\\\"x,1\"",
            "byte 8: a delimiter belongs behind a quoted field, near \"UA,5,\\\"x\\\"y,1\"",
            "column carrier: \"\u{fffd}\" is not UTF-8",
        ]
    );
}

#[test]
fn a_header_gives_the_order_and_a_null_literal_is_null_unless_quoted() {
    let columns = columns(&[("carrier", "STRING"), ("delay", "INT")]);
    let options = CsvOptions { header: true, delimiter: b';', null_literal: Some("NA".to_owned()) };
    let mut reader = Decoder::with_columns(&columns, &[0, 1], Format::Csv, &options).unwrap();
    reader.read_header(b"\xef\xbb\xbfdelay;unused;carrier\n", &columns).unwrap();
    let decoded = decode(&mut reader, &[b"5;x;NA", b"NA;x;\"NA\"", b";x;UA"]);
    assert_eq!(decoded.batch.column(0).as_string::<i32>().iter().collect::<Vec<_>>(), [None, Some("NA")]);
    assert_eq!(decoded.batch.column(1).as_primitive::<Int32Type>().iter().collect::<Vec<_>>(), [Some(5), None]);
    assert_eq!(decoded.bad[0].reason, "column delay: \"\" is not a number");
    let missing = reader.read_header(b"delay;x", &columns).unwrap_err();
    assert_eq!(missing, "the header line has no field carrier; it has delay, x");
}

#[test]
fn what_is_written_is_read_again() {
    let columns = columns(&[("a", "STRING NOT NULL"), ("b", "DOUBLE"), ("c", "TIMESTAMP(3)"), ("d", "DECIMAL(20, 3)"), ("e", "BOOLEAN")]);
    let (sink, schema) = sink(&columns, &[0, 1], Format::Csv);
    let encoder = Encoder::new(&sink, &schema).unwrap();
    seeds::each(200, |random| {
        const PIECES: [&str; 7] = ["a", ",", "\"", "\n", "ä", " ", "null"];
        let texts: Vec<String> = (0..20)
            .map(|_| {
                let text: String = (0..random.below(5)).map(|_| *random.pick(&PIECES)).collect();
                let number = if random.chance(20) { String::new() } else { f64::from_bits(random.next() >> 2).to_string() };
                format!(
                    "\"{}\",{number},2013-01-01 00:00:0{},{}.5,true",
                    text.replace('"', "\"\""),
                    random.below(10),
                    random.between(-99, 99)
                )
            })
            .collect();
        let first = decode(&mut decoder(&columns, Format::Csv), &texts.iter().map(String::as_bytes).collect::<Vec<_>>());
        assert_eq!(first.bad, []);
        let encoded = encoder.encode(&first.batch).unwrap();
        let again = decode(&mut decoder(&columns, Format::Csv), &encoded.values.iter().collect::<Vec<_>>());
        assert_eq!(again.batch, first.batch);
        assert!((0..encoded.len()).all(|row| encoded.values.get(row).starts_with(encoded.key(row).unwrap())));
    });
}
