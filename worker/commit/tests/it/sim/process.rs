//! One modelled process: the pod core, and a shell that performs what it wants over the modelled network.

use std::collections::{BTreeMap, BTreeSet};

use streamwright_commit::{
    CommitMark, CommitNumber, Committed, Config, Event, ExchangeIndex, Failure, Fence, HashPartition, Input, Intention, Joined, Life,
    ManifestDue, NamedOffset, Pod, Route, Rules, Share, SourceIndex, StopReason, Ticket, Time, Until, Verdict, Watermark, lead,
};
use units::{Offset, ProducerEpoch, ProducerId};

use super::broker::{Code, Request, Response};
use super::flow::{Flow, Keyed, Part, Payload, Positions, Record};
use super::log::Identity;
use super::restore::{Restore, header};
use super::world::Net;

/// What wakes a process.
#[derive(Clone, Debug)]
pub enum Timer {
    Tick,
    Heartbeat,
    HeartbeatNow,
    Poll,
    CutDone(Ticket, CommitNumber, Vec<ManifestDue>),
    Uploaded(Ticket, Vec<ManifestDue>, bool),
    Resend(Call, Request),
}

/// A request under way, and what its answer is for.
#[derive(Clone, Debug)]
pub enum Call {
    Register(Ticket),
    Settle(Ticket),
    Join(Ticket),
    Sync(Ticket, String, i32),
    Heartbeat,
    Offsets(Ticket),
    Produce(Ticket, u32),
    Name(Ticket),
    End(Ticket),
    Leave(Ticket),
    Source(u32),
    Exchange(u32),
    State(u32, Option<i64>),
    Trim,
}

/// A transaction's records under way: partitions not yet acknowledged, ends of state partitions.
type Producing = (Ticket, BTreeSet<Part>, Vec<(HashPartition, Offset)>);

/// A process of one pod name.
pub struct Process {
    pub id: u32,
    pub name: String,
    pub pod: Pod<Payload>,
    pub paused_until: u64,
    pub stopped: Option<StopReason>,
    config: Config,
    rules: Rules,
    whole: bool,
    flow: Flow,
    identity: Option<Identity>,
    ended_as: Option<Identity>,
    sequences: BTreeMap<Part, i32>,
    member_id: Option<String>,
    generation: i32,
    joined: bool,
    calls: BTreeMap<u64, (Call, Request)>,
    producing: Option<Producing>,
    restoring: BTreeMap<u32, Restore>,
    restored: BTreeMap<u32, (Keyed, Positions)>,
    /// State as of the last commit known committed: what a checkpoint folds.
    images: BTreeMap<u32, Keyed>,
    in_flight: BTreeMap<u64, Payload>,
    claims: BTreeMap<u32, i64>,
    in_force: BTreeMap<u32, String>,
    uploaded: BTreeMap<u32, String>,
    objects: u64,
    paused: bool,
    polling: BTreeSet<(u8, u32)>,
    pub life: u64,
    next_tick: u64,
}

impl Process {
    pub fn new(id: u32, name: String, config: Config, rules: Rules, whole: bool, net: &mut Net) -> Self {
        let flow = Flow::new(&rules, config.sources, config.hash_partitions, whole);
        net.timer(id, 0, 0, Timer::Tick);
        net.timer(id, 0, 1, Timer::Poll);
        net.timer(id, 0, 1, Timer::Heartbeat);
        Self {
            id,
            name,
            pod: Pod::new(config.clone(), rules.clone()),
            paused_until: 0,
            stopped: None,
            config,
            rules,
            whole,
            flow,
            identity: None,
            ended_as: None,
            sequences: BTreeMap::new(),
            member_id: None,
            generation: -1,
            joined: false,
            calls: BTreeMap::new(),
            producing: None,
            restoring: BTreeMap::new(),
            restored: BTreeMap::new(),
            images: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            claims: BTreeMap::new(),
            in_force: BTreeMap::new(),
            uploaded: BTreeMap::new(),
            objects: 0,
            paused: false,
            polling: BTreeSet::new(),
            life: 0,
            next_tick: u64::MAX,
        }
    }

