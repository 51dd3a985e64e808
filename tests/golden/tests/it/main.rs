//! The oracle on small files whose answers are written by hand.

mod random;
mod rows;
mod stream;
mod streaming;

use std::io::Write;
use std::path::Path;

use streamwright_golden::{OracleError, run};

fn write(folder: &Path, name: &str, text: &str) {
    let bytes = if name.ends_with(".gz") {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).expect("memory");
        encoder.finish().expect("memory")
    } else {
        text.as_bytes().to_vec()
    };
    std::fs::write(folder.join(name), bytes).expect("a file in the test's folder");
}

const FLIGHTS: &str = "delay,carrier,departed,extra\n5,AA,2013-01-01 10:00:00,x\nNA,AA,2013-01-01 10:59:59.999,\n-3,UA,2013-01-01 11:00:00,y\n15,AA,2013-01-01 10:30:00.5,\n";

fn answer(sql: &str, files: &[(&str, &str)]) -> Result<Vec<String>, OracleError> {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        write(folder.path(), name, text);
    }
    write(folder.path(), "oracle.sql", sql);
    run(&folder.path().join("oracle.sql"), None)
}

#[test]
fn hours_are_grouped_by_date_bin_over_a_packed_csv_file_with_names() {
    let sql = "-- table flights from flights.csv.gz (header, null NA): carrier STRING, departed TIMESTAMP(3), delay INT
        SELECT carrier, date_bin(INTERVAL '1 hour', departed) AS hour, count(*) AS flights, avg(delay) AS mean
        FROM flights GROUP BY carrier, date_bin(INTERVAL '1 hour', departed)";
    let lines = answer(sql, &[("flights.csv.gz", FLIGHTS)]).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        lines,
        [
            r#"{"carrier":"AA","hour":"2013-01-01 10:00:00.000","flights":3,"mean":10.0}"#,
            r#"{"carrier":"UA","hour":"2013-01-01 11:00:00.000","flights":1,"mean":-3.0}"#,
        ]
    );
}

#[test]
fn json_rows_join_and_keep_nulls_and_capitals() {
    let sql = "-- table Totals from totals.jsonl: carrier STRING, total DECIMAL(10, 2)
        -- table names from names.csv: carrier STRING, Name STRING
        CREATE VIEW v AS SELECT t.carrier, t.total, n.Name FROM Totals t LEFT JOIN names n ON t.carrier = n.carrier;
        SELECT * FROM v ORDER BY carrier DESC;";
    let totals = "{\"carrier\":\"AA\",\"total\":1.25}\n{\"total\":2,\"other\":[1],\"carrier\":\"ZZ\"}\n{\"carrier\":null}\n";
    let lines = answer(sql, &[("totals.jsonl", totals), ("names.csv", "AA,\"American, Inc.\"\nUA,\n")]);
    assert_eq!(
        lines.unwrap_or_else(|error| panic!("{error}")),
        [
            r#"{"carrier":"AA","total":1.25,"Name":"American, Inc."}"#,
            r#"{"carrier":"ZZ","total":2.00,"Name":null}"#,
            r#"{"carrier":null,"total":null,"Name":null}"#,
        ]
    );
}

#[test]
fn wrong_files_rows_and_queries_are_named() {
    let table = "-- table t from t.csv: a INT\n";
    let error = |sql: &str| answer(&format!("{table}{sql}"), &[("t.csv", "1\nx\n")]).expect_err(sql).to_string();
    assert!(error("SELECT * FROM t").contains("table t"), "{}", error("SELECT * FROM t"));
    let missing = answer(table, &[]).expect_err("no file").to_string();
    assert!(missing.contains("t.csv"), "{missing}");
    let query = answer(&format!("{table}SELECT b FROM t"), &[("t.csv", "1\n")]).expect_err("no column").to_string();
    assert!(query.starts_with("query: "), "{query}");
}
