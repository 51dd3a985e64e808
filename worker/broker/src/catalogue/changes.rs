//! Changes of the catalogue, decided: from a client's request, or towards a desired state. Pure; the shell saves the result and tells the log.

use std::{collections::BTreeSet, sync::Arc};

use control::{DesiredBroker, DesiredTopic, ObjectRef, Owner, Release, Retention, TopicProblem, TopicReason};
use units::{DurationMs, TopicId, TopicName};

use super::{Catalogue, PARTITIONS_MAX, Topic, settings};

/// What a client asks for.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Create {
        name: TopicName,
        partitions: i32,
        config: Vec<(String, Option<String>)>,
    },
    Delete {
        name: TopicName,
    },
    /// CreatePartitions: to this many in all.
    Grow {
        name: TopicName,
        partitions: i32,
    },
    /// IncrementalAlterConfigs: each setting to a value, or back to its default.
    Configure {
        name: TopicName,
        config: Vec<(String, Option<String>)>,
    },
    /// AlterConfigs: these settings, and every other back to its default.
    Reconfigure {
        name: TopicName,
        config: Vec<(String, Option<String>)>,
    },
}

/// Why a client's change is refused. Each variant is another Kafka error code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChangeError {
    /// TOPIC_ALREADY_EXISTS.
    #[error("topic {0} exists already")]
    Exists(TopicName),
    /// UNKNOWN_TOPIC_OR_PARTITION.
    #[error("topic {0} does not exist")]
    Unknown(TopicName),
    /// INVALID_TOPIC_EXCEPTION.
    #[error("topic {0} belongs to a Pipeline; names that begin with _sw. are not for clients")]
    Internal(TopicName),
    /// POLICY_VIOLATION.
    #[error("topic {name} is declared by {owner}; change it there")]
    Declared {
        /// The topic.
        name: TopicName,
        /// The manifest's object.
        owner: Owner,
    },
    /// INVALID_PARTITIONS.
    #[error("{0}")]
    Partitions(String),
    /// INVALID_CONFIG.
    #[error("{0}")]
    Config(String),
}

impl Change {
    /// The topic that it is about.
    pub(crate) fn topic(&self) -> &TopicName {
        match self {
            Self::Create { name, .. }
            | Self::Delete { name }
            | Self::Grow { name, .. }
            | Self::Configure { name, .. }
            | Self::Reconfigure { name, .. } => name,
        }
    }
}

/// The catalogue as it would be after a client's `change`, where somebody else must bring it about: the same, but clients may change what was
/// declared because a client had asked for it.
pub(crate) fn propose(
    catalogue: &Catalogue,
    change: &Change,
    client_topics: &BTreeSet<TopicName>,
    new_id: TopicId,
) -> Result<Catalogue, ChangeError> {
    let name = change.topic();
    let current = catalogue.get(name.as_str()).filter(|_| client_topics.contains(name));
    let Some(current) = current else { return apply(catalogue, change, new_id) };
    let mut open = catalogue.clone();
    open.insert(Topic { owner: None, ..Topic::clone(current) });
    apply(&open, change, new_id)
}

/// The catalogue after a client's `change`. `new_id` is the id that a new topic gets.
pub(crate) fn apply(catalogue: &Catalogue, change: &Change, new_id: TopicId) -> Result<Catalogue, ChangeError> {
    let mut next = catalogue.clone();
    match change {
        Change::Create { name, partitions, config } => {
            refuse_internal(name)?;
            if catalogue.get(name.as_str()).is_some() {
                return Err(ChangeError::Exists(name.clone()));
            }
            check_partitions(*partitions)?;
            let mut topic = Topic {
                name: name.clone(),
                id: new_id,
                partitions: *partitions,
                retention: Retention { total_time: Some(DurationMs(604_800_000)), ..Retention::default() },
                config: Vec::new(),
                owner: None,
                last_owner: None,
                internal: false,
            };
            configure(&mut topic, config)?;
            next.insert(topic);
        }
        Change::Delete { name } => {
            changeable(catalogue, name)?;
            next.remove(name);
        }
        Change::Grow { name, partitions } => {
            let topic = changeable(catalogue, name)?;
            check_partitions(*partitions)?;
            if *partitions <= topic.partitions {
                let sentence =
                    format!("topic {name} has {} partitions; {partitions} is not more, and partitions only grow", topic.partitions);
                return Err(ChangeError::Partitions(sentence));
            }
            next.insert(Topic { partitions: *partitions, ..Topic::clone(topic) });
        }
        Change::Configure { name, config } => {
            let mut topic = Topic::clone(changeable(catalogue, name)?);
            configure(&mut topic, config)?;
            next.insert(topic);
        }
        Change::Reconfigure { name, config } => {
            let mut topic = Topic::clone(changeable(catalogue, name)?);
            topic.config.clear();
            topic.retention = Retention { total_time: Some(DurationMs(604_800_000)), ..Retention::default() };
            configure(&mut topic, config)?;
            next.insert(topic);
        }
    }
    Ok(next)
}

fn refuse_internal(name: &TopicName) -> Result<(), ChangeError> {
    if name.is_internal() { Err(ChangeError::Internal(name.clone())) } else { Ok(()) }
}