    pub fn timer(&mut self, net: &mut Net, life: u64, timer: Timer) -> Result<(), String> {
        let now = Time(net.now);
        match timer {
            Timer::Tick => {
                self.next_tick = u64::MAX;
                self.pod.tick(now);
            }
            Timer::Heartbeat => {
                self.heartbeat(net);
                net.timer(self.id, 0, 2_000, Timer::Heartbeat);
            }
            Timer::HeartbeatNow => self.heartbeat(net),
            Timer::Poll => {
                self.poll(net);
                net.timer(self.id, 0, 25, Timer::Poll);
            }
            _ if life != self.life => {}
            Timer::CutDone(ticket, number, manifests) => {
                let named = manifests.iter().map(|due| (*due, self.uploaded[&due.hash.0].clone())).collect::<Vec<_>>();
                let burst = self.flow.cut(number, &named);
                if let Some(burst) = &burst {
                    self.in_flight.insert(number.0, burst.payload.clone());
                }
                self.pod.on(now, Event::Cut(ticket, burst));
            }
            Timer::Uploaded(ticket, manifests, fine) => self.uploaded(net, ticket, &manifests, fine),
            Timer::Resend(Call::Produce(ticket, _), _) if self.producing.as_ref().is_none_or(|(running, ..)| *running != ticket) => {}
            Timer::Resend(call, request) => self.call(net, call, request, 1_500),
        }
        self.perform(net)
    }

    fn heartbeat(&mut self, net: &mut Net) {
        if let (true, Some(member_id)) = (self.joined, self.member_id.clone()) {
            let request = Request::Heartbeat { name: self.name.clone(), member_id, generation: self.generation };
            self.call(net, Call::Heartbeat, request, 1_500);
        }
    }

    fn uploaded(&mut self, net: &mut Net, ticket: Ticket, manifests: &[ManifestDue], fine: bool) {
        for due in manifests {
            self.objects += 1;
            let name = format!("{}/{}/{}", due.hash.0, self.claims[&due.hash.0], self.objects);
            let Some(image) = net.stash.remove(&(self.id, ticket.0, due.hash.0)) else { continue };
            net.store.insert(name.clone(), image);
            self.uploaded.insert(due.hash.0, name);
        }
        let answer = if fine { Ok(()) } else { Err(Failure::Unknown("the store did not answer".into())) };
        self.pod.on(Time(net.now), Event::Checkpointed(ticket, answer));
    }

    fn poll(&mut self, net: &mut Net) {
        if self.stopped.is_none() {
            self.flow.timers(net.now, net.linger_ms);
            self.changed(Time(net.now));
        }
        if self.paused || self.stopped.is_some() {
            return;
        }
        if self.flow.route != Route::Undecided {
            for source in 0..self.config.sources {
                let Some(from) = self.flow.source_position(source) else { continue };
                if self.polling.insert((0, source)) {
                    self.call(net, Call::Source(source), Request::Fetch { part: Part::Source(source), from }, 1_500);
                }
            }
        }
        if self.flow.route != Route::Memory {
            for hash in 0..self.config.hash_partitions {
                let Some(from) = self.flow.exchange_position(hash) else { continue };
                if self.polling.insert((1, hash)) {
                    self.call(net, Call::Exchange(hash), Request::Fetch { part: Part::Exchange(hash), from }, 1_500);
                }
            }
        }
    }

    pub fn call(&mut self, net: &mut Net, call: Call, request: Request, timeout_ms: u64) {
        let rpc = net.send(self.id, request.clone(), timeout_ms);
        self.calls.insert(rpc, (call, request));
    }

    pub fn timed_out(&mut self, net: &mut Net, rpc: u64) -> Result<(), String> {
        let Some((call, request)) = self.calls.remove(&rpc) else { return Ok(()) };
        let lost = || Failure::Unknown("no answer in time".into());
        match call {
            Call::Produce(ticket, attempt) if attempt < 2 => {
                // The same batch with the same sequence may be sent again as long as the epoch is the same.
                self.call(net, Call::Produce(ticket, attempt + 1), request, 1_500);
            }
            Call::Source(source) => drop(self.polling.remove(&(0, source))),
            Call::Exchange(hash) => drop(self.polling.remove(&(1, hash))),
            Call::State(hash, from) => self.read_state(net, hash, from),
            Call::Heartbeat | Call::Trim => {}
            Call::Produce(ticket, _) => self.produce_failed(net, ticket, lost()),
            other => self.answer(net, other, Err(lost())),
        }
        self.perform(net)
    }

