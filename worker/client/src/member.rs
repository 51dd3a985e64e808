//! [`Member`]: one member of a classic consumer group, whose owner decides when it joins and, where it leads, who gets what.

mod core;

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use units::GroupId;
use wire::{ErrorCode, Str};

use self::core::{Answer, Ask, Core, Step};
use crate::{CallError, ClientError, Cluster, Connection, CoordinatorKey};

/// Who a member is, and how long it may be silent.
#[derive(Clone, Debug)]
pub struct MemberOptions {
    /// The group.
    pub group: GroupId,
    /// Name of a static member (KIP-345): it keeps its place through a restart within the session timeout, and fences whoever has the
    /// same name.
    pub instance_id: Option<Str>,
    /// Kind of members: all of a group have the same. `consumer` makes Kafka read the metadata as a consumer's.
    pub protocol_type: Str,
    /// Name of the way of assigning: all members of a group have the same.
    pub protocol: Str,
    /// Silence after which the group drops the member.
    pub session_timeout: Duration,
    /// How often it says that it lives.
    pub heartbeat_interval: Duration,
    /// How long the others wait for this member to join the next generation.
    pub rebalance_timeout: Duration,
}

impl MemberOptions {
    /// A member of `group` with a session of 10 s, a heartbeat each 2 s, and 30 s to finish before a rebalance.
    #[must_use]
    pub fn new(group: GroupId, instance_id: Option<Str>, protocol: &'static str) -> Self {
        Self {
            group,
            instance_id,
            protocol_type: Str::from_static("streamwright"),
            protocol: Str::from_static(protocol),
            session_timeout: Duration::from_secs(10),
            heartbeat_interval: Duration::from_secs(2),
            rebalance_timeout: Duration::from_secs(30),
        }
    }
}

/// A member's place in one generation: what a transactional commit names to be fenced by (KIP-447).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// Given by the coordinator; the same as long as the group never dropped the member.
    pub member_id: Str,
    /// Number of the generation.
    pub generation_id: i32,
    /// Name of a static member.
    pub instance_id: Option<Str>,
}

/// A member as its leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// Given by the coordinator.
    pub member_id: Str,
    /// Name of a static member.
    pub instance_id: Option<Str>,
    /// What the member gave to [`Member::join`].
    pub metadata: Bytes,
}

/// Why a membership is gone. Whatever was held by it belongs to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// The group dropped the member (UNKNOWN_MEMBER_ID): it was silent too long. It can join again, as a new one.
    #[error("the group dropped this member")]
    Dropped,
    /// Another process joined under the same static name (FENCED_INSTANCE_ID). This one is at its end.
    #[error("another member took over this static name")]
    Fenced,
    /// The coordinator does not take this member for a reason that does not pass. This one is at its end.
    #[error("the group does not take this member: {0}")]
    Refused(ErrorCode),
}

/// What a member tells its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberEvent {
    /// The group wants another generation. Finish what was begun under this one, which is kept alive meanwhile, then
    /// [`Member::join`], within the rebalance timeout.
    Rebalancing,
    /// This member leads: answer with [`Member::assign`].
    Lead {
        /// Its place.
        generation: Generation,
        /// All members, itself among them.
        members: Vec<GroupMember>,
    },
    /// The generation is complete.
    Assigned {
        /// Its place. Where the member id is that of the last time, it never ceased to be a member.
        generation: Generation,
        /// What the leader gave to it.
        assignment: Bytes,
    },
    /// The membership is gone.
    Lost(Lost),
}

#[derive(Debug)]
enum Command {
    Join(Bytes),
    Assign(Vec<(Str, Bytes)>),
    Leave(oneshot::Sender<Result<(), ClientError>>),
}

/// A handle on a member; its own task talks to the coordinator and sends heartbeats. Dropping it ends the task and does *not* leave the
/// group: whoever restarts within the session timeout finds its place.
#[derive(Debug)]
pub struct Member {
    commands: mpsc::UnboundedSender<Command>,
    events: mpsc::UnboundedReceiver<MemberEvent>,
}

impl Member {
    /// A member that has not joined yet.
    #[must_use]
    pub fn new(cluster: Cluster, options: MemberOptions) -> Self {
        let (commands, received) = mpsc::unbounded_channel();
        let (told, events) = mpsc::unbounded_channel();
        let key = CoordinatorKey::Group(options.group.clone());
        let task = Task {
            cluster,
            key,
            waits: options.rebalance_timeout,
            core: Core::new(options),
            commands: received,
            events: told,
            connection: None,
        };
        tokio::spawn(task.run());
        Self { commands, events }
    }

    /// Joins, or joins the next generation; `metadata` is what the leader gets to see. What comes of it is an event.
    pub fn join(&self, metadata: Bytes) {
        let _ = self.commands.send(Command::Join(metadata));
    }

    /// Answers [`MemberEvent::Lead`]: who gets what, by member id. Ignored where the group has moved on since.
    pub fn assign(&self, assignments: Vec<(Str, Bytes)>) {
        let _ = self.commands.send(Command::Assign(assignments));
    }

