//! Window aggregates against a plain computation row by row: any order, any cut into batches, any watermark, restored anywhere.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
        TimestampMillisecondArray, UInt32Array,
    },
    compute::{concat_batches, take_record_batch},
    datatypes::{DataType, Decimal128Type, Field, Float64Type, Int8Type, Int32Type, Int64Type, Schema, TimeUnit, TimestampMillisecondType},
};
use sql::{AggregateFunction, Window, WindowInput};

use super::{
    FinalAggregate, PartialAggregate,
    layout::{AggregateOperands, Specification},
};
use crate::{batch::Batch, format::row_as_json, operand::Operand};

const K: u32 = 4;
const TIME: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn between(&mut self, least: i64, greatest: i64) -> i64 {
        least + i64::try_from(self.below(u64::try_from(greatest - least + 1).unwrap())).unwrap()
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

#[derive(Clone, Debug)]
struct Row {
    time: i64,
    key: (Option<String>, Option<i32>),
    int: Option<i64>,
    /// A double, and the same in units of 2^-10.
    float: Option<(f64, i128)>,
    text: Option<String>,
    decimal: Option<i128>,
    flag: Option<bool>,
}

fn row(random: &mut Random) -> Row {
    let some = |random: &mut Random| random.chance(85);
    let float = |random: &mut Random| {
        let (mantissa, shift) = (random.between(-1_000_000, 1_000_000), *[0, 10, 55].get(random.below(3) as usize).unwrap());
        (mantissa as f64 / 1024.0 * 2_f64.powi(shift), i128::from(mantissa) << shift)
    };
    Row {
        time: random.between(-100, 300),
        key: (
            some(random).then(|| ["", "a", "b", "longer than a word"][random.below(4) as usize].to_owned()),
            some(random).then(|| i32::try_from(random.below(3)).unwrap()),
        ),
        int: some(random).then(|| random.between(-5, i64::from(i32::MAX))),
        float: some(random).then(|| float(random)),
        text: some(random).then(|| format!("t{}", random.below(50))),
        decimal: some(random).then(|| i128::from(random.between(-100_000, 100_000))),
        flag: some(random).then(|| random.chance(50)),
    }
}

fn record_batch(rows: &[Row]) -> RecordBatch {
    let decimals: Decimal128Array = rows.iter().map(|row| row.decimal).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| Some(row.time)).collect::<TimestampMillisecondArray>()),
        Arc::new(rows.iter().map(|row| row.key.0.clone()).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| row.key.1).collect::<Int32Array>()),
        Arc::new(rows.iter().map(|row| row.int).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.float.map(|float| float.0)).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|row| row.text.clone()).collect::<StringArray>()),
        Arc::new(decimals.with_precision_and_scale(10, 2).unwrap()),
        Arc::new(rows.iter().map(|row| row.flag).collect::<BooleanArray>()),
    ];
    let fields: Vec<_> = columns.iter().map(|column| Field::new("c", column.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn specification(window: Window) -> Specification {
    use AggregateFunction::{Avg, Count, CountStar, Max, Min, Sum};
    let column = |index: usize, data_type: DataType| Operand::Column { index, data_type };
    let (int, float, text, decimal) = (DataType::Int64, DataType::Float64, DataType::Utf8, DataType::Decimal128(10, 2));
    let aggregate = |function, argument: Option<(usize, &DataType)>, filtered: bool, output: DataType| AggregateOperands {
        function,
        argument: argument.map(|(index, data_type)| column(index, data_type.clone())),
        filter: filtered.then(|| column(7, DataType::Boolean)),
        output,
    };
    let aggregates = vec![
        aggregate(CountStar, None, false, DataType::Int64),
        aggregate(CountStar, None, true, DataType::Int64),
        aggregate(Count, Some((5, &text)), false, DataType::Int64),
        aggregate(Sum, Some((3, &int)), false, DataType::Int64),
        aggregate(Sum, Some((4, &float)), false, DataType::Float64),
        aggregate(Avg, Some((4, &float)), true, DataType::Float64),
        aggregate(Min, Some((4, &float)), false, DataType::Float64),
        aggregate(Max, Some((5, &text)), false, DataType::Utf8),
        aggregate(Min, Some((3, &int)), true, DataType::Int64),
        aggregate(Sum, Some((6, &decimal)), false, DataType::Decimal128(38, 2)),
        aggregate(Avg, Some((6, &decimal)), false, DataType::Decimal128(38, 6)),
        aggregate(Max, Some((6, &decimal)), false, decimal.clone()),
    ];
    let mut fields = vec![Field::new("k1", DataType::Utf8, true), Field::new("k2", DataType::Int32, true)];
    fields.extend(aggregates.iter().enumerate().map(|(index, aggregate)| Field::new(format!("a{index}"), aggregate.output.clone(), true)));
    fields.extend(["window_start", "window_end", "window_time"].map(|name| Field::new(name, TIME, false)));
    Specification {
        windows: WindowInput::EventTime { time: 0, window },
        keys: vec![column(1, DataType::Utf8), column(2, DataType::Int32)],
        aggregates,
        output: Arc::new(Schema::new(fields)),
    }
}

type Key = (i64, (Option<String>, Option<i32>));

/// What one row of the result says, every number by its bits.
fn expected(rows: &[Row]) -> Vec<String> {
    let floats: Vec<_> = rows.iter().filter_map(|row| row.float).collect();
    let flagged: Vec<_> = rows.iter().filter(|row| row.flag == Some(true)).collect();
    let sum = |floats: &[(f64, i128)]| floats.iter().map(|float| float.1).sum::<i128>() as f64 / 1024.0;
    let flagged_floats: Vec<_> = flagged.iter().filter_map(|row| row.float).collect();
    let decimals: Vec<i128> = rows.iter().filter_map(|row| row.decimal).collect();
    let count = i128::try_from(decimals.len()).unwrap();
    let mean = |sum: i128| {
        let scaled = sum * 10_000;
        scaled / count + if (scaled % count).abs() * 2 >= count { scaled.signum() } else { 0 }
    };
    let ints: Vec<i64> = rows.iter().filter_map(|row| row.int).collect();
    let texts: Vec<&String> = rows.iter().filter_map(|row| row.text.as_ref()).collect();
    let shown = |value: Option<String>| value.unwrap_or_else(|| "NULL".to_owned());
    vec![
        rows.len().to_string(),
        flagged.len().to_string(),
        texts.len().to_string(),
        shown((!ints.is_empty()).then(|| ints.iter().sum::<i64>().to_string())),
        shown((!floats.is_empty()).then(|| format!("{:?}", sum(&floats)))),
        shown((!flagged_floats.is_empty()).then(|| format!("{:?}", sum(&flagged_floats) / flagged_floats.len() as f64))),
        shown(floats.iter().map(|float| float.0).reduce(f64::min).map(|least| format!("{least:?}"))),
        shown(texts.iter().max().map(|text| (*text).clone())),
        shown(flagged.iter().filter_map(|row| row.int).min().map(|least| least.to_string())),
        shown((count > 0).then(|| decimals.iter().sum::<i128>().to_string())),
        shown((count > 0).then(|| mean(decimals.iter().sum()).to_string())),
        shown(decimals.iter().max().map(ToString::to_string)),
    ]
}

fn shown(array: &ArrayRef, row: usize) -> String {
    if array.is_null(row) {
        return "NULL".to_owned();
    }
    match array.data_type() {
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Float64 => format!("{:?}", array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(..) => array.as_primitive::<Decimal128Type>().value(row).to_string(),
        _ => array.as_string::<i32>().value(row).to_owned(),
    }
}

/// The results so far, each window and key once.
#[derive(Default)]
struct Results(BTreeMap<Key, Vec<String>>);

impl Results {
    fn take(&mut self, batches: &[RecordBatch], window: Window) {
        let mut last = i64::MIN;
        for batch in batches {
            let columns = batch.columns();
            let times = |index: usize| columns[index].as_primitive::<TimestampMillisecondType>();
            for row in 0..batch.num_rows() {
                let end = times(15).value(row);
                assert!(end >= last, "windows come in the order of their ends");
                last = end;
                assert_eq!((times(14).value(row), times(16).value(row)), (end - window.size_ms, end - 1));
                let text = columns[0].as_string::<i32>();
                let number = columns[1].as_primitive::<Int32Type>();
                let key = (text.is_valid(row).then(|| text.value(row).to_owned()), number.is_valid(row).then(|| number.value(row)));
                let values = (2..14).map(|index| shown(&columns[index], row)).collect();
                assert!(self.0.insert((end, key), values).is_none(), "a window came out twice");
            }
        }
    }
}

/// What the rows give, taken one by one.
#[derive(Default)]
struct Reference {
    rows: BTreeMap<Key, Vec<Row>>,
    late: u64,
}

impl Reference {
    fn take(&mut self, row: &Row, window: Window, watermark: i64) {
        let open: Vec<i64> = window.starts(row.time).map(|start| start + window.size_ms).filter(|end| end - 1 > watermark).collect();
        self.late += u64::from(open.is_empty());
        open.into_iter().for_each(|end| self.rows.entry((end, row.key.clone())).or_default().push(row.clone()));
    }

    fn results(&self) -> BTreeMap<Key, Vec<String>> {
        self.rows.iter().map(|(key, rows)| (key.clone(), expected(rows))).collect()
    }
}

/// The deltas of each hash partition as a state store keeps them: all in order, or the last row of each key in any order.
#[derive(Default)]
struct Store {
    deltas: HashMap<u32, Vec<RecordBatch>>,
    /// Whether rows that the operator calls expired are dropped too.
    expires: bool,
}

impl Store {
    fn cut(&mut self, aggregate: &mut FinalAggregate) {
        for k in 0..K {
            self.deltas.entry(k).or_default().extend(aggregate.take_delta(k).unwrap());
            assert!(aggregate.take_delta(k).unwrap().is_none(), "nothing changed since");
        }
    }

    fn fold(&mut self, aggregate: &FinalAggregate, random: &mut Random) {
        let shape = aggregate.delta_shape();
        for (k, deltas) in &mut self.deltas {
            let all = concat_batches(&shape.columns, deltas.iter()).unwrap();
            let mut rows: HashMap<Vec<u8>, u32> = HashMap::new();
            let keys = all.project(&shape.key).unwrap();
            let ops = all.column(1).as_primitive::<Int8Type>();
            for row in 0..all.num_rows() {
                let key = row_as_json(&keys, row);
                if ops.value(row) == 1 {
                    rows.insert(key, u32::try_from(row).unwrap())
                } else {
                    rows.remove(&key)
                };
            }
            let horizon = aggregate.horizon(*k).unwrap();
            let expires = all.column(shape.expires).as_primitive::<Int64Type>();
            let is_needed = |row: &u32| !self.expires || expires.value(*row as usize) >= horizon;
            let mut kept: Vec<u32> = rows.into_values().filter(is_needed).collect();
            kept.sort_unstable();
            (1..kept.len()).for_each(|index| kept.swap(index, usize::try_from(random.below(index as u64 + 1)).unwrap()));
            *deltas = vec![take_record_batch(&all, &UInt32Array::from(kept)).unwrap()];
        }
    }

    fn restore(&self, asked: &Specification) -> FinalAggregate {
        let mut aggregate = FinalAggregate::of(asked, K).unwrap();
        for k in 0..K {
            aggregate.own(k);
            self.deltas.get(&k).into_iter().flatten().for_each(|delta| aggregate.restore(k, delta).unwrap());
        }
        aggregate
    }
}

/// Sums up the rows in random batches and gives the partials on in random cuts.
fn feed(rows: &[Row], partial: &mut PartialAggregate, aggregate: &mut FinalAggregate, random: &mut Random) -> u64 {
    let mut late = 0;
    let mut rest = rows;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(usize::try_from(random.between(1, i64::try_from(rest.len()).unwrap())).unwrap());
        rest = later;
        let (mut partials, mut bad) = (Vec::new(), Vec::new());
        partial.process(Batch::new(record_batch(now)), &mut partials, &mut bad);
        assert_eq!(bad, []);
        for batch in partials {
            let cut = usize::try_from(random.below(batch.num_rows() as u64 + 1)).unwrap();
            late += aggregate.on_partial(&batch.slice(cut, batch.num_rows() - cut)).unwrap();
            late += aggregate.on_partial(&batch.slice(0, cut)).unwrap();
        }
    }
    late
}

fn seeds(default: u64) -> u64 {
    std::env::var("SW_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn run(seed: u64) {
    let random = &mut Random(seed);
    let windows = [(50, 50, 0), (50, 50, 7), (60, 20, 0), (50, 20, 3), (40, 1, 0), (7, 7, 1)];
    let (size_ms, slide_ms, offset_ms) = windows[usize::try_from(random.below(6)).unwrap()];
    let window = Window { size_ms, slide_ms, offset_ms };
    let asked = specification(window);
    let mut partial = PartialAggregate::of(asked.clone()).unwrap();
    if random.chance(30) {
        partial.skip_table();
    }
    let mut store = Store { expires: random.chance(50), ..Store::default() };
    let mut aggregate = store.restore(&asked);
    let (mut results, mut reference, mut late, mut watermark) = (Results::default(), Reference::default(), 0, i64::MIN);
    for _ in 0..random.between(1, 12) {
        let rows: Vec<Row> = (0..random.below(40)).map(|_| row(random)).collect();
        rows.iter().for_each(|row| reference.take(row, window, watermark));
        late += feed(&rows, &mut partial, &mut aggregate, random);
        if random.chance(60) {
            watermark = watermark.max(random.between(-120, 320));
            if random.chance(30) {
                (0..K).for_each(|k| results.take(&aggregate.on_watermark_of(k, watermark).unwrap().batches, window));
            } else {
                results.take(&aggregate.on_watermark(watermark).unwrap().batches, window);
            }
        }
        if random.chance(60) {
            store.cut(&mut aggregate);
            if random.chance(40) {
                store.fold(&aggregate, random);
            }
            if random.chance(60) {
                aggregate = store.restore(&asked);
            }
        }
    }
    results.take(&aggregate.on_watermark(i64::MAX).unwrap().batches, window);
    assert_eq!(results.0, reference.results());
    assert_eq!(late, reference.late);
    assert_eq!(aggregate.group_count(), 0, "what has fired is forgotten");
    store.cut(&mut aggregate);
    let mut ended = store.restore(&asked);
    store.expires = false;
    store.fold(&ended, random);
    assert!(store.deltas.values().all(|deltas| deltas[0].num_rows() == 1), "of windows that have fired only the progress is left");
    assert!(ended.on_watermark(i64::MAX).unwrap().batches.is_empty(), "nothing fires twice");
    assert_eq!(feed(&[row(random)], &mut partial, &mut ended, random), 1, "after the end every row is late");
}

#[test]
fn any_order_cut_watermark_and_restore_gives_what_the_rows_alone_give() {
    for seed in 0..seeds(200) {
        if let Err(panic) = std::panic::catch_unwind(|| run(seed)) {
            eprintln!("failed with seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn rows_come_out_in_the_same_order_whatever_the_order_they_came_in() {
    let window = Window { size_ms: 50, slide_ms: 50, offset_ms: 0 };
    let asked = specification(window);
    let random = &mut Random(5);
    let mut rows: Vec<Row> = (0..200).map(|_| row(random)).collect();
    let mut outputs = Vec::new();
    for _ in 0..3 {
        let mut aggregate = Store::default().restore(&asked);
        feed(&rows, &mut PartialAggregate::of(asked.clone()).unwrap(), &mut aggregate, random);
        outputs.push(aggregate.on_watermark(i64::MAX).unwrap().batches);
        rows.reverse();
        rows.rotate_left(77);
    }
    assert!(outputs[0] == outputs[1] && outputs[1] == outputs[2]);
}

#[test]
fn a_sum_out_of_range_is_named_and_costs_no_other_group() {
    let window = Window { size_ms: 50, slide_ms: 50, offset_ms: 0 };
    let asked = specification(window);
    let mut random = Random(3);
    let mut rows: Vec<Row> = (0..3).map(|_| row(&mut random)).collect();
    for (index, row) in rows.iter_mut().enumerate() {
        row.time = 10;
        row.key = (Some(["full", "full", "fine"][index].to_owned()), None);
        row.int = Some(i64::MAX);
    }
    let mut aggregate = Store::default().restore(&asked);
    feed(&rows, &mut PartialAggregate::of(asked.clone()).unwrap(), &mut aggregate, &mut random);
    let fired = aggregate.on_watermark(49).unwrap();
    assert_eq!(fired.batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 1);
    assert_eq!(fired.batches[0].column(0).as_string::<i32>().value(0), "fine");
    assert_eq!(fired.failed.len(), 1);
    let text = String::from_utf8(fired.failed[0].row.clone()).unwrap();
    assert!(text.starts_with(r#"{"k1":"full","k2":null,"a0":2,"#) && text.contains(r#""a3":null"#), "{text}");
}

#[test]
fn a_row_without_a_time_is_bad_and_named() {
    let asked = specification(Window { size_ms: 50, slide_ms: 50, offset_ms: 0 });
    let mut random = Random(3);
    let rows: Vec<Row> = (0..4).map(|_| row(&mut random)).collect();
    let batch = record_batch(&rows);
    let mut columns = batch.columns().to_vec();
    columns[0] = Arc::new(TimestampMillisecondArray::from(vec![Some(1), None, Some(i64::MAX), Some(2)]));
    let batch = RecordBatch::try_new(batch.schema(), columns).unwrap();
    let (mut partials, mut bad) = (Vec::new(), Vec::new());
    PartialAggregate::of(asked).unwrap().process(Batch::new(batch), &mut partials, &mut bad);
    let reasons: Vec<_> = bad.iter().map(|bad| (bad.index, bad.reason.as_str())).collect();
    assert_eq!(
        reasons,
        [(1, "the event time is NULL, so the row is in no window"), (2, "the event time is out of range, so the row is in no window")]
    );
    let counted: u32 =
        partials.iter().flat_map(|batch| batch.column(2).as_primitive::<arrow::datatypes::UInt32Type>().values().to_vec()).sum();
    assert_eq!(counted, 2);
}

#[test]
fn what_is_not_a_partial_batch_or_a_delta_is_refused_and_changes_nothing() {
    let asked = specification(Window { size_ms: 50, slide_ms: 50, offset_ms: 0 });
    let mut random = Random(1);
    let rows: Vec<Row> = (0..50).map(|_| row(&mut random)).collect();
    let (mut partials, mut bad) = (Vec::new(), Vec::new());
    PartialAggregate::of(asked.clone()).unwrap().process(Batch::new(record_batch(&rows)), &mut partials, &mut bad);
    let mut aggregate = FinalAggregate::of(&asked, K).unwrap();
    assert!(matches!(aggregate.on_partial(&partials[0]), Err(super::StateError::NotOwned(_))));
    (0..K).for_each(|k| aggregate.own(k));
    assert!(matches!(aggregate.on_partial(&record_batch(&rows)), Err(super::StateError::Column { index: 0, .. })));
    let mut far = partials[0].columns().to_vec();
    far[1] = Arc::new(Int64Array::from_value(i64::MAX, partials[0].num_rows()));
    let far = RecordBatch::try_new(partials[0].schema(), far).unwrap();
    assert!(matches!(aggregate.on_partial(&far), Err(super::StateError::Value("a pane is out of range"))));
    assert_eq!(aggregate.group_count(), 0);
    aggregate.on_partial(&partials[0]).unwrap();
    let delta = (0..K).find_map(|k| Some((k, aggregate.take_delta(k).unwrap()?))).unwrap();
    let refused = aggregate.restore((delta.0 + 1) % K, &delta.1);
    assert!(matches!(refused, Err(super::StateError::Value("a row belongs to another hash partition"))));
}

#[test]
fn a_text_that_no_record_of_state_holds_is_a_bad_row_and_the_longest_that_one_does_is_not() {
    let asked = specification(Window { size_ms: 50, slide_ms: 50, offset_ms: 0 });
    let mut random = Random(3);
    let mut rows: Vec<Row> = (0..4).map(|_| row(&mut random)).collect();
    // Two texts are kept: a key, and the greatest of column 5.
    let most = (512 << 10) / 2;
    rows[0].key.0 = Some("k".repeat(most));
    rows[1].key.0 = Some("k".repeat(most + 1));
    rows[2].text = Some("t".repeat(most + 1));
    let (mut partials, mut bad) = (Vec::new(), Vec::new());
    PartialAggregate::of(asked).unwrap().process(Batch::new(record_batch(&rows)), &mut partials, &mut bad);
    assert_eq!(bad.iter().map(|bad| bad.index).collect::<Vec<_>>(), [1, 2]);
    assert!(bad[0].reason.contains("a text of 262145 bytes"), "{}", bad[0].reason);
    assert_eq!(partials.iter().map(RecordBatch::num_rows).sum::<usize>(), 2);
}

#[test]
fn each_group_that_a_delta_has_to_tell_of_is_counted_once_for_that_delta() {
    let asked = specification(Window { size_ms: 50, slide_ms: 50, offset_ms: 0 });
    let mut random = Random(5);
    let rows: Vec<Row> = (0..40).map(|_| row(&mut random)).collect();
    let (mut partials, mut bad) = (Vec::new(), Vec::new());
    PartialAggregate::of(asked.clone()).unwrap().process(Batch::new(record_batch(&rows)), &mut partials, &mut bad);
    let mut aggregate = FinalAggregate::of(&asked, K).unwrap();
    (0..K).for_each(|k| aggregate.own(k));
    for delta in 1..3 {
        for _ in 0..2 {
            for partial in &partials {
                aggregate.on_partial(partial).unwrap();
            }
            assert_eq!(aggregate.changes(), delta * aggregate.group_count() as u64);
        }
        for k in 0..K {
            aggregate.take_delta(k).unwrap();
        }
    }
}
