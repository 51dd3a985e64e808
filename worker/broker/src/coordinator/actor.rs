//! One coordinator in a task of its own: messages in, intentions carried out.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use coordinators::{
    AppendFailed, AppendToken, CorruptRecord, Record, Token, groups,
    transactions::{self, MarkerToken, Markers, MarkersWritten},
};
use log::{Append, AppendError, Appended, Log, Origin, TopicPartitionId};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};
use tokio_util::task::TaskTracker;
use units::{Offset, PartitionId, TimestampMs, TopicId};

use super::{LoadError, journal, markers::MarkerWriter};
use crate::clock;

/// A core that an actor can carry: both coordinators have this shape.
pub(crate) trait Core: Send + 'static {
    type Request: Send + 'static;
    type Response: Send + 'static;
    /// Under which id its partitions are in the log.
    const TOPIC: TopicId;

    fn handle(&mut self, now: TimestampMs, token: Token, request: Self::Request);
    fn on_appended(&mut self, now: TimestampMs, token: AppendToken, result: Result<Offset, AppendFailed>);
    fn on_markers(&mut self, now: TimestampMs, token: MarkerToken, written: MarkersWritten);
    fn on_time(&mut self, now: TimestampMs);
    fn next_timeout(&self) -> Option<TimestampMs>;
    fn poll(&mut self) -> Option<Wish<Self::Response>>;
    fn begin_load(&mut self, partition: PartitionId);
    fn replay(&mut self, partition: PartitionId, at: Offset, key: &[u8], value: Option<&[u8]>) -> Result<(), CorruptRecord>;
    fn finish_load(&mut self, partition: PartitionId, now: TimestampMs);
}

/// What a core wants done.
pub(crate) enum Wish<R> {
    Respond { token: Token, response: R },
    Append { partition: PartitionId, records: Vec<Record>, token: AppendToken },
    Trim { partition: PartitionId, below: Offset },
    WriteMarkers(Markers),
}

enum Message<C: Core> {
    Request(C::Request, oneshot::Sender<C::Response>),
    Act(Box<dyn FnOnce(&mut C) + Send>),
    Appended(AppendToken, Result<Offset, AppendFailed>),
    Markers(MarkerToken, MarkersWritten),
}

/// A handle to a running coordinator. Clones share it.
pub(crate) struct Actor<C: Core> {
    messages: mpsc::UnboundedSender<Message<C>>,
}

impl<C: Core> Clone for Actor<C> {
    fn clone(&self) -> Self {
        Self { messages: self.messages.clone() }
    }
}

impl<C: Core> Actor<C> {
    /// Hands the request over, in the order of calls, and gives the future of its answer; `None` where the coordinator has stopped.
    pub(crate) fn request(&self, request: C::Request) -> impl Future<Output = Option<C::Response>> + Send + use<C> {
        let (sender, answer) = oneshot::channel();
        let _ = self.messages.send(Message::Request(request, sender));
        async move { answer.await.ok() }
    }

    /// Looks at the coordinator's state after all requests before; `None` where the coordinator has stopped.
    pub(crate) fn read<T, L>(&self, look: L) -> impl Future<Output = Option<T>> + Send + use<C, T, L>
    where
        T: Send + 'static,
        L: FnOnce(&C) -> T + Send + 'static,
    {
        let (sender, seen) = oneshot::channel();
        self.act(move |core| drop(sender.send(look(core))));
        async move { seen.await.ok() }
    }

    /// Tells the coordinator something that has no answer.
    pub(crate) fn act(&self, act: impl FnOnce(&mut C) + Send + 'static) {
        let _ = self.messages.send(Message::Act(Box::new(act)));
    }

    pub(super) fn on_markers(&self, token: MarkerToken, written: MarkersWritten) {
        let _ = self.messages.send(Message::Markers(token, written));
    }
}

/// Loads the coordinator's partitions and starts its task; it ends when the last handle is gone. Blocks while it loads.
pub(crate) fn start<C: Core>(core: C, log: Log, tasks: &TaskTracker, runtime: &Handle) -> Result<Actor<C>, StartError> {
    let (messages, inbox) = mpsc::unbounded_channel();
    run(core, log, None, Actor { messages }, inbox, tasks, runtime)
}

