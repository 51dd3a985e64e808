//! Random rows of one table, and the generator they come from.

use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Float64Array, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{Field, Schema};
use sql::{Column, ColumnFrom, EventTime, Format, types};

/// The columns of every row.
pub const FLIGHTS: &str =
    "carrier STRING; origin STRING; departed TIMESTAMP(3); delay INT; distance INT; air_time DOUBLE; fare DECIMAL(10, 2); note STRING";

/// `name TYPE; …` as columns.
pub fn columns(text: &str, separator: char) -> Vec<Column> {
    let column = |part: &str| {
        let (name, data_type) = part.trim().split_once(' ').expect("a name and a type");
        let column_type = types::parse(data_type).expect("a type");
        Column { name: name.to_owned(), data_type: column_type.data_type, nullable: column_type.nullable, from: ColumnFrom::Value }
    };
    text.split(separator).map(column).collect()
}

/// A topic of one partition.
pub fn table(name: &str, columns: Vec<Column>, event_time: Option<usize>) -> sql::Table {
    sql::Table {
        name: name.to_owned(),
        columns,
        key: Vec::new(),
        event_time: event_time.map(|column| EventTime { column, watermark_delay_ms: 0, idle_timeout_ms: 0 }),
        format: Format::Json,
        topic: units::TopicName::new(name).expect("a topic name"),
        partitions: 1,
    }
}

/// xorshift64*.
pub struct Random(u64);

impl Random {
    /// From a seed; equal seeds give equal choices.
    pub fn from_seed(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// 0 to `bound` - 1.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    /// `low` to `high` - 1.
    pub fn between(&mut self, low: i32, high: i32) -> i32 {
        low + i32::try_from(self.below(u64::try_from(high - low).expect("low is below high"))).expect("an INT")
    }

    /// One of them.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).expect("small")]
    }

    /// Once in so many times.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// A value, or NULL once in ten times.
    fn maybe<T>(&mut self, value: T) -> Option<T> {
        (self.below(10) > 0).then_some(value)
    }
}

/// Times around the epoch, in order.
pub fn times(random: &mut Random) -> Vec<i64> {
    let count = random.below(300) + 1;
    let mut times: Vec<i64> = (0..count).map(|_| i64::from(random.between(-100_000_000, 200_000_000))).collect();
    times.sort_unstable();
    times
}

/// Flights that departed at these times.
pub fn flights(random: &mut Random, times: Vec<Option<i64>>) -> RecordBatch {
    let rows = 0..times.len();
    let carrier: StringArray = rows
        .clone()
        .map(|_| {
            let value = random.pick(&["AA", "UA", "B6", "Ünited"]);
            random.maybe(value)
        })
        .collect();
    let origin: StringArray = rows.clone().map(|_| Some(random.pick(&["EWR", "JFK", "LGA"]))).collect();
    let delay: Int32Array = rows
        .clone()
        .map(|_| {
            let value = random.between(-30, 200);
            random.maybe(value)
        })
        .collect();
    let distance: Int32Array = rows
        .clone()
        .map(|_| {
            let value = random.between(0, 5);
            random.maybe(value)
        })
        .collect();
    let air_time: Float64Array = rows
        .clone()
        .map(|_| {
            let value = f64::from(random.between(-8, 2_000)) / 4.0;
            random.maybe(value)
        })
        .collect();
    let fare: Decimal128Array = rows
        .clone()
        .map(|_| {
            let value = i128::from(random.between(-5_000, 100_000));
            random.maybe(value)
        })
        .collect();
    let note: StringArray = rows
        .map(|_| {
            let value = random.pick(&["", "late", "50% off", "a_b", "  x "]);
            random.maybe(value)
        })
        .collect();
    let schema =
        Schema::new(columns(FLIGHTS, ';').into_iter().map(|column| Field::new(column.name, column.data_type, true)).collect::<Vec<_>>());
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(carrier),
        Arc::new(origin),
        Arc::new(TimestampMillisecondArray::from(times)),
        Arc::new(delay),
        Arc::new(distance),
        Arc::new(air_time),
        Arc::new(fare.with_precision_and_scale(10, 2).expect("ten digits are enough")),
        Arc::new(note),
    ];
    RecordBatch::try_new(Arc::new(schema), arrays).expect("a batch")
}
