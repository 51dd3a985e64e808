//! Whole plans in one thread: records in, records out, with restores in between. What a pipeline does, without logs and lanes.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sql::{Catalog, EventTime, Format, Limits, Operator, Plan, Table};
use streamwright_flow::{
    Batch,
    chain::Chain,
    format::{BadRow, Decoder, Encoder, Row},
    window::FinalAggregate,
};

use crate::{
    json::columns,
    seeds::{self, Random},
};

const K: u32 = 8;

fn table(name: &str, declared: &[(&str, &str)], key: &[usize], event_time: Option<usize>) -> Table {
    Table {
        name: name.to_owned(),
        columns: columns(declared),
        key: key.to_vec(),
        event_time: event_time.map(|column| EventTime { column, watermark_delay_ms: 0, idle_timeout_ms: 0 }),
        format: Format::Json,
        topic: units::TopicName::new(name).unwrap(),
        partitions: 4,
    }
}

fn catalog() -> Catalog {
    let flights: &[(&str, &str)] =
        &[("carrier", "STRING"), ("origin", "STRING"), ("delay", "INT"), ("departed", "TIMESTAMP(3)"), ("note", "STRING")];
    let plain = |name: &str, declared: &[(&str, &str)], key: &[usize]| table(name, declared, key, None);
    Catalog {
        tables: vec![
            table("flights", flights, &[0], Some(3)),
            table("charters", flights, &[0], Some(3)),
            plain("late", &[("carrier", "STRING NOT NULL"), ("delay", "INT"), ("hours", "INT")], &[0]),
            plain("hourly", &[("carrier", "STRING"), ("hour", "TIMESTAMP(3)"), ("flights", "BIGINT"), ("mean", "DOUBLE")], &[0, 1]),
            plain("worst", &[("origin", "STRING"), ("day", "TIMESTAMP(3)"), ("worst", "DOUBLE")], &[0]),
            plain("copied", &[("carrier", "STRING"), ("starts", "TIMESTAMP(3)"), ("ends", "TIMESTAMP(3)")], &[]),
        ],
    }
}

/// Runs a plan; what a pod does between its sockets.
struct Runner {
    plan: Plan,
    decoders: BTreeMap<usize, Decoder>,
    chains: Vec<Chain>,
    aggregates: Vec<FinalAggregate>,
    encoders: BTreeMap<usize, Encoder>,
    /// Key and value of every record, by sink.
    records: BTreeMap<String, Vec<(Option<String>, Value)>>,
    bad: Vec<BadRow>,
    late: u64,
}

impl Runner {
    fn new(text: &str) -> Self {
        let plan = sql::plan(text, &catalog(), &Limits::default()).unwrap_or_else(|error| panic!("{error}"));
        let decoders = plan.sources().map(|(node, source)| (node, Decoder::new(source).unwrap())).collect();
        let chains = (0..plan.stages.len()).map(|stage| Chain::new(&plan, stage).unwrap()).collect();
        let encoders =
            plan.sinks().map(|(node, sink)| (node, Encoder::new(sink, &plan.nodes[plan.nodes[node].inputs[0]].schema).unwrap())).collect();
        let aggregates = plan.exchanges.iter().map(|exchange| owned(&plan, exchange.aggregate)).collect();
        Self { plan, decoders, chains, aggregates, encoders, records: BTreeMap::new(), bad: Vec::new(), late: 0 }
    }

    fn stage_of(&self, root: usize) -> usize {
        self.plan.stages.iter().position(|stage| stage.root == root).unwrap()
    }

    fn read(&mut self, source: &str, texts: &[String]) {
        let (node, _) = self.plan.sources().find(|(_, found)| found.from.name() == source).unwrap();
        let rows: Vec<Row<'_>> =
            (0..).zip(texts).map(|(offset, text)| Row { value: Some(text.as_bytes()), partition: 3, offset, ..Row::default() }).collect();
        let decoded = self.decoders.get_mut(&node).unwrap().decode(&rows).unwrap();
        self.bad.extend(decoded.bad);
        let stage = self.stage_of(node);
        self.run(stage, Batch { rows: decoded.batch, origin: decoded.origin.into() });
    }