fn check_partitions(partitions: i32) -> Result<(), ChangeError> {
    if (1..=PARTITIONS_MAX).contains(&partitions) {
        return Ok(());
    }
    Err(ChangeError::Partitions(format!("{partitions} partitions; a topic has 1 to {PARTITIONS_MAX}")))
}

/// The topic, if a client may change it.
fn changeable<'a>(catalogue: &'a Catalogue, name: &TopicName) -> Result<&'a Arc<Topic>, ChangeError> {
    let topic = catalogue.get(name.as_str()).ok_or_else(|| ChangeError::Unknown(name.clone()))?;
    if topic.internal {
        return Err(ChangeError::Internal(name.clone()));
    }
    match &topic.owner {
        Some(owner) => Err(ChangeError::Declared { name: name.clone(), owner: owner.clone() }),
        None => Ok(topic),
    }
}

fn configure(topic: &mut Topic, config: &[(String, Option<String>)]) -> Result<(), ChangeError> {
    for (name, value) in config {
        if let Some(sentence) =
            settings::refusal(name, value.as_deref().unwrap_or_else(|| settings::known_setting(name).map_or("", |known| known.default)))
        {
            return Err(ChangeError::Config(sentence));
        }
        settings::set(&mut topic.retention, &mut topic.config, name, value.as_deref());
    }
    Ok(())
}

/// The catalogue after `desired`, and what could not be brought about. `new_id` gives an id for each topic that is made.
pub(crate) fn reconcile(
    catalogue: &Catalogue,
    desired: &DesiredBroker,
    mut new_id: impl FnMut() -> TopicId,
) -> (Catalogue, Vec<(TopicName, TopicProblem)>) {
    let mut next = catalogue.clone();
    let mut problems = Vec::new();
    for released in &desired.released {
        let Some(topic) = next.get(released.name.as_str()).filter(|topic| topic.id == released.topic_id).map(Arc::clone) else { continue };
        match released.release {
            Release::Delete => drop(next.remove(&released.name)),
            Release::Retain => {
                let last_owner = topic.owner.clone().or_else(|| topic.last_owner.clone());
                next.insert(Topic { owner: None, last_owner, ..Topic::clone(&topic) });
            }
        }
    }
    for wanted in &desired.topics {
        match settle(next.get(wanted.name.as_str()).map(|topic| Topic::clone(topic)), wanted, &desired.cluster, &mut new_id) {
            Ok(topic) => next.insert(topic),
            Err(problem) => problems.push((wanted.name.clone(), problem)),
        }
    }
    (next, problems)
}

fn problem(reason: TopicReason, message: String) -> TopicProblem {
    TopicProblem { reason, message }
}

/// One topic as it shall be, from what it is.
fn settle(
    current: Option<Topic>,
    wanted: &DesiredTopic,
    cluster: &ObjectRef,
    new_id: &mut impl FnMut() -> TopicId,
) -> Result<Topic, TopicProblem> {
    let name = &wanted.name;
    if let Some(entry) = wanted.config.iter().find_map(|entry| settings::refusal(&entry.name, &entry.value)) {
        return Err(problem(TopicReason::InvalidConfig, entry));
    }
    let (id, had, last_owner) = match current {
        None => match wanted.topic_id {
            Some(id) => {
                return Err(problem(
                    TopicReason::TopicIdMismatch,
                    format!("topic {name} with id {id} is gone; delete and apply the object to make a new one"),
                ));
            }
            None => (new_id(), 0, None),
        },
        Some(current) => {
            if let Some(id) = wanted.topic_id.filter(|id| *id != current.id) {
                return Err(problem(
                    TopicReason::TopicIdMismatch,
                    format!("topic {name} has id {}, not {id}: it was made anew by someone else", current.id),
                ));
            }
            may_own(&current, wanted, cluster)?;
            if current.partitions > wanted.partitions {
                let message =
                    format!("topic {name} has {} partitions, {} are declared; partitions only grow", current.partitions, wanted.partitions);
                return Err(problem(TopicReason::PartitionsAboveSpec, message));
            }
            (current.id, current.partitions, current.last_owner)
        }
    };
    Ok(Topic {
        name: name.clone(),
        id,
        partitions: wanted.partitions.max(had),
        retention: wanted.retention,
        config: wanted.config.clone(),
        owner: Some(wanted.owner.clone()),
        last_owner,
        internal: wanted.internal,
    })
}

/// Adoption (CRDS.md §3): a topic without owner goes to its last one, or to an object in the Cluster's namespace.
fn may_own(current: &Topic, wanted: &DesiredTopic, cluster: &ObjectRef) -> Result<(), TopicProblem> {
    let by_name = |message: String| Err(problem(TopicReason::Conflict, message));
    match &current.owner {
        Some(owner) if *owner == wanted.owner => Ok(()),
        Some(owner) => by_name(format!("topic {} is declared by {owner} already; give one of the two another topicName", current.name)),
        None if current.last_owner.as_ref() == Some(&wanted.owner) || wanted.owner.object.namespace == cluster.namespace => Ok(()),
        None => by_name(format!(
            "topic {} exists and was not declared by {}; declare it in namespace {} to take it over",
            current.name, wanted.owner, cluster.namespace
        )),
    }
}

#[cfg(test)]
mod tests;
