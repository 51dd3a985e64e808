//! The topics in force: a catalogue that readers share, and the one place where it changes, on disk and in the log, in that order.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use control::{DesiredBroker, TopicProblem, TopicReason};
use log::{Log, TopicPartitionId};
use units::{Offset, TopicName};

use crate::{
    catalogue::{Catalogue, CatalogueFile, Change, ChangeError, FileError, Topic, apply, propose, reconcile},
    coordinator::is_coordinators,
    random,
};

/// All topics of a broker.
pub(crate) struct Topics {
    file: CatalogueFile,
    log: Log,
    cluster_id: String,
    current: RwLock<Arc<Catalogue>>,
    /// Held for the whole of a change, so that changes do not overtake each other on disk.
    changing: Mutex<Changing>,
    /// Where each partition's log ended when this incarnation began, or when it was made.
    ends_at_start: Mutex<HashMap<TopicPartitionId, Offset>>,
    /// Declared topics that clients may change, by proposals.
    client_topics: RwLock<Arc<BTreeSet<TopicName>>>,
    revision: AtomicU64,
}

#[derive(Debug, Default)]
struct Changing {
    /// The highest desired generation that was gone through.
    generation: u64,
    auto_create: bool,
    problems: BTreeMap<TopicName, TopicProblem>,
}