fn run<C: Core>(
    mut core: C,
    log: Log,
    writer: Option<MarkerWriter>,
    actor: Actor<C>,
    inbox: mpsc::UnboundedReceiver<Message<C>>,
    tasks: &TaskTracker,
    runtime: &Handle,
) -> Result<Actor<C>, StartError> {
    let clock = Clock::start();
    for partition in super::partitions(C::TOPIC) {
        log.create_partition(partition, log::PartitionConfig::default())?;
        core.begin_load(partition.partition);
        journal::load(&log, partition, |at, key, value| core.replay(partition.partition, at, key, value))?;
        core.finish_load(partition.partition, clock.now());
    }
    // A weak sender: the task must not keep itself alive.
    let task = Task { core, log, clock, messages: actor.messages.downgrade(), writer, answers: HashMap::new(), next_token: 0 };
    tasks.spawn_on(task.run(inbox), runtime);
    Ok(actor)
}

/// [`start`] for the transaction coordinator, with the writer of its markers.
pub(crate) fn start_transactions(
    core: transactions::Transactions,
    log: Log,
    writer: MarkerWriter,
    tasks: &TaskTracker,
    runtime: &Handle,
) -> Result<Actor<transactions::Transactions>, StartError> {
    // The task may want markers at once, and they may be settled at once: the writer knows where to report before it starts.
    let (messages, inbox) = mpsc::unbounded_channel();
    let actor = Actor { messages };
    writer.report_to(&actor);
    run(core, log, Some(writer), actor, inbox, tasks, runtime)
}

/// Why a coordinator does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Partition(#[from] log::PartitionError),
}

/// Time for the cores: milliseconds since 1970 when it was started, and never going back from then on.
struct Clock {
    wall: TimestampMs,
    since: Instant,
}

impl Clock {
    fn start() -> Self {
        Self { wall: clock::now(), since: Instant::now() }
    }

    fn now(&self) -> TimestampMs {
        TimestampMs(self.wall.0 + i64::try_from(self.since.elapsed().as_millis()).unwrap_or(i64::MAX - self.wall.0))
    }

    fn until(&self, at: TimestampMs) -> Duration {
        Duration::from_millis(u64::try_from(at.0 - self.now().0).unwrap_or(0))
    }
}

struct Task<C: Core> {
    core: C,
    log: Log,
    clock: Clock,
    messages: mpsc::WeakUnboundedSender<Message<C>>,
    writer: Option<MarkerWriter>,
    answers: HashMap<Token, oneshot::Sender<C::Response>>,
    next_token: u64,
}

impl<C: Core> Task<C> {
    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Message<C>>) {
        loop {
            self.carry_out();
            let sleep = self.core.next_timeout().map(|at| self.clock.until(at));
            let message = tokio::select! {
                message = inbox.recv() => message,
                () = tokio::time::sleep(sleep.unwrap_or(Duration::MAX)), if sleep.is_some() => {
                    self.core.on_time(self.clock.now());
                    continue;
                }
            };
            let Some(message) = message else { return };
            self.take(message);
        }
    }

    fn take(&mut self, message: Message<C>) {
        let now = self.clock.now();
        match message {
            Message::Request(request, answer) => {
                let token = Token(self.next_token);
                self.next_token += 1;
                self.answers.insert(token, answer);
                self.core.handle(now, token, request);
            }
            Message::Act(act) => act(&mut self.core),
            Message::Appended(token, result) => self.core.on_appended(now, token, result),
            Message::Markers(token, written) => self.core.on_markers(now, token, written),
        }
    }

    fn carry_out(&mut self) {
        while let Some(wish) = self.core.poll() {
            match wish {
                Wish::Respond { token, response } => {
                    // The one who asked may have gone.
                    let _ = self.answers.remove(&token).map(|answer| answer.send(response));
                }
                Wish::Append { partition, records, token } => self.append(partition, &records, token),
                Wish::Trim { partition, below } => self.log.delete_records(Self::partition(partition), below, Box::new(|_| {})),
                Wish::WriteMarkers(markers) => {
                    self.writer.as_ref().expect("only the transaction coordinator writes markers").write(markers)
                }
            }
        }
    }

    fn partition(partition: PartitionId) -> TopicPartitionId {
        TopicPartitionId { topic: C::TOPIC, partition }
    }

    fn append(&self, partition: PartitionId, records: &[Record], token: AppendToken) {
        let append = Append { batches: journal::batch(records), origin: Origin::Coordinator, leader_epoch: None };
        let messages = self.messages.clone();
        let done = Box::new(move |appended: Result<Appended, AppendError>| {
            let result = match appended {
                Ok(appended) => Ok(appended.base_offset),
                Err(error) => match journal::failed(&error) {
                    Some(failed) => Err(failed),
                    None => return tracing::error!(%error, "a coordinator's records may or may not be durable; the broker must start anew"),
                },
            };
            if let Some(messages) = messages.upgrade() {
                let _ = messages.send(Message::Appended(token, result));
            }
        });
        self.log.append(Self::partition(partition), append, done);
    }
}