    fn run(&mut self, stage: usize, batch: Batch) {
        let output = self.chains[stage].run(batch);
        self.bad.extend(output.bad);
        for (exchange, partial) in output.partials {
            self.late += self.aggregates[exchange].on_partial(&partial).unwrap();
        }
        for (node, batch) in output.sinks {
            let Operator::Sink(sink) = &self.plan.nodes[node].operator else { unreachable!() };
            let encoded = self.encoders[&node].encode(&batch.rows).unwrap();
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let records = self.records.entry(sink.table.name.clone()).or_default();
            records.extend(
                (0..encoded.len()).map(|index| (encoded.key(index).map(text), serde_json::from_slice(encoded.values.get(index)).unwrap())),
            );
            let origin = |bad: &BadRow| BadRow { index: batch.origin[bad.index as usize], reason: bad.reason.clone() };
            self.bad.extend(encoded.bad.iter().map(origin));
        }
    }

    fn advance(&mut self, watermark_ms: i64) {
        for exchange in 0..self.aggregates.len() {
            let fired = self.aggregates[exchange].on_watermark(watermark_ms).unwrap();
            assert_eq!(fired.failed, []);
            let stage = self.stage_of(self.plan.exchanges[exchange].aggregate);
            fired.batches.into_iter().for_each(|rows| self.run(stage, Batch::new(rows)));
        }
    }

    /// Commits, dies, and comes back with nothing but the deltas of all commits.
    fn restart(&mut self, deltas: &mut Vec<(usize, u32, arrow::array::RecordBatch)>) {
        for (exchange, aggregate) in self.aggregates.iter_mut().enumerate() {
            deltas.extend((0..K).filter_map(|k| Some((exchange, k, aggregate.take_delta(k).unwrap()?))));
            *aggregate = owned(&self.plan, self.plan.exchanges[exchange].aggregate);
            let own = deltas.iter().filter(|delta| delta.0 == exchange);
            own.for_each(|(_, k, delta)| aggregate.restore(*k, delta).unwrap());
        }
    }

    fn values(&self, sink: &str) -> Vec<Value> {
        let mut values: Vec<Value> = self.records.get(sink).into_iter().flatten().map(|(_, value)| value.clone()).collect();
        values.sort_by_key(Value::to_string);
        values
    }
}

fn owned(plan: &Plan, node: usize) -> FinalAggregate {
    let mut aggregate = FinalAggregate::new(&plan.nodes[node], K).unwrap();
    (0..K).for_each(|k| aggregate.own(k));
    aggregate
}

fn flight(carrier: &str, delay: i64, departed: &str) -> String {
    json!({"carrier": carrier, "origin": "EWR", "delay": delay, "departed": departed, "note": "x"}).to_string()
}

#[test]
fn a_row_that_cannot_be_computed_costs_no_other_row_and_knows_where_it_came_from() {
    let mut runner = Runner::new("INSERT INTO late SELECT carrier, delay, 600 / (delay - 7) FROM flights WHERE delay > 5");
    let mut texts: Vec<String> = (0..20).map(|delay| flight("UA", delay, "2013-01-01 05:00:00")).collect();
    texts[3] = "{".to_owned();
    texts.push(json!({"carrier": null, "delay": 8}).to_string());
    runner.read("flights", &texts);
    let expected: Vec<Value> = [6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]
        .map(|delay| json!({"carrier": "UA", "delay": delay, "hours": 600 / (delay - 7)}))
        .into();
    let mut sorted = expected;
    sorted.sort_by_key(Value::to_string);
    assert_eq!(runner.values("late"), sorted);
    assert!(runner.records["late"].iter().all(|(key, _)| key.as_deref() == Some("UA")));
    let mut bad: Vec<_> = runner.bad.iter().map(|bad| bad.index).collect();
    bad.sort_unstable();
    assert_eq!(bad, [3, 7, 20], "{:?}", runner.bad);
    assert!(runner.bad.iter().any(|bad| bad.index == 7 && bad.reason.to_lowercase().contains("zero")), "{:?}", runner.bad);
}

