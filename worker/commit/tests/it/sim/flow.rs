//! What the modelled pods compute: rows by key and event-time window, one output per window when the watermark has passed it.
//! An output lists exactly the rows that it was made of, so that the oracle sees every loss, double and swap.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use streamwright_commit::{
    AdoptHash, AdoptSource, Burst, CommitMark, CommitNumber, ExchangeIndex, HashPartition, ManifestDue, Progress, Route, Rules,
    SourceIndex, TouchedHash, Watermark,
};
use units::Offset;

/// Length of a window in event-time milliseconds.
pub const WINDOW_MS: i64 = 1_000;

/// A partition of the modelled broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    Source(u32),
    Exchange(u32),
    State(u32),
    Output(u32),
}

/// A source row, once its offset is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    pub source: u32,
    pub offset: i64,
    pub key: u32,
    pub time: i64,
}

/// A window of a key.
pub type Group = (u32, i64);
/// The rows of a window: source partition and offset, in the order in which they were applied.
pub type Members = Vec<(u32, i64)>;
/// Records of one transaction, by partition.
pub type Payload = Arc<Vec<(Part, Vec<Record>)>>;

/// What partitions hold.
#[derive(Clone, Debug)]
pub enum Record {
    Row {
        key: u32,
        time: i64,
    },
    Block {
        rows: Vec<Row>,
        watermarks: Vec<(u32, Watermark)>,
    },
    Claim {
        mark: CommitMark,
    },
    /// What one commit changed; `whole`: all there is, so that nothing before it is needed.
    Delta {
        number: CommitNumber,
        delta: Delta,
        whole: bool,
    },
    Manifest {
        number: CommitNumber,
        covers: CommitNumber,
        floor: i64,
        name: String,
        positions: Positions,
    },
    Output {
        group: Group,
        members: Members,
    },
}

/// Positions and watermarks as of one commit.
#[derive(Clone, Debug, Default)]
pub struct Positions {
    pub sources: Vec<(u32, i64, Watermark)>,
    pub exchange: i64,
}

/// What one commit changed in one hash partition.
#[derive(Clone, Debug, Default)]
pub struct Delta {
    pub changed: BTreeMap<Group, Option<Members>>,
    pub progress: Vec<(u32, Watermark)>,
    pub positions: Positions,
}

/// State of one hash partition.
#[derive(Clone, Debug)]
pub struct Keyed {
    pub windows: BTreeMap<Group, Members>,
    pub progress: Progress<u32>,
    pub fired_until: i64,
    /// Windows that are over, and when they are emitted: a timer of the pod's clock, which consumes nothing.
    closing: BTreeMap<Group, u64>,
    exchange_next: i64,
    /// Position as of the last cut.
    exchange_cut: i64,
    changed: BTreeSet<Group>,
    touched: bool,
    claim: Offset,
}

impl Keyed {
    pub fn new(rules: &Rules, sources: u32) -> Self {
        Self {
            windows: BTreeMap::new(),
            progress: Progress::new(rules, 0..sources),
            fired_until: i64::MIN,
            closing: BTreeMap::new(),
            exchange_next: 0,
            exchange_cut: 0,
            changed: BTreeSet::new(),
            touched: false,
            claim: Offset::ZERO,
        }
    }

    pub fn apply_delta(&mut self, delta: &Delta) {
        for (group, members) in &delta.changed {
            match members {
                Some(members) => self.windows.insert(*group, members.clone()),
                None => self.windows.remove(group),
            };
        }
        delta.progress.iter().for_each(|&(source, watermark)| self.progress.heard(source, watermark, false));
        if let Watermark::At(at) = self.progress.watermark() {
            self.fired_until = self.fired_until.max(at);
        }
        self.closing.retain(|group, _| self.windows.contains_key(group));
        self.close();
    }

    fn apply_row(&mut self, row: Row) {
        let start = row.time.div_euclid(WINDOW_MS) * WINDOW_MS;
        self.touched = true;
        if start + WINDOW_MS - 1 <= self.fired_until {
            return; // late: its absence shows in the output
        }
        self.windows.entry((row.key, start)).or_default().push((row.source, row.offset));
        self.changed.insert((row.key, start));
    }

    fn fire(&mut self) {
        let Watermark::At(watermark) = self.progress.watermark() else { return };
        if watermark <= self.fired_until {
            return;
        }
        self.fired_until = watermark;
        self.close();
    }

    fn close(&mut self) {
        for &group in self.windows.keys().filter(|(_, start)| start + WINDOW_MS - 1 <= self.fired_until) {
            self.closing.entry(group).or_insert(0);
        }
    }

    fn timers(&mut self, now: u64, linger_ms: u64, outputs: &mut Vec<Record>) {
        self.closing.values_mut().filter(|at| **at == 0).for_each(|at| *at = now + linger_ms);
        let due: Vec<Group> = self.closing.iter().filter(|(_, at)| **at <= now).map(|(&group, _)| group).collect();
        for group in due {
            self.closing.remove(&group);
            let members = self.windows.remove(&group).expect("a window stays until it is emitted");
            self.changed.insert(group);
            self.touched = true;
            outputs.push(Record::Output { group, members });
        }
    }

