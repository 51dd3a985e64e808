//! The world of one seed: what happens when, and to whom.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use streamwright_commit::{CommitMark, Config, Event, Rules, StopReason, Time};

use super::broker::{Broker, ReplyTo, Request, Response};
use super::flow::{Keyed, Part, Record};
use super::log::Identity;
use super::oracle::Oracle;
use super::process::{Process, Timer};
use super::random::Random;

/// What a scenario may do to the world.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Rules in force.
    pub rules: Rules,
    /// Pods at the start.
    pub pods: u32,
    /// Pods come and go.
    pub scales: bool,
    /// A second process of the same name may run.
    pub twins: bool,
    /// Mostly evictions and pauses: members that do not know that they are none.
    pub evictions: bool,
    /// Data that the broker loses while nobody runs.
    pub loss: Loss,
    /// Every delta says all there is to know, and nothing is ever checkpointed.
    pub whole: bool,
    /// Sources get more partitions, and every pod starts anew to read them.
    pub grows: bool,
    /// Milliseconds that the records of a commit need on their way to the broker.
    pub burst_ms: u64,
    /// Transaction timeout told first, in milliseconds.
    pub transaction_timeout_ms: u64,
    /// Faults end after so many milliseconds.
    pub faulty_ms: u64,
}

/// What rule 6 is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    Nothing,
    /// The group's offsets go back some seconds.
    Offsets,
    /// The group's offsets expire.
    AllOffsets,
    /// One state partition loses its last committed record.
    StateTail,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            rules: Rules::default(),
            pods: 1,
            scales: false,
            twins: true,
            evictions: false,
            loss: Loss::Nothing,
            whole: false,
            grows: false,
            burst_ms: 0,
            transaction_timeout_ms: Config::default().transaction_timeout_ms,
            faulty_ms: 20_000,
        }
    }
}

/// How a run that broke nothing ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// All windows were output, each once, each right.
    Complete { windows: usize },
    /// The pipeline stopped, naming lost data.
    Stalled(String),
}

#[derive(Clone, Debug)]
enum Happening {
    Request(ReplyTo, Request),
    Response(ReplyTo, Response),
    TimedOut(u32, u64),
    Marker(String, Option<Part>),
    Timer(u32, u64, Timer),
    Rows,
    Fault,
    Broker,
}

/// The network, the clock, and the object store.
pub struct Net {
    pub now: u64,
    pub random: Random,
    pub store: BTreeMap<String, Keyed>,
    /// State being uploaded: process, ticket, hash partition.
    pub stash: BTreeMap<(u32, u64, u32), Keyed>,
    /// Commits that pods believe in since the last look.
    pub believed: Vec<(CommitMark, Identity)>,
    /// How long a window that is over waits before it is emitted.
    pub linger_ms: u64,
    /// How long the records of a commit are on their way.
    pub burst_ms: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    happenings: BTreeMap<u64, Happening>,
    sequence: u64,
    lost: u64,
    doubled: u64,
    slow: u64,
}

impl Net {
    fn at(&mut self, time: u64, happening: Happening) {
        self.sequence += 1;
        self.queue.push(Reverse((time, self.sequence)));
        self.happenings.insert(self.sequence, happening);
    }

    fn delay(&mut self) -> u64 {
        if self.random.chance(self.slow) { self.random.between(50, 4_000) } else { self.random.between(1, 8) }
    }

    /// Sends a request, perhaps; the answer or a timeout follows.
    pub fn send(&mut self, process: u32, request: Request, timeout_ms: u64) -> u64 {
        self.sequence += 1;
        let rpc = self.sequence;
        for _ in 0..=u64::from(self.random.chance(self.doubled)) {
            let at = self.now + self.delay();
            if !self.random.chance(self.lost) {
                self.at(at, Happening::Request((process, rpc), request.clone()));
            }
        }
        self.at(self.now + timeout_ms, Happening::TimedOut(process, rpc));
        rpc
    }

    pub fn timer(&mut self, process: u32, life: u64, after_ms: u64, timer: Timer) {
        self.at(self.now + after_ms, Happening::Timer(process, life, timer));
    }

    fn respond(&mut self, reply: ReplyTo, response: Response) {
        let at = self.now + self.delay();
        if !self.random.chance(self.lost) {
            self.at(at, Happening::Response(reply, response));
        }
    }
}

