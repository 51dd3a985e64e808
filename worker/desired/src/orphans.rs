//! Topics whose owner is no longer there.
//!
//! A Topic with `deletionPolicy: Retain` has no finalizer: its object is gone before anybody could act. A Pipeline's finalizer goes also
//! where the broker is away. So what nobody owns any more is found by looking, never by remembering: data of users is kept, a Pipeline's
//! insides are deleted. An owner that cannot be read, or that lives in a namespace that is not looked at, counts as there.

use control::{ActualTopic, ObjectRef, Owner, OwnerKind, Release, ReleasedTopic};
use crds::Kind;
use std::collections::BTreeMap;

use crate::{World, names, report::object_ref};

/// Every object that may own topics, with what tells its topics from those of a former object of its name.
pub(crate) struct Owners<'a> {
    world: &'a World,
    /// The Cluster and the Kafka name that each Topic means, whether it may or not.
    topics: BTreeMap<ObjectRef, (ObjectRef, String)>,
    /// The `metadata.uid` of each Pipeline.
    pipelines: BTreeMap<ObjectRef, &'a str>,
}

impl<'a> Owners<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        let topics = world.topics.iter().map(|topic| {
            let object = object_ref(&topic.metadata);
            let reference = &topic.spec.cluster_ref;
            let namespace = reference.namespace.clone().unwrap_or_else(|| object.namespace.clone());
            let name = topic.spec.topic_name.clone().unwrap_or_else(|| object.name.clone());
            (object, (ObjectRef { namespace, name: reference.name.clone() }, name))
        });
        let pipelines = world.pipelines.iter();
        let pipelines = pipelines.map(|pipeline| (object_ref(&pipeline.metadata), pipeline.metadata.uid.as_deref().unwrap_or_default()));
        Self { world, topics: topics.collect(), pipelines: pipelines.collect() }
    }

    /// How the broker is to let go of a topic; `None` where its owner is there, or it has none.
    pub(crate) fn release(&self, cluster: &ObjectRef, topic: &ActualTopic) -> Option<ReleasedTopic> {
        let owner = topic.owner.as_ref().filter(|owner| self.is_gone(cluster, topic, owner))?;
        let release = if owner.kind == OwnerKind::Pipeline && topic.internal { Release::Delete } else { Release::Retain };
        Some(ReleasedTopic { name: topic.name.clone(), topic_id: topic.topic_id, release })
    }

    fn is_gone(&self, cluster: &ObjectRef, topic: &ActualTopic, owner: &Owner) -> bool {
        let object = &owner.object;
        let kind = match owner.kind {
            OwnerKind::Topic => Kind::Topic,
            OwnerKind::Pipeline => Kind::Pipeline,
        };
        let is_seen = self.world.watched.as_ref().is_none_or(|watched| watched.contains(&object.namespace));
        if !is_seen || self.world.unreadable.contains(&(kind, object.clone())) {
            return false;
        }
        match owner.kind {
            OwnerKind::Topic => !self.topics.get(object).is_some_and(|(on, name)| on == cluster && name == topic.name.as_str()),
            OwnerKind::Pipeline => {
                !self.pipelines.get(object).is_some_and(|uid| !topic.internal || names::is_of_uid(topic.name.as_str(), object, uid))
            }
        }
    }
}
