//! The one sender of a pod: a task with the transactional producer, doing one thing at a time.

use std::{sync::Arc, time::Duration};

use client::{Batch, Cluster, Generation, GroupOffset, TransactionError, TransactionalProducer};
use commit::{Failure, Life, Ticket};
use tokio::sync::{Mutex, mpsc};
use units::{GroupId, Offset, TransactionalId};

use crate::failure::of_transaction;

/// The batches of one burst. Kept until the outcome is known; sending stamps them anew each time.
pub(crate) type Batches = Arc<Mutex<Vec<Batch>>>;

/// What the sender is asked to do.
#[derive(Debug)]
pub(crate) enum Request {
    Register,
    /// With the transaction timeout from now on.
    Settle(Duration),
    Send(Batches),
    Name(Generation, Vec<GroupOffset>),
    End,
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Answer {
    Registered(Result<Life, Failure>),
    Settled(Result<(), Failure>),
    /// Base offset of each batch, in order.
    Sent(Result<Vec<Offset>, Failure>),
    Named(Result<(), Failure>),
    Ended(Result<(), Failure>),
}

/// A handle on the task; it ends when the handle is dropped.
#[derive(Debug)]
pub(crate) struct Sender {
    requests: mpsc::UnboundedSender<(Ticket, Request)>,
}

impl Sender {
    /// Answers come to `answers`.
    pub(crate) fn start(
        cluster: Cluster,
        id: TransactionalId,
        group: GroupId,
        transaction_timeout: Duration,
        answers: mpsc::UnboundedSender<(Ticket, Answer)>,
    ) -> Self {
        let (requests, received) = mpsc::unbounded_channel();
        let task = Task { cluster, id, group, transaction_timeout, producer: None, has_sent: false };
        tokio::spawn(task.run(received, answers));
        Self { requests }
    }

    /// Asks; whatever was under way is dropped, since the pod no longer waits for it.
    pub(crate) fn ask(&self, ticket: Ticket, request: Request) {
        let _ = self.requests.send((ticket, request));
    }
}

struct Task {
    cluster: Cluster,
    id: TransactionalId,
    group: GroupId,
    transaction_timeout: Duration,
    producer: Option<TransactionalProducer>,
    /// Something was sent since the last end: there may be a transaction.
    has_sent: bool,
}

impl Task {
    async fn run(mut self, mut requests: mpsc::UnboundedReceiver<(Ticket, Request)>, answers: mpsc::UnboundedSender<(Ticket, Answer)>) {
        let mut next = requests.recv().await;
        while let Some((ticket, request)) = next.take() {
            let answer = tokio::select! {
                answer = self.perform(request) => answer,
                newer = requests.recv() => {
                    next = newer;
                    continue;
                }
            };
            if answers.send((ticket, answer)).is_err() {
                return;
            }
            next = requests.recv().await;
        }
    }

    async fn perform(&mut self, request: Request) -> Answer {
        match request {
            Request::Register => Answer::Registered(self.register().await.map_err(of_transaction)),
            Request::Settle(timeout) => Answer::Settled(self.settle(timeout).await.map_err(of_transaction)),
            Request::Send(batches) => Answer::Sent(self.send(batches).await.map_err(of_transaction)),
            Request::Name(generation, offsets) => Answer::Named(self.name(&generation, &offsets).await.map_err(of_transaction)),
            Request::End => Answer::Ended(self.end().await.map_err(of_transaction)),
        }
    }

    async fn register(&mut self) -> Result<Life, TransactionError> {
        self.producer = None;
        let producer = TransactionalProducer::register(self.cluster.clone(), self.id.clone(), self.transaction_timeout).await?;
        let identity = producer.identity();
        (self.producer, self.has_sent) = (Some(producer), false);
        Ok(Life { producer_id: identity.id, epoch: identity.epoch })
    }

    fn producer(&mut self) -> &mut TransactionalProducer {
        self.producer.as_mut().expect("a pod registers before anything else")
    }

    async fn settle(&mut self, timeout: Duration) -> Result<(), TransactionError> {
        self.producer().settle(timeout).await?;
        self.has_sent = false;
        Ok(())
    }

    async fn send(&mut self, batches: Batches) -> Result<Vec<Offset>, TransactionError> {
        let mut batches = batches.lock().await;
        if batches.is_empty() {
            return Ok(Vec::new());
        }
        self.has_sent = true;
        let offsets = self.producer().send(&mut batches).await?;
        tracing::debug!(id = %self.id, batches = offsets.len(), "a commit's records are written");
        Ok(offsets)
    }

    async fn name(&mut self, generation: &Generation, offsets: &[GroupOffset]) -> Result<(), TransactionError> {
        if offsets.is_empty() {
            return Ok(());
        }
        self.has_sent = true;
        let group = self.group.clone();
        self.producer().commit_offsets(&group, generation, offsets).await
    }

    /// A transaction in which nothing was sent is none: the claim of a pipeline that keeps nothing in the log.
    async fn end(&mut self) -> Result<(), TransactionError> {
        if !self.has_sent {
            return Ok(());
        }
        self.producer().end(true).await?;
        tracing::debug!(id = %self.id, "a commit has ended");
        self.has_sent = false;
        Ok(())
    }
}