/// Why a change did not come into force.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TopicsError {
    /// The change itself is refused.
    #[error(transparent)]
    Refused(#[from] ChangeError),
    /// The catalogue could not be written. Nothing has changed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The log could not follow. The catalogue has changed; a restart of the broker completes it.
    #[error("the log could not follow the change: {0}")]
    Log(#[from] log::PartitionError),
}

impl Topics {
    /// Loads the catalogue and brings the log to what it says. Blocks.
    pub(crate) fn open(folder: &Path, cluster_id: Option<&str>, log: Log) -> Result<Self, TopicsError> {
        let file = CatalogueFile::in_folder(folder).with_copies(log.clone());
        let (cluster_id, generation, catalogue) = match file.load()? {
            Some(loaded) => (loaded.cluster_id, loaded.generation, loaded.catalogue),
            None => {
                let made = cluster_id.map_or_else(random::cluster_id, String::from);
                file.save(&made, 0, &Catalogue::default())?;
                (made, 0, Catalogue::default())
            }
        };
        let topics = Self {
            file,
            log,
            cluster_id,
            current: RwLock::new(Arc::new(Catalogue::default())),
            changing: Mutex::new(Changing { generation, ..Changing::default() }),
            ends_at_start: Mutex::new(HashMap::new()),
            client_topics: RwLock::default(),
            revision: AtomicU64::new(0),
        };
        topics.bring_log_to(&catalogue)?;
        topics.publish(catalogue);
        Ok(topics)
    }

    pub(crate) fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// The topics as they are now; later changes do not touch what was handed out.
    pub(crate) fn now(&self) -> Arc<Catalogue> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn creates_automatically(&self) -> bool {
        self.changing().auto_create
    }

    /// The desired generation in force, and what could not be brought about.
    pub(crate) fn progress(&self) -> (u64, BTreeMap<TopicName, TopicProblem>) {
        let changing = self.changing();
        (changing.generation, changing.problems.clone())
    }

    /// Records appended to a topic since this incarnation began, markers included.
    pub(crate) fn appended(&self, topic: &Topic) -> u64 {
        let ends = self.ends_at_start.lock().unwrap_or_else(PoisonError::into_inner);
        let grown = |partition: TopicPartitionId| {
            let end = self.log.offsets(partition).ok()?.log_end;
            Some(ends.get(&partition)?.distance_to(end))
        };
        topic.all_partitions().filter_map(grown).sum()
    }

    /// The catalogue, once it is known that a client may ask for `change` and that it could come into force; what it would be then.
    pub(crate) fn propose(&self, change: &Change) -> Result<(Arc<Catalogue>, Catalogue), ChangeError> {
        let now = self.now();
        // Not behind `changing`, which is held while the disk works: who asks is a network thread.
        let client_topics = Arc::clone(&self.client_topics.read().unwrap_or_else(PoisonError::into_inner));
        let next = propose(&now, change, &client_topics, random::topic_id())?;
        Ok((now, next))
    }

    /// Does what a client asks for; in force and durable on return, unless `validate_only`. Blocks.
    pub(crate) fn change(&self, change: &Change, validate_only: bool) -> Result<Arc<Catalogue>, TopicsError> {
        let changing = self.changing();
        let next = apply(&self.now(), change, random::topic_id())?;
        if validate_only {
            return Ok(Arc::new(next));
        }
        self.file.save(&self.cluster_id, changing.generation, &next)?;
        self.bring_log_to(&next)?;
        Ok(self.publish(next))
    }

    /// Whether a desired state of this generation is not older than the newest that was gone through.
    pub(crate) fn is_news(&self, generation: u64) -> bool {
        generation >= self.changing().generation
    }

    /// Another number whenever the topics, the generation or what could not be brought about change.
    pub(crate) fn revision(&self) -> u64 {
        self.revision.load(Ordering::Relaxed)
    }

    /// Goes towards a desired state, and gives the topics that went; an older state than the newest seen is ignored. Blocks.
    pub(crate) fn apply(&self, desired: &DesiredBroker) -> Result<Vec<TopicName>, TopicsError> {
        let mut changing = self.changing();
        if desired.generation < changing.generation {
            return Ok(Vec::new());
        }
        let before = self.now();
        let (next, problems) = reconcile(&before, desired, random::topic_id);
        let gone = before.topics().map(|topic| &topic.name).filter(|name| next.get(name.as_str()).is_none()).cloned().collect();
        self.file.save(&self.cluster_id, desired.generation, &next)?;
        changing.generation = desired.generation;
        changing.auto_create = desired.auto_create_topics;
        *self.client_topics.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(desired.client_topics.clone());
        changing.problems = problems.into_iter().collect();
        let brought = self.bring_log_to(&next);
        self.publish(next);
        if let Err(reason) = brought {
            let problem = TopicProblem { reason: TopicReason::BrokerUnavailable, message: reason.to_string() };
            changing.problems.extend(desired.topics.iter().map(|topic| (topic.name.clone(), problem.clone())));
            self.revision.fetch_add(1, Ordering::Relaxed);
            return Err(reason.into());
        }
        Ok(gone)
    }

    /// Makes and configures the partitions that `catalogue` has, and removes those that no topic has any more.
    fn bring_log_to(&self, catalogue: &Catalogue) -> Result<(), log::PartitionError> {
        let there: BTreeMap<_, _> = self.log.partitions().into_iter().collect();
        let mut wanted = BTreeSet::new();
        for topic in catalogue.topics() {
            let config = topic.log_config();
            for partition in topic.all_partitions() {
                wanted.insert(partition);
                match there.get(&partition) {
                    None => self.log.create_partition(partition, config.clone())?,
                    Some(known) if *known != config => self.log.configure_partition(partition, config.clone())?,
                    Some(_) => {}
                }
                let end = self.log.offsets(partition).map_or(Offset::ZERO, |offsets| offsets.log_end);
                self.ends_at_start.lock().unwrap_or_else(PoisonError::into_inner).entry(partition).or_insert(end);
            }
        }
        for partition in there.into_keys().filter(|partition| !wanted.contains(partition) && !is_coordinators(*partition)) {
            self.log.delete_partition(partition)?;
            self.ends_at_start.lock().unwrap_or_else(PoisonError::into_inner).remove(&partition);
        }
        Ok(())
    }

    fn publish(&self, catalogue: Catalogue) -> Arc<Catalogue> {
        let next = Arc::new(catalogue);
        self.revision.fetch_add(1, Ordering::Relaxed);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&next);
        next
    }

    fn changing(&self) -> std::sync::MutexGuard<'_, Changing> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