    fn delta(&self, positions: Positions, whole: bool) -> Delta {
        let all = self.windows.keys().filter(|_| whole);
        let changed = self.changed.iter().chain(all).map(|group| (*group, self.windows.get(group).cloned())).collect();
        let progress = self.progress.entries().map(|(&source, watermark, _)| (source, watermark)).collect();
        Delta { changed, progress, positions }
    }
}

#[derive(Clone, Debug)]
struct Source {
    next: i64,
    watermark: Watermark,
    announced: Watermark,
    moved: bool,
}

/// The lanes of one modelled process.
pub struct Flow {
    rules: Rules,
    /// Every delta says all there is.
    whole: bool,
    source_count: u32,
    hash_count: u32,
    pub route: Route,
    sources: BTreeMap<u32, Source>,
    pub hashes: BTreeMap<u32, Keyed>,
    outgoing: BTreeMap<u32, Vec<Row>>,
    announce: bool,
    outputs: Vec<Record>,
    /// Watermarks of sources as witnessed in restored state, until the source is adopted.
    witnessed: BTreeMap<u32, Watermark>,
}

impl Flow {
    pub fn new(rules: &Rules, source_count: u32, hash_count: u32, whole: bool) -> Self {
        Self {
            rules: rules.clone(),
            whole,
            source_count,
            hash_count,
            route: Route::Undecided,
            sources: BTreeMap::new(),
            hashes: BTreeMap::new(),
            outgoing: BTreeMap::new(),
            announce: false,
            outputs: Vec::new(),
            witnessed: BTreeMap::new(),
        }
    }

    pub fn adopt(&mut self, hashes: &[AdoptHash], sources: &[AdoptSource], restored: &mut BTreeMap<u32, (Keyed, Positions)>) {
        for adopted in hashes {
            let (mut keyed, positions) =
                restored.remove(&adopted.hash.0).unwrap_or_else(|| (Keyed::new(&self.rules, self.source_count), Positions::default()));
            keyed.claim = adopted.claim;
            (keyed.exchange_next, keyed.exchange_cut) = (adopted.exchanges[0].0, adopted.exchanges[0].0);
            for (source, _, watermark) in positions.sources {
                let witnessed = self.witnessed.entry(source).or_insert(watermark);
                *witnessed = watermark.max(*witnessed);
            }
            self.hashes.insert(adopted.hash.0, keyed);
        }
        for adopted in sources {
            let watermark = self.witnessed.get(&adopted.source.0).copied().unwrap_or(Watermark::Unknown);
            let next = adopted.position.map_or(0, |offset| offset.0);
            let source = Source { next, watermark, announced: Watermark::Unknown, moved: adopted.position.is_none() };
            self.sources.insert(adopted.source.0, source);
        }
        self.announce = true;
    }

    pub fn release(&mut self, sources: impl Iterator<Item = u32>, hashes: impl Iterator<Item = u32>) {
        for source in sources {
            self.sources.remove(&source);
        }
        for hash in hashes {
            self.hashes.remove(&hash);
        }
    }

    pub fn set_route(&mut self, route: Route) {
        self.route = route;
        self.announce = true;
        self.progress_moved();
    }

    pub fn source_position(&self, source: u32) -> Option<i64> {
        self.sources.get(&source).map(|source| source.next)
    }

    pub fn exchange_position(&self, hash: u32) -> Option<i64> {
        self.hashes.get(&hash).map(|keyed| keyed.exchange_next)
    }

    pub fn hash_of(&self, key: u32) -> u32 {
        key % self.hash_count
    }

    /// Rows of one source partition, in order, and where to go on.
    pub fn take_rows(&mut self, source: u32, from: i64, rows: Vec<(i64, Record)>, next: i64) {
        let Some(slot) = self.sources.get_mut(&source).filter(|slot| slot.next == from) else { return };
        slot.moved |= next != from;
        slot.next = next;
        for (offset, record) in rows {
            let Record::Row { key, time } = record else { panic!("only rows are in sources") };
            let slot = self.sources.get_mut(&source).expect("looked at above");
            slot.watermark = slot.watermark.max(Watermark::At(time - 1));
            let (row, hash) = (Row { source, offset, key, time }, self.hash_of(key));
            match self.route {
                Route::Memory => self.hashes.get_mut(&hash).expect("alone, a pod owns every hash partition").apply_row(row),
                Route::Log | Route::Undecided => self.outgoing.entry(hash).or_default().push(row),
            }
        }
        self.progress_moved();
    }