    /// The next event; `None` after [`MemberEvent::Lost`] with which the member is at its end.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<MemberEvent> {
        self.events.recv().await
    }

    /// Leaves the group, so that the others need not wait for the session to end; also as a static member.
    ///
    /// # Errors
    /// Where the coordinator did not answer or did not agree; the membership then ends with its session.
    ///
    /// # Cancel safety
    /// Dropping the future leaves open whether the member left.
    pub async fn leave(self) -> Result<(), ClientError> {
        let (done, outcome) = oneshot::channel();
        if self.commands.send(Command::Leave(done)).is_err() {
            return Ok(());
        }
        outcome.await.unwrap_or(Ok(()))
    }
}

struct Task {
    cluster: Cluster,
    key: CoordinatorKey,
    /// How long the coordinator may let JoinGroup and SyncGroup wait.
    waits: Duration,
    core: Core,
    commands: mpsc::UnboundedReceiver<Command>,
    events: mpsc::UnboundedSender<MemberEvent>,
    connection: Option<Connection>,
}

impl Task {
    async fn run(mut self) {
        loop {
            while let Some(event) = self.core.event() {
                let is_end = matches!(event, MemberEvent::Lost(Lost::Fenced | Lost::Refused(_)));
                if self.events.send(event).is_err() || is_end {
                    return;
                }
            }
            let command = match self.core.step(Instant::now()) {
                Step::Send(ask) => {
                    if !self.exchange(ask).await {
                        return;
                    }
                    continue;
                }
                Step::Wait(None) => self.commands.recv().await,
                Step::Wait(Some(until)) => match tokio::time::timeout_at(until.into(), self.commands.recv()).await {
                    Ok(command) => command,
                    Err(_) => continue,
                },
            };
            if !self.obey(command).await {
                return;
            }
        }
    }

    /// Does what the owner wants; false where nothing is left to do after it.
    async fn obey(&mut self, command: Option<Command>) -> bool {
        match command {
            Some(Command::Join(metadata)) => self.core.join(metadata),
            Some(Command::Assign(assignments)) => self.core.assign(assignments),
            Some(Command::Leave(done)) => {
                let _ = done.send(self.leave().await);
                return false;
            }
            None => return false,
        }
        true
    }

    /// Sends a request and waits for its answer, and obeys the owner meanwhile: a JoinGroup may wait long for others. False where
    /// nothing is left to do.
    async fn exchange(&mut self, ask: Ask) -> bool {
        let connection = self.connect().await;
        let waits = self.waits;
        let asking = async move {
            let connection = connection?;
            Ok::<_, ClientError>(match ask {
                // JoinGroup 9 tells a static leader that comes back not to assign (KIP-814).
                Ask::Join(request) => Answer::Join(connection.call_from(&request, 9, waits).await?),
                Ask::Sync(request) => Answer::Sync(connection.call_from(&request, 5, waits).await?),
                Ask::Heartbeat(request) => Answer::Heartbeat(connection.call_from(&request, 3, Duration::ZERO).await?),
            })
        };
        tokio::pin!(asking);
        let answer = loop {
            tokio::select! {
                answer = &mut asking => break answer,
                command = self.commands.recv() => {
                    if matches!(command, Some(Command::Leave(_))) {
                        // The answer that is due would come first on this connection, and may take long.
                        self.connection = None;
                    }
                    if !self.obey(command).await {
                        return false;
                    }
                }
            }
        };
        let answer = answer.unwrap_or_else(|error| {
            tracing::debug!(%error, "the group's coordinator did not answer");
            Answer::Lost
        });
        if self.core.answered(answer, Instant::now()) {
            self.cluster.forget_coordinator(&self.key);
            self.connection = None;
        }
        true
    }

    /// The member's own connection: JoinGroup keeps one busy for as long as others take to join.
    async fn connect(&mut self) -> Result<Connection, ClientError> {
        if let Some(open) = self.connection.as_ref().filter(|connection| connection.is_open()) {
            return Ok(open.clone());
        }
        let broker = self.cluster.coordinator(&self.key).await?;
        let opened = self.cluster.open(broker).await?;
        Ok(self.connection.insert(opened).clone())
    }

    async fn leave(&mut self) -> Result<(), ClientError> {
        let Some(request) = self.core.leave_request() else { return Ok(()) };
        let mut patience = crate::patience::Patience::new(self.cluster.options().request_timeout);
        loop {
            let outcome = async { Ok::<_, ClientError>(self.connect().await?.call_from(&request, 3, Duration::ZERO).await?) }.await;
            let code = match outcome {
                Ok(response) => response.members.first().map_or(response.error_code, |member| {
                    if response.error_code.is_ok() { member.error_code } else { response.error_code }
                }),
                Err(error @ ClientError::Call(CallError::Lost { .. } | CallError::Connect { .. } | CallError::NotSent { .. })) => {
                    self.connection = None;
                    self.cluster.forget_coordinator(&self.key);
                    if !patience.pause().await {
                        return Err(error);
                    }
                    continue;
                }
                Err(error) => return Err(error),
            };
            match code {
                ErrorCode::None | ErrorCode::UnknownMemberId => return Ok(()),
                code if crate::error::is_passing(code) && patience.pause().await => {
                    self.connection = None;
                    self.cluster.forget_coordinator(&self.key);
                }
                code => return Err(ClientError::refused(wire::ApiKey::LeaveGroup, code)),
            }
        }
    }
}