    pub fn responded(&mut self, net: &mut Net, rpc: u64, response: Response) -> Result<(), String> {
        let Some((call, request)) = self.calls.remove(&rpc) else { return Ok(()) };
        let now = Time(net.now);
        match (call, response) {
            (Call::Produce(ticket, _), Response::Produced(part, end)) => {
                if let Some((running, missing, ends)) = self.producing.as_mut()
                    && *running == ticket
                {
                    missing.remove(&part);
                    if let Part::State(hash) = part {
                        ends.push((HashPartition(hash), Offset(end)));
                    }
                    if missing.is_empty() {
                        let (_, _, ends) = self.producing.take().expect("looked at above");
                        self.pod.on(now, Event::Produced(ticket, Ok(ends)));
                    }
                }
            }
            (Call::Produce(ticket, attempt), Response::Error(Code::ConcurrentTransactions)) => {
                net.timer(self.id, self.life, 5, Timer::Resend(Call::Produce(ticket, attempt), request));
            }
            (Call::Produce(ticket, _), Response::Error(code)) => self.produce_failed(net, ticket, failure(code)),
            (Call::Heartbeat, Response::Error(code)) => match code {
                Code::UnknownMember => self.pod.on(now, Event::MembershipLost(Fence::Member)),
                Code::FencedInstance => self.pod.on(now, Event::MembershipLost(Fence::Instance)),
                _ => self.pod.on(now, Event::RebalanceNeeded),
            },
            (Call::Source(source), Response::Fetched { from, records, next, .. }) => {
                self.polling.remove(&(0, source));
                if self.flow.route != Route::Undecided {
                    self.flow.take_rows(source, from, records, next);
                    self.changed(now);
                }
            }
            (Call::Exchange(hash), Response::Fetched { from, records, next, .. }) => {
                self.polling.remove(&(1, hash));
                self.blocks(now, hash, from, records, next);
            }
            (Call::State(hash, asked), Response::Fetched { from, records, next, start, last_stable, .. }) => {
                self.state_read(net, hash, asked, from, records, next, start, last_stable)?;
            }
            (Call::State(hash, _), Response::Error(_)) => self.read_state(net, hash, None),
            (Call::Source(source), Response::Error(code)) => return Err(format!("source {source}: {code:?}, but nobody trims it")),
            (Call::Exchange(hash), Response::Error(Code::OutOfRange(log_start, log_end))) => {
                self.polling.remove(&(1, hash));
                if let (Request::Fetch { from, .. }, true) = (request, self.flow.exchange_position(hash).is_some()) {
                    let input = Input::Exchange(ExchangeIndex(0), HashPartition(hash));
                    let (asked, log_start, log_end) = (Offset(from), Offset(log_start), Offset(log_end));
                    self.pod.on(now, Event::OutOfRange { input, asked, log_start, log_end });
                }
            }
            (Call::Exchange(_), Response::Error(code)) => return Err(format!("exchange: {code:?}")),
            (Call::Heartbeat | Call::Trim, _) => {}
            (call, Response::Error(code)) => self.answer(net, call, Err(failure(code))),
            (call, response) => self.answer(net, call, Ok(response)),
        }
        self.perform(net)
    }

    fn produce_failed(&mut self, net: &mut Net, ticket: Ticket, failure: Failure) {
        if self.producing.take_if(|(running, ..)| *running == ticket).is_some() {
            self.pod.on(Time(net.now), Event::Produced(ticket, Err(failure)));
        }
    }

    fn changed(&mut self, now: Time) {
        if self.flow.is_changed() {
            self.pod.on(now, Event::Changed { pending_bytes: 100 });
        }
    }

    fn blocks(&mut self, now: Time, hash: u32, from: i64, records: Vec<(i64, Record)>, next: i64) {
        let mut claims = Vec::new();
        let mut blocks = Vec::new();
        for (offset, record) in records {
            match record {
                Record::Claim { mark } => claims.push(mark),
                block => blocks.push((offset, block)),
            }
        }
        if self.flow.exchange_position(hash) == Some(from) {
            self.flow.take_blocks(hash, from, blocks, next);
            claims.into_iter().for_each(|mark| self.pod.on_exchange_claim(now, ExchangeIndex(0), HashPartition(hash), mark));
            self.changed(now);
        }
    }