    fn progress_moved(&mut self) {
        match self.route {
            Route::Memory => {
                for keyed in self.hashes.values_mut() {
                    self.sources.iter().for_each(|(&source, slot)| keyed.progress.heard(source, slot.watermark, false));
                    keyed.fire();
                }
            }
            Route::Log | Route::Undecided => {
                // Empty blocks go out when the watermark of any source has crossed the end of a window: of each source, since it may
                // move to a pod that reads no more rows of it.
                let window = |watermark| if let Watermark::At(at) = watermark { at.div_euclid(WINDOW_MS) } else { i64::MIN };
                for slot in self.sources.values_mut() {
                    self.announce |= window(slot.watermark) > window(slot.announced);
                    slot.announced = slot.watermark;
                }
            }
        }
    }

    /// Records of one exchange partition from `from`; claims have been taken out.
    pub fn take_blocks(&mut self, hash: u32, from: i64, blocks: Vec<(i64, Record)>, next: i64) {
        let Some(keyed) = self.hashes.get_mut(&hash).filter(|keyed| keyed.exchange_next == from) else { return };
        keyed.touched |= !blocks.is_empty();
        keyed.exchange_next = next;
        for (_, record) in blocks {
            let Record::Block { rows, watermarks } = record else { panic!("only blocks and claims are in exchanges") };
            rows.into_iter().for_each(|row| keyed.apply_row(row));
            watermarks.into_iter().for_each(|(source, watermark)| keyed.progress.heard(source, watermark, false));
            keyed.fire();
        }
    }

    /// Emits what has been over for `linger_ms`.
    pub fn timers(&mut self, now: u64, linger_ms: u64) {
        self.hashes.values_mut().for_each(|keyed| keyed.timers(now, linger_ms, &mut self.outputs));
    }

    pub fn is_changed(&self) -> bool {
        let announces = self.announce && self.route == Route::Log && !self.sources.is_empty();
        !self.outgoing.is_empty()
            || !self.outputs.is_empty()
            || announces
            || self.sources.values().any(|slot| slot.moved)
            || self.hashes.values().any(|keyed| keyed.touched)
    }

    /// Everything done since the last cut.
    pub fn cut(&mut self, number: CommitNumber, manifests: &[(ManifestDue, String)]) -> Option<Burst<Payload>> {
        if !self.is_changed() && manifests.is_empty() || self.hashes.is_empty() {
            return None;
        }
        let mut parts: Vec<(Part, Vec<Record>)> = Vec::new();
        if self.route != Route::Memory {
            self.cut_blocks(&mut parts);
        }
        if !self.outputs.is_empty() {
            parts.push((Part::Output(0), std::mem::take(&mut self.outputs)));
        }
        let positions: Vec<_> = self.sources.iter().map(|(&source, slot)| (source, slot.next, slot.watermark)).collect();
        let moved = |(&p, slot): (&u32, &mut Source)| std::mem::take(&mut slot.moved).then_some((SourceIndex(p), Offset(slot.next)));
        let sources: Vec<_> = self.sources.iter_mut().filter_map(moved).collect();
        if !self.hashes.values().any(|keyed| keyed.touched) {
            self.hashes.values_mut().next().expect("checked above").touched = true;
        }
        let (mut hashes, mut exchanges) = (Vec::new(), Vec::new());
        for (&hash, keyed) in &mut self.hashes {
            let manifest = manifests.iter().find(|(due, _)| due.hash.0 == hash);
            if !keyed.touched && manifest.is_none() {
                continue;
            }
            let positions = Positions { sources: positions.clone(), exchange: keyed.exchange_next };
            let mut records = vec![Record::Delta { number, delta: keyed.delta(positions.clone(), self.whole), whole: self.whole }];
            if let Some((due, name)) = manifest {
                let (covers, floor, name) = (due.covers, due.floor.0, name.clone());
                records.push(Record::Manifest { number, covers, floor, name, positions });
            }
            parts.push((Part::State(hash), records));
            if keyed.exchange_next != keyed.exchange_cut {
                exchanges.push((ExchangeIndex(0), HashPartition(hash), Offset(keyed.exchange_next)));
                keyed.exchange_cut = keyed.exchange_next;
            }
            hashes.push(TouchedHash { hash: HashPartition(hash), delta_bytes: 100, manifest: manifest.is_some(), whole: self.whole });
            keyed.changed.clear();
            keyed.touched = false;
        }
        let markers = parts.len() as u32 + 1;
        Some(Burst { sources, exchanges, hashes, bytes: 100 * u64::from(markers), markers, payload: Arc::new(parts) })
    }

    fn cut_blocks(&mut self, parts: &mut Vec<(Part, Vec<Record>)>) {
        let watermarks: Vec<_> = self.sources.iter().map(|(&source, slot)| (source, slot.watermark)).collect();
        let mut outgoing = std::mem::take(&mut self.outgoing);
        let everywhere = std::mem::take(&mut self.announce) && !watermarks.is_empty();
        for hash in 0..self.hash_count {
            let rows = outgoing.remove(&hash).unwrap_or_default();
            if everywhere || !rows.is_empty() {
                parts.push((Part::Exchange(hash), vec![Record::Block { rows, watermarks: watermarks.clone() }]));
            }
        }
    }
}