#[test]
fn rows_are_repeated_for_each_of_their_windows() {
    let mut runner = Runner::new(
        "INSERT INTO copied SELECT carrier, window_start, window_end
           FROM TABLE(HOP(TABLE flights, DESCRIPTOR(departed), INTERVAL '1' HOUR, INTERVAL '2' HOUR))",
    );
    runner.read("flights", &[flight("UA", 1, "2013-01-01 05:30:00"), json!({"carrier": "AA"}).to_string()]);
    assert_eq!(
        runner.values("copied"),
        [
            json!({"carrier": "UA", "starts": "2013-01-01 04:00:00.000", "ends": "2013-01-01 06:00:00.000"}),
            json!({"carrier": "UA", "starts": "2013-01-01 05:00:00.000", "ends": "2013-01-01 07:00:00.000"}),
        ]
    );
    assert_eq!(runner.bad, [BadRow { index: 1, reason: "the event time is NULL, so the row is in no window".to_owned() }]);
}

const HOUR_MS: i64 = 3_600_000;

/// Flights of three days as (carrier, origin, delay, departed in ms).
fn flights(random: &mut Random) -> Vec<(String, String, Option<i64>, i64)> {
    (0..random.between(1, 150))
        .map(|_| {
            let carrier = (*random.pick(&["UA", "AA", "B6"])).to_owned();
            let origin = (*random.pick(&["EWR", "JFK"])).to_owned();
            (carrier, origin, random.chance(90).then(|| random.between(-20, 200)), random.between(0, 72 * HOUR_MS))
        })
        .collect()
}

fn text(time_ms: i64) -> String {
    let (day, rest) = (time_ms / (24 * HOUR_MS), time_ms % (24 * HOUR_MS));
    format!("1970-01-{:02} {:02}:{:02}:{:02}.{:03}", day + 1, rest / HOUR_MS, rest / 60_000 % 60, rest / 1000 % 60, rest % 1000)
}

/// Feeds the flights in an order that is never late, in random batches, dying now and then.
fn feed(runner: &mut Runner, mut flights: Vec<(String, String, Option<i64>, i64)>, random: &mut Random) {
    flights.sort_by_cached_key(|flight| flight.3 + random.between(0, HOUR_MS));
    let texts: Vec<String> = flights
        .iter()
        .map(|(carrier, origin, delay, departed)| {
            json!({"carrier": carrier, "origin": origin, "delay": delay, "departed": text(*departed)}).to_string()
        })
        .collect();
    let mut deltas = Vec::new();
    let mut from = 0;
    while from < texts.len() {
        let to = (from + usize::try_from(random.between(1, 40)).unwrap()).min(texts.len());
        runner.read("flights", &texts[from..to]);
        from = to;
        if let Some(least) = flights[from..].iter().map(|flight| flight.3).min() {
            runner.advance(least - 1);
        }
        if random.chance(40) {
            runner.restart(&mut deltas);
        }
    }
    runner.advance(i64::MAX);
    assert_eq!((runner.late, runner.bad.as_slice()), (0, &[][..]));
}

