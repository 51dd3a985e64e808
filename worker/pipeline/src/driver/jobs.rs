//! What is done beside the driver: questions to brokers, and blocking work against the object store.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use client::{FetchError, Isolation, OffsetAt};
use commit::{Burst, Committed, Event, Failure, Input, SourceIndex, Ticket};
use control::{PipelineProblem, PipelineReason, StartFrom};
use flow::files::FileRows;
use state::{CheckpointDue, Collected, SealError, SealJob, Sealed};
use units::{Offset, TopicPartition};

use super::{Driver, adoption::Loaded, burst::Payload, sources::Opened};
use crate::failure::of_read;

/// A job has ended. Those that an earlier life of the pod began carry its epoch and are void.
pub(super) enum Done {
    Offsets(Ticket, Result<Vec<(Input, Option<Committed>)>, Failure>),
    LogStarts(u64, Result<Vec<(TopicPartition, Offset)>, String>),
    Loaded(u64, Box<Result<Loaded, PipelineProblem>>),
    StartPositions(u64, Result<Vec<(SourceIndex, Offset)>, String>),
    Burst(Ticket, Option<Burst<Payload>>),
    Sealed(u64, Ticket, Box<Result<Sealed, SealError>>),
    Collected(u64, Box<Collected>),
    Left(Ticket),
    /// A topic that is read has more partitions than the run knows.
    Grown(String),
    FileOpened(u64, usize, Result<Opened, String>),
    FileRows(u64, usize, Result<(FileRows, (u64, u64)), String>),
}

impl Driver {
    pub(super) fn job_done(&mut self, done: Done) {
        let now = self.now();
        match done {
            Done::Offsets(ticket, answer) => self.pod.on(now, Event::OffsetsFetched(ticket, answer)),
            Done::Burst(ticket, burst) => self.pod.on(now, Event::Cut(ticket, burst)),
            Done::Left(ticket) => self.pod.on(now, Event::Left(ticket)),
            Done::Grown(topic) => {
                // A restart takes a second, and there is no state that it would not find again.
                tracing::info!(pipeline = %self.program.desired.pipeline, topic, "a topic has grown: the pipeline starts anew to read all of it");
                self.report.is_stopping = true;
                self.pod.on(now, Event::Stop { leave: false });
            }
            Done::LogStarts(epoch, starts) if epoch == self.epoch => self.log_starts(starts),
            Done::Loaded(epoch, loaded) if epoch == self.epoch => self.loaded(*loaded),
            Done::StartPositions(epoch, positions) if epoch == self.epoch => self.start_positions(positions),
            Done::Sealed(epoch, ticket, sealed) if epoch == self.epoch => self.sealed(ticket, *sealed),
            Done::Collected(epoch, collected) if epoch == self.epoch => {
                if let Some(checkpoints) = self.checkpoints.as_mut() {
                    checkpoints.collected(*collected, Instant::now());
                }
            }
            Done::FileOpened(epoch, file, opened) if epoch == self.epoch => self.file_opened(file, opened),
            Done::FileRows(epoch, file, rows) if epoch == self.epoch => self.file_rows(file, rows),
            _ => {}
        }
    }

    /// Positions of inputs in the group, waiting for transactions that may still change them.
    pub(super) fn fetch_offsets(&mut self, ticket: Ticket, inputs: Vec<Input>) {
        let places: Vec<(Input, Option<TopicPartition>)> = inputs.into_iter().map(|input| (input, self.program.place(input))).collect();
        let partitions: Vec<TopicPartition> = places.iter().filter_map(|(_, place)| place.clone()).collect();
        let (admin, group, jobs) = (self.admin.clone(), self.program.desired.group.clone(), self.jobs.clone());
        tokio::spawn(async move {
            let told = if partitions.is_empty() { Ok(Vec::new()) } else { admin.committed_offsets(&group, &partitions, true).await };
            let answer = told.map_err(|error| of_read(&error)).and_then(|told| {
                let told: BTreeMap<TopicPartition, client::CommittedOffset> = told.into_iter().collect();
                places.into_iter().map(|(input, place)| Ok((input, committed(place.and_then(|place| told.get(&place)))?))).collect()
            });
            let _ = jobs.send(Done::Offsets(ticket, answer));
        });
    }

