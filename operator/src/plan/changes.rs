//! Changes of Topic objects that Kafka clients asked for, as writes.

use crds::Kind;
use desired::{DeadLetters, TopicChange};

use super::{Context, finalizer};
use crate::{
    builder::Wanted,
    cache::Cache,
    note::Note,
    resource::Key,
    write::{Lane, Work, Write, manager},
};

/// Makes the Topic of a Pipeline's dead letters.
pub(crate) fn dead_letters(wanted: &DeadLetters, context: &Context<'_>) -> Option<Work> {
    let world = &context.cache.world;
    let pipeline = world.pipelines.get(context.cache.position(&Key::ours(Kind::Pipeline, &wanted.pipeline))?)?;
    let cluster = world.clusters.get(context.cache.position(&Key::ours(Kind::Cluster, &wanted.cluster))?)?;
    let Wanted { key, body } = context.builder.dead_letters(pipeline, cluster)?;
    let may = context.cache.get(&key).is_none() && !context.cache.is_terminating(&key.namespace);
    let writes = vec![Write::Create { key: key.clone(), manager: manager::OBJECTS, body }];
    may.then_some(Work { about: key, lane: Lane::Client, writes })
}

/// The writes that make the change; none where what it rests on is not there.
pub(crate) fn work(change: &TopicChange, cache: &Cache) -> Option<Work> {
    let (about, writes) = match change {
        TopicChange::Create { object, body } => {
            let key = Key::ours(Kind::Topic, object);
            let is_there = cache.get(&key).is_some();
            let create = Write::Create { key: key.clone(), manager: manager::CLIENTS, body: body.clone() };
            (key, (!is_there).then(|| vec![create])?)
        }
        TopicChange::Update { object, spec } => {
            let key = Key::ours(Kind::Topic, object);
            let found = cache.get(&key)?;
            let mut body = found.body();
            // Of what no client made only the version is known here, and it is none of a client's to change.
            if body.is_null() || body["spec"] == *spec {
                return None;
            }
            body["spec"] = spec.clone();
            let tell = note(&key, &found.uid, "ChangedByClient", "Alter", "changed as a Kafka client asked");
            (key.clone(), vec![Write::Replace { key, manager: manager::CLIENTS, body }, tell])
        }
        TopicChange::Delete { object } => {
            let key = Key::ours(Kind::Topic, object);
            // Without its finalizer the object would be gone before its data.
            let found = cache.get(&key).filter(|found| !found.is_deleted && finalizer::is_set(found))?;
            let delete = Write::Delete { key: key.clone(), uid: found.uid.clone(), keeps_children: false, is_forced: false };
            let tell = note(&key, &found.uid, "DeletedByClient", "Delete", "deleted with its data: a Kafka client asked for DeleteTopics");
            (key, vec![delete, tell])
        }
    };
    Some(Work { about, lane: Lane::Client, writes })
}

fn note(about: &Key, uid: &str, reason: &str, action: &'static str, message: &str) -> Write {
    Write::Tell(Note { about: about.clone(), uid: uid.into(), is_warning: false, reason: reason.into(), action, message: message.into() })
}
