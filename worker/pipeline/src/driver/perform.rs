//! What the core wants, done.

use std::time::Duration;

use client::GroupOffset;
use commit::{CommitMark, Committed, Event, Intention, ManifestDue, NamedOffset, StopReason, Ticket};
use control::PipelineReason;
use units::{LeaderEpoch, Offset};

use super::{Driver, Ended, burst, burst::Payload, cut::Cutting};
use crate::sender::{Answer, Request};

impl Driver {
    pub(super) fn perform(&mut self, intention: Intention<Payload>) {
        match intention {
            Intention::Register(ticket) => self.sender.ask(ticket, Request::Register),
            Intention::Settle { ticket, timeout_ms, .. } => {
                self.sender.ask(ticket, Request::Settle(Duration::from_millis(timeout_ms)));
            }
            Intention::Join { ticket, owned, generation } => self.join(ticket, &owned, generation),
            Intention::FetchOffsets(ticket, inputs) => self.fetch_offsets(ticket, inputs),
            Intention::ProduceClaims { ticket, mark, hashes } => self.send(ticket, burst::claims(&self.program, mark, &hashes)),
            Intention::Produce { ticket, payload } => self.send(ticket, payload),
            Intention::NameOffsets { ticket, mark, offsets, .. } => self.name_offsets(ticket, mark, &offsets),
            Intention::EndTransaction(ticket) => self.sender.ask(ticket, Request::End),
            Intention::ReadState(hash, until) => self.read_state(hash, until),
            Intention::Adopt { hashes, sources } => self.adopt(hashes, sources),
            // With one pod a group there is nobody to release to; a leader that sees more refuses.
            Intention::Release(released) => tracing::warn!(?released, "partitions are released"),
            Intention::Route(route) => {
                self.route = route;
                self.dispatch_files();
            }
            Intention::Pause(paused) => {
                self.paused = paused;
                self.dispatch_files();
            }
            Intention::Cut { ticket, number, manifests } => self.cutting = Some(Cutting { ticket, number, manifests }),
            Intention::Committed { mark, manifests } => self.committed(mark, &manifests),
            Intention::Checkpoint(ticket, due) => self.checkpoint(ticket, &due),
            Intention::Trim(positions) => self.trim(positions),
            Intention::Reset(why) => self.reset(&why),
            Intention::Leave(ticket) => self.leave(ticket),
            Intention::Stopped(StopReason::DataLoss(loss)) => self.fail(PipelineReason::DataLoss, self.program.in_words(&loss)),
            Intention::Stopped(reason) => drop(self.ended.get_or_insert(Ended::Stopped(reason))),
        }
    }

    fn send(&mut self, ticket: Ticket, payload: Payload) {
        self.sender.ask(ticket, Request::Send(payload.batches.clone()));
        self.sending = Some(payload);
    }

    fn name_offsets(&mut self, ticket: Ticket, mark: CommitMark, offsets: &[NamedOffset]) {
        let of = |named: &NamedOffset| {
            let committed = Committed { position: named.position, mark, content: named.content };
            let partition = self.program.place(named.input)?;
            Some(GroupOffset {
                partition,
                offset: named.position,
                leader_epoch: LeaderEpoch(-1),
                metadata: committed.metadata().as_str().into(),
            })
        };
        let offsets = offsets.iter().filter_map(of).collect();
        let generation = self.generation.clone().expect("a pod names offsets as a member of a generation");
        self.sender.ask(ticket, Request::Name(generation, offsets));
    }

    pub(super) fn answered(&mut self, ticket: Ticket, answer: Answer) {
        let now = self.now();
        match answer {
            Answer::Registered(answer) => {
                self.life = answer.as_ref().ok().copied();
                self.pod.on(now, Event::Registered(ticket, answer));
            }
            Answer::Settled(answer) => self.pod.on(now, Event::Settled(ticket, answer)),
            Answer::Named(answer) => self.pod.on(now, Event::OffsetsNamed(ticket, answer)),
            Answer::Ended(answer) => self.pod.on(now, Event::Ended(ticket, answer)),
            Answer::Sent(answer) => {
                let ends = |offsets: Vec<Offset>| {
                    let state = self.sending.iter().flat_map(|payload| payload.state.iter());
                    state.filter_map(|&(index, hash, records)| Some((hash, Offset(offsets.get(index)?.0 + i64::from(records))))).collect()
                };
                let answer = answer.map(ends);
                self.pod.on(now, Event::Produced(ticket, answer));
            }
        }
    }

    /// A burst is known committed: its deltas count.
    fn committed(&mut self, mark: CommitMark, manifests: &[ManifestDue]) {
        let Some(committing) = self.sending.take().map(|payload| payload.committing) else { return };
        if let Some(checkpoints) = self.checkpoints.as_mut() {
            let deltas = std::mem::take(&mut *committing.deltas.lock().expect("nobody panics while holding a commit's deltas"));
            for &k in committing.delta_bytes.keys() {
                let operators = deltas.get(&k).cloned().unwrap_or_default();
                checkpoints.committed(state::HashPartition(k), super::readback::of_state(mark), &committing.positions, operators);
            }
            for due in manifests {
                checkpoints.manifest_committed(Self::hash(due.hash), std::time::Instant::now());
            }
        }
        for &(source, position) in &committing.sources {
            self.source_committed(source, position);
        }
        self.report.committed(&committing, manifests);
        self.note_end();
        self.write_status();
    }
}
