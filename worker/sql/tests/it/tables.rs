//! The tables every test may name.

use streamwright_sql::{Catalog, Column, ColumnFrom, EventTime, Format, Limits, Plan, PlanError, Table, plan, types};
use units::TopicName;

/// `name TYPE [FROM Timestamp|Partition|Offset], …` as columns.
pub fn columns(text: &str) -> Vec<Column> {
    let column = |part: &str| {
        let (name, rest) = part.trim().split_once(' ').expect("a name and a type");
        let (data_type, from) = match rest.split_once(" FROM ") {
            None => (rest, ColumnFrom::Value),
            Some((data_type, "Timestamp")) => (data_type, ColumnFrom::Timestamp),
            Some((data_type, "Partition")) => (data_type, ColumnFrom::Partition),
            Some((data_type, _)) => (data_type, ColumnFrom::Offset),
        };
        let column_type = types::parse(data_type).expect("a type");
        Column { name: name.to_owned(), data_type: column_type.data_type, nullable: column_type.nullable, from }
    };
    text.split(';').map(column).collect()
}

pub fn table(name: &str, text: &str, key: &[&str], event_time: Option<&str>) -> Table {
    let columns = columns(text);
    let index = |name: &str| columns.iter().position(|column| column.name == name).expect("a column");
    Table {
        name: name.to_owned(),
        key: key.iter().map(|name| index(name)).collect(),
        event_time: event_time.map(|name| EventTime { column: index(name), watermark_delay_ms: 5_000, idle_timeout_ms: 30_000 }),
        format: Format::Json,
        topic: TopicName::new(name).expect("a topic name"),
        partitions: 4,
        columns,
    }
}

pub fn catalog() -> Catalog {
    let flights = "carrier STRING; origin STRING; dest STRING; departed TIMESTAMP(3); delay INT; distance INT; air_time DOUBLE; \
                   fare DECIMAL(10, 2); produced TIMESTAMP_LTZ(3) FROM Timestamp; part INT FROM Partition; pos BIGINT FROM Offset";
    Catalog {
        tables: vec![
            table("flights", flights, &["carrier"], Some("departed")),
            table("cancelled", "carrier STRING; departed TIMESTAMP(3); reason STRING", &[], Some("departed")),
            table("clicks", "id BIGINT NOT NULL; at TIMESTAMP_LTZ(3); url STRING", &["id"], Some("at")),
            table("airports", "code STRING; name STRING; altitude INT; opened DATE; seen TIMESTAMP(3)", &["code"], None),
            table("late-departures", "carrier STRING; departed TIMESTAMP(3); delay INT", &[], Some("departed")),
            table("totals", "carrier STRING; total BIGINT", &["carrier"], None),
            table("by_hour", "carrier STRING; hour TIMESTAMP(3); flights BIGINT; mean DOUBLE", &["carrier"], None),
            table("worst", "origin STRING; day TIMESTAMP(3); mean DOUBLE; hour TIMESTAMP(3)", &["origin"], None),
            table(
                "stamped",
                "carrier STRING NOT NULL; delay DOUBLE; at TIMESTAMP_LTZ(3) FROM Timestamp; pos BIGINT FROM Offset",
                &["carrier"],
                None,
            ),
            table("names", "name STRING", &[], None),
            table("counts", "n BIGINT NOT NULL", &[], None),
            table("broken", "id BIGINT; ts TIMESTAMP(6)", &[], Some("ts")),
        ],
    }
}

pub fn planned(text: &str) -> Result<Plan, PlanError> {
    plan(text, &catalog(), &Limits::default())
}