struct World {
    scenario: Scenario,
    config: Config,
    net: Net,
    broker: Broker,
    processes: BTreeMap<u32, Process>,
    next_process: u32,
    oracle: Oracle,
    times: Vec<i64>,
    calm: bool,
    down_until: u64,
    restarts: BTreeMap<String, u64>,
    names: Vec<String>,
    old_offsets: Option<BTreeMap<streamwright_commit::Input, streamwright_commit::Committed>>,
    lost: bool,
    event_time: i64,
    traced: bool,
}

/// Runs one seed to its end.
///
/// # Errors
/// What was broken, in words.
pub fn run(seed: u64, scenario: &Scenario) -> Result<End, String> {
    World::new(seed, scenario).run()
}

impl World {
    fn new(seed: u64, scenario: &Scenario) -> Self {
        let mut random = Random::new(seed);
        let config = Config {
            sources: random.between(2, 3) as u32,
            hash_partitions: random.between(2, 5) as u32,
            exchanges: 1,
            commit_interval_ms: random.between(50, 400),
            checkpoint_bytes: random.between(800, 6_000),
            trim_interval_ms: random.between(200, 4_000),
            transaction_timeout_ms: scenario.transaction_timeout_ms,
            ..Config::default()
        };
        let mut broker = Broker::new(if random.chance(200) { 32_755 } else { 0 });
        broker.lenient_rejoin = random.chance(500);
        let (lost, doubled, slow) = (random.below(40), random.below(60), random.below(60));
        let net = Net {
            now: 0,
            store: BTreeMap::new(),
            stash: BTreeMap::new(),
            believed: Vec::new(),
            linger_ms: random.below(2_500),
            burst_ms: scenario.burst_ms,
            queue: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            sequence: 0,
            lost,
            doubled,
            slow,
            random,
        };
        let times = vec![0; config.sources as usize];
        let mut world = Self {
            scenario: scenario.clone(),
            config,
            net,
            broker,
            processes: BTreeMap::new(),
            next_process: 0,
            oracle: Oracle::default(),
            times,
            calm: false,
            down_until: 0,
            restarts: BTreeMap::new(),
            names: Vec::new(),
            old_offsets: None,
            lost: false,
            event_time: 0,
            traced: std::env::var_os("SW_TRACE").is_some(),
        };
        for n in 0..scenario.pods {
            world.names.push(format!("pod{n}"));
            world.start(&format!("pod{n}"));
        }
        world.net.at(1, Happening::Rows);
        world.net.at(500, Happening::Fault);
        world.net.at(100, Happening::Broker);
        world
    }

    fn start(&mut self, name: &str) {
        self.next_process += 1;
        let (config, rules) = (self.config.clone(), self.scenario.rules.clone());
        let process = Process::new(self.next_process, name.to_owned(), config, rules, self.scenario.whole, &mut self.net);
        self.processes.insert(self.next_process, process);
    }

    fn run(mut self) -> Result<End, String> {
        let bound = self.scenario.faulty_ms + 90_000;
        let mut last_event_time = None;
        while let Some(Reverse((time, id))) = self.net.queue.pop() {
            let happening = self.net.happenings.remove(&id).expect("queued with its happening");
            self.net.now = time;
            if !self.calm && time >= self.scenario.faulty_ms {
                last_event_time = Some(self.calm_down());
            }
            if self.traced {
                self.trace(&happening);
            }
            self.happen(happening)?;
            for (reply, response) in self.broker.replies() {
                self.net.respond(reply, response);
            }
            self.schedule_markers();
            self.oracle.decided(std::mem::take(&mut self.broker.decided).into_iter());
            for (mark, identity) in std::mem::take(&mut self.net.believed) {
                self.oracle.believed(mark, identity)?;
            }
            if let Some(log) = self.broker.logs.get(&Part::Output(0)) {
                self.oracle.outputs(log)?;
            }
            if let Some(reason) = self.processes.values().find_map(|process| process.stopped.clone()) {
                self.stopped(&reason)?;
                if let StopReason::DataLoss(loss) = reason {
                    return Ok(End::Stalled(loss.to_string()));
                }
            }
            let done = last_event_time.is_some_and(|time| self.oracle.missing(time).is_empty());
            if done && self.broker.is_quiet() {
                return Ok(End::Complete { windows: self.oracle.outputs_seen() });
            }
            if time > bound {
                let missing = self.oracle.missing(last_event_time.unwrap_or(0));
                let pods: Vec<_> = self.processes.values().map(|p| (p.name.clone(), p.pod.snapshot())).collect();
                let (count, first) = (missing.len(), missing.first());
                return Err(format!("no progress: {count} windows, first {first:?}, are missing long after the last fault; {pods:?}"));
            }
        }
        Err("the world stood still".into())
    }

