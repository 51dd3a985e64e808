//! A pod commits, checkpoints, dies and comes back; its state is in a folder and in a log of bytes.

use arrow::{
    array::{Array, AsArray, Int8Array, Int64Array, RecordBatch, StringArray, UInt64Array},
    datatypes::{DataType, Field, Int64Type},
};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use store::{FolderStore, ObjectStore, WriteIds};
use streamwright_state::{
    ALL_HASHES, CheckpointDue, Checkpoints, CommitMark, Content, Delta, HashPartition, Life, OperatorDelta, OperatorId, OperatorSchema,
    Position, Progress, Readback, RestoredState, SealLimits, StateNames, StateReader, StateRecord, Step, UPSERT, Upstream, pin,
    state_columns, unpin,
};
use units::{Offset, ProducerEpoch, ProducerId};

const LAYOUT: &str = "0a1b2c3d-1-1";
const K: HashPartition = HashPartition(0);
const COUNTS: OperatorId = OperatorId(1);
const GRACE: Duration = Duration::from_secs(600);

fn schemas() -> Arc<BTreeMap<OperatorId, OperatorSchema>> {
    let own = [("slice_end", DataType::Int64), ("carrier", DataType::Utf8), ("flights", DataType::Int64)];
    let columns = state_columns(own.map(|(name, data_type)| Field::new(name, data_type, true)));
    Arc::new([(COUNTS, OperatorSchema::new(COUNTS, columns, vec![2, 3], Some(2)).unwrap())].into())
}

fn names() -> StateNames {
    StateNames::new("flights", "delays", LAYOUT).unwrap()
}

/// Rows `from..to`, each with its own key, counted as `flights`.
fn rows(range: std::ops::Range<u64>, flights: i64) -> RecordBatch {
    let spread = |row: u64| row.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let columns: Vec<Arc<dyn Array>> = vec![
        Arc::new(UInt64Array::from_iter_values(range.clone().map(spread))),
        Arc::new(Int8Array::from_iter_values(range.clone().map(|_| UPSERT))),
        Arc::new(Int64Array::from_iter_values(range.clone().map(|row| (row % 24 + 1) as i64 * 3_600_000))),
        Arc::new(StringArray::from_iter_values(range.clone().map(|row| format!("carrier {row}")))),
        Arc::new(Int64Array::from_iter_values(range.map(|_| flights))),
    ];
    RecordBatch::try_new(schemas()[&COUNTS].columns().clone(), columns).unwrap()
}

struct Pod {
    store: Arc<dyn ObjectStore>,
    ids: WriteIds,
    log: Vec<Bytes>,
    life: Life,
    number: u64,
    checkpoints: Checkpoints,
}

impl Pod {
    /// Registers, claims, and restores what `log` and `store` hold; gives the restored state too.
    fn start(store: Arc<dyn ObjectStore>, mut log: Vec<Bytes>, producer: i64, number: u64) -> (Self, RestoredState) {
        let life = Life { producer_id: ProducerId(producer), epoch: ProducerEpoch(0) };
        let own = CommitMark { life, number };
        log.push(StateRecord { layout: LAYOUT.into(), hash: K, commit: own, content: Content::Claim }.encode());
        let mut readback = Readback::new(LAYOUT, K, own);
        let at = (0..).zip(&log).find(|(offset, record)| readback.push(Offset(*offset), (*record).clone()).unwrap() == Step::Complete);
        let readback = readback.complete(Offset(at.unwrap().0));
        let restored = RestoredState::load(&*store, readback, &schemas()).unwrap();
        let mut checkpoints = Checkpoints::new(names(), life, schemas(), SealLimits::default(), GRACE);
        checkpoints.adopt(restored.clone());
        (Self { store, ids: WriteIds::random(), log, life, number, checkpoints }, restored)
    }