#[test]
fn windows_over_windows_give_what_the_rows_alone_give() {
    let text_of = "
        CREATE VIEW by_hour AS
          SELECT origin, window_start AS hour_start, window_time AS hour_time, AVG(CAST(delay AS DOUBLE)) AS mean
            FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(departed), INTERVAL '1' HOUR))
           GROUP BY origin, window_start, window_end, window_time;
        INSERT INTO worst
          SELECT origin, window_start, MAX(mean)
            FROM TABLE(TUMBLE(TABLE by_hour, DESCRIPTOR(hour_time), INTERVAL '1' DAY))
           GROUP BY origin, window_start, window_end;
        INSERT INTO hourly
          SELECT carrier, window_start, COUNT(*), AVG(CAST(delay AS DOUBLE))
            FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(departed), INTERVAL '1' HOUR))
           GROUP BY carrier, window_start, window_end;";
    seeds::each(40, |random| {
        let flights = flights(random);
        let mut runner = Runner::new(text_of);
        feed(&mut runner, flights.clone(), random);
        let mut hours: BTreeMap<(&str, i64), Vec<Option<i64>>> = BTreeMap::new();
        let mut origins: BTreeMap<(&str, i64), Vec<i64>> = BTreeMap::new();
        for (carrier, origin, delay, departed) in &flights {
            hours.entry((carrier, departed / HOUR_MS)).or_default().push(*delay);
            origins.entry((origin, departed / HOUR_MS)).or_default().extend(delay);
        }
        let mean = |delays: &[i64]| (!delays.is_empty()).then(|| delays.iter().sum::<i64>() as f64 / delays.len() as f64);
        let row = |((carrier, hour), delays): (&(&str, i64), &Vec<Option<i64>>)| {
            let known: Vec<i64> = delays.iter().flatten().copied().collect();
            json!({"carrier": carrier, "hour": text(hour * HOUR_MS), "flights": delays.len(), "mean": mean(&known)})
        };
        assert_eq!(runner.values("hourly"), sorted(hours.iter().map(row)));
        let mut days: BTreeMap<(&str, i64), Option<f64>> = BTreeMap::new();
        for ((origin, hour), delays) in &origins {
            let worst = days.entry((origin, hour / 24)).or_default();
            *worst = [*worst, mean(delays)].into_iter().flatten().reduce(f64::max);
        }
        let row = |((origin, day), worst): (&(&str, i64), &Option<f64>)| json!({"origin": origin, "day": text(day * 24 * HOUR_MS), "worst": worst});
        assert_eq!(runner.values("worst"), sorted(days.iter().map(row)));
    });
}

#[test]
fn unions_feed_one_aggregate_and_hops_overlap() {
    let text_of = "
        INSERT INTO hourly
          SELECT carrier, window_end, COUNT(*), CAST(MAX(delay) AS DOUBLE)
            FROM TABLE(HOP(TABLE every, DESCRIPTOR(departed), INTERVAL '1' HOUR, INTERVAL '3' HOUR))
           GROUP BY carrier, window_start, window_end;";
    let view = "CREATE VIEW every AS SELECT carrier, delay, departed FROM flights WHERE delay > 0
                  UNION ALL SELECT carrier, delay, departed FROM charters;";
    seeds::each(20, |random| {
        let (some, others) = (flights(random), flights(random));
        let mut runner = Runner::new(&format!("{view}{text_of}"));
        let texts: Vec<String> = others
            .iter()
            .map(|(carrier, origin, delay, departed)| {
                json!({"carrier": carrier, "origin": origin, "delay": delay, "departed": text(*departed)}).to_string()
            })
            .collect();
        runner.read("charters", &texts);
        feed(&mut runner, some.clone(), random);
        let mut windows: BTreeMap<(&str, i64), Vec<Option<i64>>> = BTreeMap::new();
        for (carrier, _, delay, departed) in some.iter().filter(|flight| flight.2.is_some_and(|delay| delay > 0)).chain(&others) {
            for end in 1..=3 {
                windows.entry((carrier, departed / HOUR_MS + end)).or_default().push(*delay);
            }
        }
        let row = |((carrier, hour), delays): (&(&str, i64), &Vec<Option<i64>>)| {
            let most = delays.iter().flatten().max().map(|most| *most as f64);
            json!({"carrier": carrier, "hour": text(hour * HOUR_MS), "flights": delays.len(), "mean": most})
        };
        // The charters are read before any watermark, so that none of them is late.
        assert_eq!(runner.values("hourly"), sorted(windows.iter().map(row)));
    });
}

/// In order, and read from text as the records are: serde_json's nearest double may be the next but one.
fn sorted(values: impl Iterator<Item = Value>) -> Vec<Value> {
    let mut values: Vec<Value> = values.map(|value| serde_json::from_str(&value.to_string()).unwrap()).collect();
    values.sort_by_key(Value::to_string);
    values
}