    /// With `SW_TRACE` set, what happens is printed: requests as they reach the broker, and answers.
    fn trace(&self, happening: &Happening) {
        let name = |id: &u32| self.processes.get(id).map_or("?", |process| process.name.as_str());
        let now = self.net.now;
        match happening {
            Happening::Request(_, Request::Fetch { .. } | Request::Heartbeat { .. }) | Happening::Timer(..) | Happening::Broker => {}
            Happening::Response(_, Response::Fetched { .. } | Response::Done) | Happening::Rows | Happening::TimedOut(..) => {}
            Happening::Request((id, rpc), request) => eprintln!("{now:6} {id} {} -> {rpc} {request:.200?}", name(id)),
            Happening::Response((id, rpc), response) => eprintln!("{now:6} {id} {} <- {rpc} {response:.200?}", name(id)),
            other => eprintln!("{now:6} {other:?}"),
        }
    }

    fn stopped(&self, reason: &StopReason) -> Result<(), String> {
        match reason {
            StopReason::DataLoss(_) if self.lost => Ok(()),
            StopReason::Asked | StopReason::Fenced(_) => Ok(()),
            other => Err(format!("a pod stopped although nothing was lost: {other:?}")),
        }
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        let now = self.net.now;
        match happening {
            Happening::Request(reply, request) => {
                if now >= self.down_until {
                    self.broker.handle(now, reply, request);
                }
            }
            Happening::Response(reply, response) if now < self.down_until => drop((reply, response)),
            Happening::Response((process, rpc), response) => {
                return self.hand(
                    process,
                    |again| Happening::Response((process, rpc), again),
                    response,
                    |process, net, response| process.responded(net, rpc, response),
                );
            }
            Happening::TimedOut(process, rpc) => {
                return self.hand(process, |()| Happening::TimedOut(process, rpc), (), |process, net, ()| process.timed_out(net, rpc));
            }
            Happening::Timer(process, life, timer) => {
                return self.hand(
                    process,
                    |again| Happening::Timer(process, life, again),
                    timer,
                    |process, net, timer| process.timer(net, life, timer),
                );
            }
            Happening::Marker(name, part) => self.broker.write_marker(&name, part),
            Happening::Rows => self.rows(),
            Happening::Fault => self.fault(),
            Happening::Broker => {
                if now >= self.down_until {
                    self.broker.tick(now);
                }
                self.restart_dead();
                self.net.at(now + 100, Happening::Broker);
            }
        }
        Ok(())
    }

    /// Hands something to a process, or keeps it until the process is no longer paused.
    fn hand<T>(
        &mut self,
        id: u32,
        again: impl FnOnce(T) -> Happening,
        what: T,
        then: impl FnOnce(&mut Process, &mut Net, T) -> Result<(), String>,
    ) -> Result<(), String> {
        let Some(process) = self.processes.get_mut(&id) else { return Ok(()) };
        if process.paused_until > self.net.now {
            let at = process.paused_until;
            self.net.at(at, again(what));
            return Ok(());
        }
        then(process, &mut self.net, what)
    }

    fn schedule_markers(&mut self) {
        for (name, part) in std::mem::take(&mut self.broker.markers) {
            let late = !self.calm && self.net.random.chance(150);
            let after = if late { self.net.random.between(50, 3_000) } else { self.net.random.between(1, 10) };
            self.net.at(self.net.now + after, Happening::Marker(name, part));
        }
    }

    fn rows(&mut self) {
        if self.calm {
            return;
        }
        for _ in 0..self.net.random.between(1, 4) {
            let source = self.net.random.below(u64::from(self.config.sources)) as u32;
            let key = self.net.random.below(12) as u32;
            let slot = &mut self.times[source as usize];
            let behind = self.event_time - 2_000;
            *slot = (*slot).max(behind) + self.net.random.below(250) as i64;
            let time = *slot;
            self.event_time = self.event_time.max(time);
            self.row(source, key, time);
        }
        // Now and then sources are quiet, so that only timers have something to commit.
        let quiet = self.net.random.chance(60);
        let after = if quiet { self.net.random.between(500, 4_000) } else { self.net.random.between(20, 160) };
        self.net.at(self.net.now + after, Happening::Rows);
    }

    fn row(&mut self, source: u32, key: u32, time: i64) {
        let offset = self.broker.log(Part::Source(source)).append_plain(Record::Row { key, time });
        self.oracle.row(source, offset, key, time);
    }