    /// Log starts of state partitions.
    pub(super) fn ask_log_starts(&self, partitions: Vec<TopicPartition>) {
        let (admin, jobs, epoch) = (self.admin.clone(), self.jobs.clone(), self.epoch);
        tokio::spawn(async move {
            let told = admin.list_offsets(&partitions, OffsetAt::Earliest, Isolation::ReadCommitted).await;
            let starts = told.map_err(|error| error.to_string());
            let starts = starts.map(|told| told.into_iter().map(|(at, listed)| (at, listed.offset.unwrap_or(Offset::ZERO))).collect());
            let _ = jobs.send(Done::LogStarts(epoch, starts));
        });
    }

    /// Where sources without any position start: as the pipeline is told; a partition that is new in a topic that was read before is read
    /// whole.
    pub(super) fn ask_start_positions(&self, sources: Vec<SourceIndex>, is_new_in_known_topic: bool) {
        let (admin, jobs, epoch) = (self.admin.clone(), self.jobs.clone(), self.epoch);
        let at = match self.program.desired.start_from {
            _ if is_new_in_known_topic => OffsetAt::Earliest,
            StartFrom::Earliest => OffsetAt::Earliest,
            StartFrom::Latest => OffsetAt::Latest,
            StartFrom::Timestamp(time) => OffsetAt::Time(time),
        };
        let program = Arc::clone(&self.program);
        tokio::spawn(async move {
            let partitions: Vec<TopicPartition> = sources.iter().map(|source| program.sources[source.0 as usize].at.clone()).collect();
            let asked = async {
                let mut found = BTreeMap::new();
                let mut later = Vec::new();
                for (partition, listed) in admin.list_offsets(&partitions, at, Isolation::ReadCommitted).await? {
                    match listed.offset {
                        Some(offset) => drop(found.insert(partition, offset)),
                        // No record is as late as the time asked for: whatever comes is.
                        None => later.push(partition),
                    }
                }
                if !later.is_empty() {
                    for (partition, listed) in admin.list_offsets(&later, OffsetAt::Latest, Isolation::ReadCommitted).await? {
                        found.insert(partition, listed.offset.unwrap_or(Offset::ZERO));
                    }
                }
                Ok::<_, client::ClientError>(found)
            };
            let positions = asked.await.map_err(|error| error.to_string());
            let positions = positions.map(|found| {
                let of = |source: SourceIndex| found.get(&program.sources[source.0 as usize].at).map(|offset| (source, *offset));
                sources.into_iter().filter_map(of).collect()
            });
            let _ = jobs.send(Done::StartPositions(epoch, positions));
        });
    }

    pub(super) fn trim(&self, positions: Vec<(Input, Offset)>) {
        let before: Vec<_> = positions.into_iter().filter_map(|(input, offset)| Some((self.program.place(input)?, offset))).collect();
        if before.is_empty() {
            return;
        }
        let (admin, pipeline) = (self.admin.clone(), self.program.desired.pipeline.clone());
        tokio::spawn(async move {
            // Tried again with the next trim; nothing depends on it but space.
            if let Err(error) = admin.delete_records(&before).await {
                tracing::warn!(%pipeline, %error, "state that is in the object store could not be trimmed from the log");
            }
        });
    }

    /// Folds committed deltas into runs.
    pub(super) fn checkpoint(&mut self, ticket: Ticket, due: &[commit::ManifestDue]) {
        let due: Vec<CheckpointDue> = due.iter().map(|due| CheckpointDue { hash: Self::hash(due.hash), floor: due.floor }).collect();
        let job = self.checkpoints.as_mut().and_then(|checkpoints| checkpoints.seal(&due, !self.report.is_stopping));
        match job {
            Some(job) => self.seal(ticket, job),
            None => self.pod.on(self.now(), Event::Checkpointed(ticket, Err(Failure::Retry("a checkpoint is under way".into())))),
        }
    }