    fn answer(&mut self, net: &mut Net, call: Call, answer: Result<Response, Failure>) {
        let now = Time(net.now);
        match call {
            Call::Register(ticket) => {
                let life = answer.map(|response| self.new_identity(response));
                let life = life.map(|(id, epoch)| Life { producer_id: ProducerId(id), epoch: ProducerEpoch(epoch) });
                self.pod.on(now, Event::Registered(ticket, life));
            }
            Call::Settle(ticket) => {
                let answer = answer.map(|response| self.new_identity(response)).map(|_| ());
                self.pod.on(now, Event::Settled(ticket, answer));
            }
            Call::End(ticket) => {
                let answer = answer.map(|response| self.new_identity(response)).map(|_| ());
                self.pod.on(now, Event::Ended(ticket, answer));
            }
            Call::Join(ticket) => match answer {
                Ok(Response::Joined(member_id, generation, everyone)) => {
                    self.member_id = Some(member_id.clone());
                    let assignments = everyone.map(|everyone| self.lead(everyone)).unwrap_or_default();
                    let request = Request::Sync { name: self.name.clone(), member_id: member_id.clone(), generation, assignments };
                    self.call(net, Call::Sync(ticket, member_id, generation), request, 12_000);
                }
                Ok(_) => unreachable!("a join is answered by a join"),
                Err(failure) => {
                    self.member_id.take_if(|_| failure == Failure::Fenced(Fence::Instance));
                    self.pod.on(now, Event::Joined(ticket, Err(failure)));
                }
            },
            Call::Sync(ticket, member_id, generation) => match answer {
                Ok(Response::Synced(bytes)) => {
                    (self.joined, self.generation) = (true, generation);
                    let share = Share::decode(&bytes).expect("the leader encoded it");
                    self.pod.on(now, Event::Joined(ticket, Ok(Joined { member_id, generation, share })));
                }
                Ok(_) => unreachable!("a sync is answered by a sync"),
                Err(failure) => self.pod.on(now, Event::Joined(ticket, Err(failure))),
            },
            Call::Offsets(ticket) => {
                let offsets = answer.map(|response| if let Response::Offsets(offsets) = response { offsets } else { Vec::new() });
                self.pod.on(now, Event::OffsetsFetched(ticket, offsets));
            }
            Call::Name(ticket) => self.pod.on(now, Event::OffsetsNamed(ticket, answer.map(drop))),
            Call::Leave(ticket) => self.pod.on(now, Event::Left(ticket)),
            _ => unreachable!("handled where it arrives"),
        }
    }

    fn new_identity(&mut self, response: Response) -> Identity {
        let Response::Identity(identity) = response else { unreachable!("answered by an identity") };
        self.identity = Some(identity);
        self.sequences.clear();
        identity
    }

    fn lead(&self, everyone: BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
        let everyone: Vec<_> = everyone.into_iter().collect();
        let shares = lead(self.config.sources, self.config.hash_partitions, &everyone).expect("all pods have one version");
        shares.into_iter().collect()
    }