    /// Everyone comes back, nothing fails any more, and every source gets a last row that closes all windows before it.
    fn calm_down(&mut self) -> i64 {
        self.calm = true;
        (self.net.lost, self.net.doubled, self.net.slow) = (0, 0, 0);
        self.down_until = 0;
        let newest: BTreeMap<String, u32> = self.processes.values().map(|process| (process.name.clone(), process.id)).collect();
        self.processes.retain(|id, process| newest[&process.name] == *id);
        self.processes.values_mut().for_each(|process| process.paused_until = 0);
        let last = self.event_time + 100_000;
        for source in 0..self.config.sources {
            self.row(source, 0, last);
        }
        last - 10_000
    }

    fn restart_dead(&mut self) {
        let now = self.net.now;
        self.processes.retain(|_, process| process.stopped.is_none());
        for name in self.names.clone() {
            if self.processes.values().any(|process| process.name == name) {
                self.restarts.remove(&name);
                continue;
            }
            let after = if self.calm { 50 } else { self.net.random.between(100, 3_000) };
            let at = *self.restarts.entry(name.clone()).or_insert(now + after);
            if now >= at {
                self.start(&name);
            }
        }
    }

    fn fault(&mut self) {
        if self.calm {
            return;
        }
        let now = self.net.now;
        let names = self.names.clone();
        let name = names[self.net.random.below(names.len() as u64) as usize].clone();
        let victims: Vec<u32> = self.processes.values().filter(|process| process.name == name).map(|process| process.id).collect();
        let what = self.net.random.below(8);
        match if self.scenario.evictions && what > 2 { 3 } else { what } {
            0 if self.scenario.grows && self.config.sources < 6 => self.grow(),
            0 => self.processes.retain(|_, process| process.name != name),
            1 | 2 => {
                let until = now + self.net.random.between(100, 25_000);
                victims.iter().for_each(|id| self.processes.get_mut(id).expect("listed").paused_until = until);
            }
            3 => {
                let ids = self.broker.member_ids();
                if let Some((id, evicted)) = ids.get(self.net.random.below(ids.len() as u64) as usize) {
                    self.broker.evict(now, id);
                    // The others hear of it at once; the evicted at its next heartbeat.
                    let others = self.processes.values().filter(|process| process.name != *evicted).map(|process| process.id);
                    others.for_each(|process| self.net.timer(process, 0, 1, Timer::HeartbeatNow));
                }
            }
            4 if self.scenario.twins => self.start(&name),
            5 => self.down_until = now + self.net.random.between(100, 3_000),
            6 if self.scenario.scales => self.scale(&name, &victims),
            7 => self.lose(),
            _ => {}
        }
        let after = self.net.random.between(200, if self.scenario.evictions { 1_500 } else { 5_000 });
        self.net.at(now + after, Happening::Fault);
    }

    /// A source has one more partition, whose first rows are no older than those that are being written elsewhere. Pods see it when they
    /// start.
    fn grow(&mut self) {
        self.config.sources += 1;
        self.times.push(self.event_time);
        self.processes.clear();
    }

    fn scale(&mut self, name: &str, victims: &[u32]) {
        if self.names.len() < 4 && self.net.random.chance(500) {
            let name = format!("pod{}", 10 + self.next_process);
            self.names.push(name.clone());
            self.start(&name);
        } else if self.names.len() > 1 {
            self.names.retain(|kept| kept != name);
            for id in victims {
                let process = self.processes.get_mut(id).expect("listed");
                process.pod.on(Time(self.net.now), Event::Stop { leave: true });
                // What it wants now is performed when it is next woken.
                self.net.timer(*id, 0, 1, Timer::Tick);
            }
        }
    }

    /// Nobody runs, and the broker loses something.
    fn lose(&mut self) {
        if self.scenario.loss == Loss::Nothing || self.lost {
            return;
        }
        if self.scenario.loss == Loss::Offsets && self.old_offsets.is_none() {
            self.old_offsets = Some(self.broker.offsets());
            return;
        }
        if !self.broker.is_quiet() {
            return;
        }
        self.processes.clear();
        match self.scenario.loss {
            Loss::Nothing => {}
            Loss::Offsets => self.broker.lose_offsets(self.old_offsets.take().expect("taken before")),
            Loss::AllOffsets => self.broker.lose_offsets(BTreeMap::new()),
            Loss::StateTail => {
                let hash = self.net.random.below(u64::from(self.config.hash_partitions)) as u32;
                let log = self.broker.log(Part::State(hash));
                let Some(last) = super::broker::last_committed(log) else { return };
                log.lose_from(last.0);
            }
        }
        self.lost = true;
    }
}