    fn seal(&self, ticket: Ticket, job: SealJob) {
        let (store, write_ids) = (Arc::clone(&self.environment.store), Arc::clone(&self.write_ids));
        let (jobs, epoch) = (self.jobs.clone(), self.epoch);
        tokio::task::spawn_blocking(move || {
            let sealed = job.run(&store, &write_ids);
            let _ = jobs.send(Done::Sealed(epoch, ticket, Box::new(sealed)));
        });
    }

    fn sealed(&mut self, ticket: Ticket, sealed: Result<Sealed, SealError>) {
        let Some(checkpoints) = self.checkpoints.as_mut() else { return };
        let answer = match sealed {
            Ok(sealed) => {
                checkpoints.sealed(Ok(sealed));
                self.report.checkpoint_failing_since = None;
                Ok(())
            }
            Err(error) => {
                checkpoints.sealed(Err(&error));
                tracing::warn!(pipeline = %self.program.desired.pipeline, %error, "a checkpoint failed; it is tried again, and the log keeps the state");
                self.report.checkpoint_failing_since.get_or_insert_with(crate::status::now);
                self.report.trouble = Some((PipelineReason::CheckpointFailing, error.to_string()));
                Err(Failure::Unknown(error.to_string()))
            }
        };
        let bytes = checkpoints.state_bytes();
        let now = self.now();
        self.pod.on(now, Event::StateSize { bytes });
        self.pod.on(now, Event::Checkpointed(ticket, answer));
    }

    /// Removes objects that nothing names any more.
    pub(super) fn collect(&mut self) {
        let now = Instant::now();
        if self.report.next_collect.is_some_and(|at| now < at) {
            return;
        }
        self.report.next_collect = Some(now + super::COLLECT_EVERY);
        let Some(job) = self.checkpoints.as_mut().and_then(|checkpoints| checkpoints.collect(now)) else { return };
        let (store, jobs, epoch) = (Arc::clone(&self.environment.store), self.jobs.clone(), self.epoch);
        tokio::task::spawn_blocking(move || drop(jobs.send(Done::Collected(epoch, Box::new(job.run(&*store))))));
    }

    /// Looks whether a topic that is read has grown since the run began.
    pub(super) fn look_at_partitions(&mut self) {
        let now = Instant::now();
        let next = self.report.next_look.get_or_insert(now + super::LOOK_EVERY);
        if now < *next || self.report.is_stopping {
            return;
        }
        *next = now + super::LOOK_EVERY;
        let (program, admin, jobs) = (Arc::clone(&self.program), self.admin.clone(), self.jobs.clone());
        tokio::spawn(async move {
            for topic in &program.topics {
                let known = program.sources.iter().filter(|source| source.at.topic == topic.topic).count();
                if let Ok(Some(found)) = admin.describe_topic(&topic.topic).await
                    && found.partitions.len() > known
                {
                    return drop(jobs.send(Done::Grown(topic.topic.to_string())));
                }
            }
        });
    }

    pub(super) fn leave(&mut self, ticket: Ticket) {
        let (member, jobs) = (self.member.take(), self.jobs.clone());
        tokio::spawn(async move {
            if let Some(member) = member
                && let Err(error) = member.leave().await
            {
                tracing::debug!(%error, "the group was not told; the membership ends with its session");
            }
            let _ = jobs.send(Done::Left(ticket));
        });
    }
}

/// A fetched position, if the group has one.
fn committed(told: Option<&client::CommittedOffset>) -> Result<Option<Committed>, Failure> {
    let Some((offset, told)) = told.and_then(|told| Some((told.offset?, told))) else { return Ok(None) };
    let metadata = told.metadata.as_ref().map_or("", |text| text.as_str());
    Committed::parse(offset, metadata).map(Some).map_err(|error| Failure::Refused(error.to_string()))
}

/// What an error of a fetcher means for the pipeline.
pub(super) fn reason(error: &FetchError) -> PipelineReason {
    match error {
        FetchError::Unknown(_) => PipelineReason::TopicNotFound,
        FetchError::OffsetOutOfRange { .. } | FetchError::Truncated { .. } | FetchError::TopicReplaced(_) | FetchError::Damaged { .. } => {
            PipelineReason::DataLoss
        }
        FetchError::Refused { .. } => PipelineReason::ClusterNotReady,
    }
}