macro_rules! shared_shape {
    () => {
        fn handle(&mut self, now: TimestampMs, token: Token, request: Self::Request) {
            self.handle(now, token, request);
        }
        fn on_appended(&mut self, now: TimestampMs, token: AppendToken, result: Result<Offset, AppendFailed>) {
            self.on_appended(now, token, result);
        }
        fn on_time(&mut self, now: TimestampMs) {
            self.on_time(now);
        }
        fn next_timeout(&self) -> Option<TimestampMs> {
            self.next_timeout()
        }
        fn begin_load(&mut self, partition: PartitionId) {
            self.begin_load(partition);
        }
        fn replay(&mut self, partition: PartitionId, at: Offset, key: &[u8], value: Option<&[u8]>) -> Result<(), CorruptRecord> {
            self.replay(partition, at, key, value)
        }
        fn finish_load(&mut self, partition: PartitionId, now: TimestampMs) {
            self.finish_load(partition, now);
        }
    };
}

impl Core for groups::Groups {
    type Request = groups::Request;
    type Response = groups::Response;
    const TOPIC: TopicId = super::GROUPS;
    shared_shape!();

    fn on_markers(&mut self, _: TimestampMs, _: MarkerToken, _: MarkersWritten) {
        unreachable!("the group coordinator asks for no markers")
    }

    fn poll(&mut self) -> Option<Wish<Self::Response>> {
        Some(match self.poll()? {
            groups::Intention::Respond { token, response } => Wish::Respond { token, response },
            groups::Intention::Append { partition, records, token } => Wish::Append { partition, records, token },
            groups::Intention::Trim { partition, below } => Wish::Trim { partition, below },
        })
    }
}

impl Core for transactions::Transactions {
    type Request = transactions::Request;
    type Response = transactions::Response;
    const TOPIC: TopicId = super::TRANSACTIONS;
    shared_shape!();

    fn on_markers(&mut self, now: TimestampMs, token: MarkerToken, written: MarkersWritten) {
        self.on_markers(now, token, written);
    }

    fn poll(&mut self) -> Option<Wish<Self::Response>> {
        Some(match self.poll()? {
            transactions::Intention::Respond { token, response } => Wish::Respond { token, response },
            transactions::Intention::Append { partition, records, token } => Wish::Append { partition, records, token },
            transactions::Intention::Trim { partition, below } => Wish::Trim { partition, below },
            transactions::Intention::WriteMarkers(markers) => Wish::WriteMarkers(markers),
        })
    }
}

/// For [`MarkerWriter`], which must not keep the transaction coordinator alive.
pub(super) type WeakTransactions = Arc<std::sync::OnceLock<WeakActor>>;

/// A handle that does not keep the coordinator running.
pub(super) struct WeakActor(mpsc::WeakUnboundedSender<Message<transactions::Transactions>>);

impl Actor<transactions::Transactions> {
    pub(super) fn weak(&self) -> WeakActor {
        WeakActor(self.messages.downgrade())
    }
}

impl WeakActor {
    pub(super) fn on_markers(&self, token: MarkerToken, written: MarkersWritten) {
        if let Some(messages) = self.0.upgrade() {
            Actor { messages }.on_markers(token, written);
        }
    }
}