    fn read_state(&mut self, net: &mut Net, hash: u32, from: Option<i64>) {
        if self.restoring.contains_key(&hash) {
            self.call(net, Call::State(hash, from), Request::Fetch { part: Part::State(hash), from: from.unwrap_or(-1) }, 1_500);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one fetch response")]
    fn state_read(
        &mut self,
        net: &mut Net,
        hash: u32,
        asked: Option<i64>,
        from: i64,
        records: Vec<(i64, Record)>,
        next: i64,
        start: i64,
        last_stable: i64,
    ) -> Result<(), String> {
        let (now, k) = (Time(net.now), HashPartition(hash));
        let Some(restore) = self.restoring.get_mut(&hash) else { return Ok(()) };
        if asked.is_none() {
            assert_eq!(from, start);
            let until = restore.until;
            *restore = Restore::new(until, Some(last_stable));
            self.pod.on_state_start(k, Offset(start));
        }
        for (offset, record) in records {
            let (header, content) = header(offset, record);
            match self.pod.on_state_record(now, k, &header) {
                Verdict::Keep => restore.keep(&header, content),
                Verdict::Replace => restore.replace(&header, content),
                Verdict::Skip => {}
                Verdict::Complete => return self.complete(net, hash),
                Verdict::Stop => {
                    self.restoring.remove(&hash);
                    return Ok(());
                }
            }
        }
        if restore.until == Some(Until::LastStable) && restore.end.is_some_and(|end| next >= end) {
            self.pod.on_state_end(now, k, Offset(next));
            return self.complete(net, hash);
        }
        net.timer(
            self.id,
            self.life,
            10,
            Timer::Resend(Call::State(hash, Some(next)), Request::Fetch { part: Part::State(hash), from: next }),
        );
        Ok(())
    }

    fn complete(&mut self, net: &Net, hash: u32) -> Result<(), String> {
        let restore = self.restoring.remove(&hash).expect("it is being read");
        let mut keyed = Keyed::new(&self.rules, self.config.sources);
        if let Some(name) = restore.object() {
            let image = net.store.get(name).ok_or_else(|| format!("object {name}, named by a committed manifest, is gone"))?;
            keyed = image.clone();
            self.in_force.insert(hash, name.to_owned());
        }
        // Sources that came later than this state hold its watermark where it was until they speak.
        (0..self.config.sources).for_each(|source| keyed.progress.heard(source, Watermark::Unknown, false));
        restore.apply(&mut keyed);
        self.images.insert(hash, keyed.clone());
        self.restored.insert(hash, (keyed, restore.positions));
        Ok(())
    }

    /// Performs everything the pod wants, and sees to it that it is woken in time.
    pub fn perform(&mut self, net: &mut Net) -> Result<(), String> {
        while let Some(intention) = self.pod.next_intention() {
            self.perform_one(net, intention)?;
        }
        if let Some(Time(at)) = self.pod.deadline()
            && at < self.next_tick
        {
            self.next_tick = at;
            net.timer(self.id, 0, at.saturating_sub(net.now).max(1), Timer::Tick);
        }
        Ok(())
    }

    fn perform_one(&mut self, net: &mut Net, intention: Intention<Payload>) -> Result<(), String> {
        let name = self.name.clone();
        let timeout_ms = self.config.transaction_timeout_ms;
        match intention {
            Intention::Register(ticket) => {
                self.call(net, Call::Register(ticket), Request::InitProducer { name, expected: None, timeout_ms }, 1_500);
            }
            Intention::Settle { ticket, keep_identity, timeout_ms } => {
                self.producing = None;
                let expected = self.identity.filter(|_| keep_identity);
                self.call(net, Call::Settle(ticket), Request::InitProducer { name, expected, timeout_ms }, 1_500);
            }
            Intention::Join { ticket, owned, generation } => {
                self.joined = false;
                let request = Request::Join { name, member_id: self.member_id.clone(), metadata: owned.encode(generation) };
                self.call(net, Call::Join(ticket), request, 12_000);
            }
            Intention::FetchOffsets(ticket, inputs) => self.call(net, Call::Offsets(ticket), Request::OffsetFetch { inputs }, 1_500),
            Intention::ProduceClaims { ticket, mark, hashes } => {
                let claims = |hash: &HashPartition| [Part::State(hash.0), Part::Exchange(hash.0)];
                let parts = hashes.iter().flat_map(claims).map(|part| (part, vec![Record::Claim { mark }]));
                self.produce(net, ticket, parts.collect());
            }
            Intention::Produce { ticket, payload } => self.produce(net, ticket, payload.to_vec()),
            Intention::NameOffsets { ticket, mark, member_id, generation, offsets } => {
                let committed = |named: NamedOffset| (named.input, Committed { position: named.position, mark, content: named.content });
                let offsets = offsets.into_iter().map(committed).collect();
                let identity = self.identity.expect("registered");
                let request = Request::NameOffsets { name, identity, member_id, generation, offsets };
                self.call(net, Call::Name(ticket), request, 1_500);
            }
            Intention::EndTransaction(ticket) => {
                let identity = self.identity.expect("registered");
                self.ended_as = Some(identity);
                self.call(net, Call::End(ticket), Request::EndTransaction { name, identity }, 1_500);
            }
            Intention::ReadState(HashPartition(hash), until) => {
                self.restoring.insert(hash, Restore::new(Some(until), None));
                self.read_state(net, hash, None);
            }
            Intention::Adopt { hashes, sources } => {
                self.claims.extend(hashes.iter().map(|adopted| (adopted.hash.0, adopted.claim.0)));
                self.flow.adopt(&hashes, &sources, &mut self.restored);
                self.changed(Time(net.now));
            }
            Intention::Release(released) => {
                let hashes: Vec<u32> = released.hashes.iter().map(|hash| hash.0).collect();
                hashes.iter().for_each(|hash| drop(self.images.remove(hash)));
                self.flow.release(released.sources.iter().map(|&SourceIndex(source)| source), hashes.into_iter());
            }
            Intention::Route(route) => {
                self.flow.set_route(route);
                self.changed(Time(net.now));
            }
            Intention::Cut { ticket, number, manifests } => {
                let after = net.random.below(12);
                net.timer(self.id, self.life, after, Timer::CutDone(ticket, number, manifests));
            }
            Intention::Committed { mark, manifests } => self.committed(net, mark, &manifests)?,
            Intention::Checkpoint(ticket, due) => {
                for manifest in &due {
                    net.stash.insert((self.id, ticket.0, manifest.hash.0), self.images[&manifest.hash.0].clone());
                }
                let slow = if net.random.chance(200) { 4_000 } else { 50 };
                let (after, fine) = (net.random.between(1, slow), !net.random.chance(100));
                net.timer(self.id, self.life, after, Timer::Uploaded(ticket, due, fine));
            }
            Intention::Trim(positions) => {
                for (input, position) in positions {
                    let part = match input {
                        Input::State(hash) => Part::State(hash.0),
                        Input::Exchange(_, hash) => Part::Exchange(hash.0),
                        Input::Source(_) => return Err("a pod trims a source".into()),
                    };
                    self.call(net, Call::Trim, Request::DeleteRecords { part, before: position.0 }, 1_500);
                }
            }
            Intention::Pause(paused) => self.paused = paused,
            Intention::Reset(_) => self.reset(),
            Intention::Leave(ticket) => self.call(net, Call::Leave(ticket), Request::Leave { name }, 1_500),
            Intention::Stopped(reason) => {
                self.joined = false;
                self.stopped = Some(reason);
            }
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.life += 1;
        self.flow = Flow::new(&self.rules, self.config.sources, self.config.hash_partitions, self.whole);
        self.calls.clear();
        self.polling.clear();
        (self.member_id, self.generation, self.joined) = (None, -1, false);
        (self.producing, self.paused) = (None, false);
        self.restoring.clear();
        self.restored.clear();
        self.images.clear();
        self.in_flight.clear();
        self.in_force.clear();
        self.uploaded.clear();
    }

    fn produce(&mut self, net: &mut Net, ticket: Ticket, parts: Vec<(Part, Vec<Record>)>) {
        let identity = self.identity.expect("registered");
        self.producing = Some((ticket, parts.iter().map(|(part, _)| *part).collect(), Vec::new()));
        for (part, records) in parts {
            let next = self.sequences.entry(part).or_insert(0);
            let sequence = *next;
            *next += records.len() as i32;
            let request = Request::Produce { name: self.name.clone(), identity, part, sequence, records };
            let call = Call::Produce(ticket, 0);
            match net.burst_ms {
                0 => self.call(net, call, request, 1_500),
                on_its_way => net.timer(self.id, self.life, on_its_way, Timer::Resend(call, request)),
            }
        }
    }

    fn committed(&mut self, net: &mut Net, mark: CommitMark, manifests: &[ManifestDue]) -> Result<(), String> {
        net.believed.push((mark, self.ended_as.ok_or("a commit without an end")?));
        let payload = self.in_flight.remove(&mark.number.0).ok_or("a commit without a cut")?;
        for (part, records) in payload.iter() {
            let (Part::State(hash), records) = (part, records) else { continue };
            let image =
                self.images.get_mut(hash).ok_or_else(|| format!("a commit to hash partition {hash}, which the pod does not hold"))?;
            for record in records {
                if let Record::Delta { delta, .. } = record {
                    image.apply_delta(delta);
                }
            }
        }
        for due in manifests {
            // What this manifest replaced is named by nothing any more.
            if let Some(replaced) = self.in_force.insert(due.hash.0, self.uploaded[&due.hash.0].clone()) {
                net.store.remove(&replaced);
            }
        }
        Ok(())
    }
}

fn failure(code: Code) -> Failure {
    match code {
        Code::ConcurrentTransactions | Code::Unstable => Failure::Retry(format!("{code:?}")),
        Code::IllegalGeneration | Code::RebalanceInProgress => Failure::Generation,
        Code::ProducerFenced => Failure::Fenced(Fence::Producer),
        Code::UnknownMember => Failure::Fenced(Fence::Member),
        Code::FencedInstance => Failure::Fenced(Fence::Instance),
        Code::OutOfOrder => Failure::Unknown("sequence".into()),
        Code::InvalidTransactionState | Code::OutOfRange(..) => Failure::Refused(format!("{code:?}")),
    }
}