    fn commit(&mut self, rows: RecordBatch) {
        self.number += 1;
        let commit = CommitMark { life: self.life, number: self.number };
        let upstream = Upstream { name: "flights".into(), partition: 0 };
        let position = Position { upstream, next: Offset(self.number as i64), watermark: Position::NO_WATERMARK, idle: false };
        let delta =
            Delta { positions: vec![position], operators: vec![OperatorDelta { operator: COUNTS, progress: Progress::default(), rows }] };
        for encoded in delta.encode(512 << 10) {
            assert!(encoded.bytes() < 1 << 20, "a record stays below Kafka's usual limit");
            self.log.push(StateRecord { layout: LAYOUT.into(), hash: K, commit, content: Content::Delta(encoded) }.encode());
        }
        self.checkpoints.committed(K, commit, &delta.positions, delta.operators);
    }

    fn checkpoint(&mut self, now: Instant) {
        let due = [CheckpointDue { hash: K, floor: Offset(self.log.len() as i64) }];
        let sealed = self.checkpoints.seal(&due, true).unwrap().run(&self.store, &self.ids).unwrap();
        self.checkpoints.sealed(Ok(sealed));
        self.number += 1;
        let commit = CommitMark { life: self.life, number: self.number };
        let record = self.checkpoints.manifest_record(K).unwrap();
        self.log.push(StateRecord { layout: LAYOUT.into(), hash: K, commit, content: Content::Manifest(record) }.encode());
        self.checkpoints.manifest_committed(K, now);
    }
}

/// The sum of all counts, and how many there are.
fn total(store: &Arc<dyn ObjectStore>, state: &mut RestoredState) -> (u64, i64) {
    let reader = StateReader::new(store.clone());
    let batches = state.rows(&reader, &schemas()[&COUNTS], &ALL_HASHES);
    let of = |batch: &RecordBatch| (batch.num_rows() as u64, batch.column(4).as_primitive::<Int64Type>().values().iter().sum::<i64>());
    batches.map(|batch| of(&batch.unwrap())).fold((0, 0), |(rows, sum), (more, counts)| (rows + more, sum + counts))
}

#[test]
fn state_outlives_its_pods_in_a_folder() {
    const ROWS: u64 = 120_000;
    let root = tempfile::tempdir().unwrap();
    let store: Arc<dyn ObjectStore> = Arc::new(FolderStore::open(root.path()).unwrap());
    let now = Instant::now();

    let (mut first, _) = Pod::start(store.clone(), Vec::new(), 1, 1);
    first.commit(rows(0..ROWS, 1));
    let began = Instant::now();
    first.checkpoint(now);
    println!("sealed {ROWS} rows in {:?}", began.elapsed());
    first.commit(rows(0..1000, 2));

    let (log, number) = (first.log, first.number);
    let (mut second, mut restored) = Pod::start(store.clone(), log, 2, number + 1);
    let began = Instant::now();
    assert_eq!(total(&store, &mut restored), (ROWS, ROWS as i64 + 1000));
    println!("restored {ROWS} rows in {:?}", began.elapsed());
    assert_eq!(restored.readback().positions[0].next, Offset(4), "commits are 2 and 4, the manifest went with 3");

    // Somebody holds on to the first manifest while the second pod replaces it.
    let pinned = restored.readback().manifest.clone().unwrap().manifest;
    let manifest = streamwright_state::Manifest::load(&*store, &pinned).unwrap();
    pin(&*store, &names(), "before", WriteIds::random().next(), [(&pinned, &manifest)]).unwrap();
    for round in 0..4 {
        second.commit(rows(0..ROWS, 3 + round));
        second.checkpoint(now);
    }
    let collect = |second: &mut Pod, now: Instant| {
        while let Some(job) = second.checkpoints.collect(now) {
            let collected = job.run(&*store);
            assert!(collected.error.is_none(), "{:?}", collected.error);
            second.checkpoints.collected(collected, now);
        }
    };
    collect(&mut second, now);
    collect(&mut second, now + GRACE);
    assert!(store.head(&pinned.object).unwrap().is_some(), "what is pinned stays");
    unpin(&*store, &names(), "before").unwrap();
    collect(&mut second, now + 2 * GRACE);
    assert!(store.head(&pinned.object).unwrap().is_none(), "and goes when it is not");

    let (_, mut restored) = Pod::start(store.clone(), second.log, 3, second.number + 1);
    assert_eq!(total(&store, &mut restored), (ROWS, 6 * ROWS as i64));
}
