//! What the API server has, as far as it was told: one owner, no locks.
//!
//! Every object comes by a watch, or as the answer to a write of ours, whichever is first; the one with the greater `resourceVersion` counts,
//! so that an event that was under way when we wrote never takes the write back. Objects of our kinds are read into [`World`], one by one
//! (`ours.rs`); of what is read again the text is kept.

mod facts;
mod listing;
mod ours;

pub use facts::{NamespaceFact, NodeFact, PodFact};

use control::ObjectRef;
use crds::Kind;
use desired::{MADE_BY, Place, World};
use kube::core::DynamicObject;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{
    object::{Object, PRODUCT},
    resource::{Key, Resource},
};
use listing::Listing;
use ours::Positions;

/// Which watch something was seen by: a resource in one namespace, or in all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stream {
    /// What is watched.
    pub resource: Resource,
    /// Where; empty: everywhere.
    pub namespace: String,
    /// Which part of it, where there are several watches of one resource: `managed` (by our label), `unmanaged`, `product`, or one name.
    pub part: &'static str,
}

/// What a watch says.
#[derive(Debug)]
pub enum Seen {
    /// It lists anew.
    Init,
    /// Part of the list.
    Listed(Box<DynamicObject>),
    /// The list is whole.
    Done,
    /// There is an object, new or changed.
    Applied(Box<DynamicObject>),
    /// An object went.
    Deleted(Box<DynamicObject>),
    /// It may not watch, or there is no such resource: said in a sentence, and tried again.
    Refused(String),
}

/// Everything that was seen.
pub struct Cache {
    /// Our kinds, as the resolver takes them.
    pub world: World,
    positions: Positions,
    objects: BTreeMap<Key, Object>,
    by_owner: HashMap<String, BTreeSet<Key>>,
    pods: BTreeMap<Key, PodFact>,
    nodes: BTreeMap<String, NodeFact>,
    namespaces: BTreeMap<String, NamespaceFact>,
    /// Versions at which objects went, so that a late answer does not bring one back.
    gone: HashMap<Key, u64>,
    listings: BTreeMap<Stream, Listing>,
    refused: BTreeMap<Stream, String>,
}

/// Tombstones kept; above, all are forgotten: an answer is seconds late at most.
const GONE_MAX: usize = 50_000;

impl Cache {
    /// Nothing seen yet, where these watches will speak.
    #[must_use]
    pub fn new(streams: impl IntoIterator<Item = Stream>) -> Self {
        Self {
            world: World::empty(Place::Kubernetes),
            positions: Positions::default(),
            objects: BTreeMap::new(),
            by_owner: HashMap::new(),
            pods: BTreeMap::new(),
            nodes: BTreeMap::new(),
            namespaces: BTreeMap::new(),
            gone: HashMap::new(),
            listings: streams.into_iter().map(|stream| (stream, Listing::default())).collect(),
            refused: BTreeMap::new(),
        }
    }

    /// Whether every watch has listed once: before that, what is not there may only not have been seen.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.listings.values().all(Listing::was_whole)
    }

    /// Watches that have not listed yet.
    pub fn missing(&self) -> impl Iterator<Item = &Stream> {
        self.listings.iter().filter(|(_, listing)| !listing.was_whole()).map(|(stream, _)| stream)
    }

    /// Watches that the API server refuses, and why. Without one of them nothing is known to be gone, so nothing is decided.
    pub fn refused(&self) -> impl Iterator<Item = &String> {
        self.refused.values()
    }

    /// Takes over what a watch says.
    pub fn see(&mut self, stream: &Stream, seen: Seen) {
        // It begins a list also before it is refused: only what comes of it says that it may.
        if !matches!(seen, Seen::Init) {
            self.refused.remove(stream);
        }
        match seen {
            Seen::Refused(why) => drop(self.refused.insert(stream.clone(), why)),
            Seen::Init => self.listing(stream).begin(),
            Seen::Listed(object) => {
                if let Some(object) = self.take(stream.resource, *object) {
                    self.listing(stream).add(object);
                }
            }
            Seen::Done => {
                let Some((listed, newest)) = self.listing(stream).end() else { return };
                let is_here = |key: &Key| stream.namespace.is_empty() || key.namespace == stream.namespace;
                let first = Key::new(stream.resource, String::new(), String::new());
                let left = self.objects.range(first..).take_while(|(key, _)| key.resource == stream.resource);
                // One that is newer than the list was made since.
                let left = left.filter(|(key, object)| is_here(key) && !listed.contains(*key) && object.version <= newest);
                let left: Vec<Key> = left.filter(|(_, object)| observes(stream, object)).map(|(key, _)| key.clone()).collect();
                left.iter().for_each(|key| self.remove(key));
            }
            Seen::Applied(object) => drop(self.take(stream.resource, *object)),
            Seen::Deleted(object) => {
                if let Some(object) = Object::new(stream.resource, *object) {
                    self.went(&object.key, object.version);
                }
            }
        }
    }

    fn listing(&mut self, stream: &Stream) -> &mut Listing {
        self.listings.entry(stream.clone()).or_default()
    }

    /// Takes over the answer to a write.
    pub fn wrote(&mut self, key: &Key, answer: Value) {
        if let Ok(object) = serde_json::from_value::<DynamicObject>(answer) {
            self.take(key.resource, object);
        }
    }

    /// An object is gone, as of a version; 0: it was not found.
    pub fn went(&mut self, key: &Key, version: u64) {
        let known = self.objects.get(key).map_or(0, |object| object.version);
        if version == 0 || version >= known {
            self.remove(key);
        }
        if self.gone.len() >= GONE_MAX {
            self.gone.clear();
        }
        let at = self.gone.entry(key.clone()).or_default();
        *at = (*at).max(version);
    }

    fn take(&mut self, resource: Resource, object: DynamicObject) -> Option<(Key, u64)> {
        let version = Object::version_of(&object);
        let key = Key::new(resource, object.metadata.namespace.clone().unwrap_or_default(), object.metadata.name.clone()?);
        // Most events tell of what the answer to a write has told before: asked first, since reading an object costs.
        let is_old = self.objects.get(&key).is_some_and(|known| known.version >= version);
        let was_gone = self.gone.get(&key).is_some_and(|gone| *gone >= version);
        if !is_old && !was_gone {
            self.gone.remove(&key);
            self.put(Object::new(resource, object)?);
        }
        Some((key, version))
    }

    fn put(&mut self, mut object: Object) {
        let key = object.key.clone();
        self.unlink(&key);
        if let Some(owner) = &object.owner {
            self.by_owner.entry(owner.clone()).or_default().insert(key.clone());
        }
        match key.resource {
            Resource::Pod => drop(self.pods.insert(key.clone(), PodFact::read(&object))),
            Resource::Node => drop(self.nodes.insert(key.name.clone(), NodeFact::read(&object))),
            Resource::Namespace => {
                self.world.namespaces.insert(key.name.clone(), object.labels.clone());
                self.namespaces.insert(key.name.clone(), NamespaceFact::read(&object));
            }
            _ => {}
        }
        if let Some(kind) = key.resource.ours() {
            self.positions.read(&mut self.world, kind, &key, object.body());
        }
        if is_read_once(&object) {
            object.forget_text();
        }
        self.objects.insert(key, object);
    }

    fn unlink(&mut self, key: &Key) {
        let Some(owner) = self.objects.get(key).and_then(|object| object.owner.clone()) else { return };
        if let Some(owned) = self.by_owner.get_mut(&owner) {
            owned.remove(key);
            if owned.is_empty() {
                self.by_owner.remove(&owner);
            }
        }
    }

    fn remove(&mut self, key: &Key) {
        self.unlink(key);
        self.objects.remove(key);
        match key.resource {
            Resource::Pod => drop(self.pods.remove(key)),
            Resource::Node => drop(self.nodes.remove(&key.name)),
            Resource::Namespace => {
                self.world.namespaces.remove(&key.name);
                self.namespaces.remove(&key.name);
            }
            _ => {}
        }
        if let Some(kind) = key.resource.ours() {
            self.positions.forget(&mut self.world, kind, key);
        }
    }

    /// An object, as it was seen last.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&Object> {
        self.objects.get(key)
    }

    /// Every object that another one controls.
    pub fn owned<'a>(&'a self, uid: &str) -> impl Iterator<Item = &'a Object> {
        self.by_owner.get(uid).into_iter().flatten().filter_map(|key| self.objects.get(key))
    }

    /// Every object of a resource.
    pub fn all(&self, resource: Resource) -> impl Iterator<Item = &Object> {
        let first = Key::new(resource, String::new(), String::new());
        self.objects.range(first..).take_while(move |(key, _)| key.resource == resource).map(|(_, object)| object)
    }

    /// Every pod of ours.
    pub fn pods(&self) -> impl Iterator<Item = (&Key, &PodFact)> {
        self.pods.iter()
    }

    /// A node, where nodes are looked at.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&NodeFact> {
        self.nodes.get(name)
    }

    /// Every node.
    pub fn nodes(&self) -> impl Iterator<Item = (&String, &NodeFact)> {
        self.nodes.iter()
    }

    /// Whether a namespace is on its way out: nothing can be made there any more.
    #[must_use]
    pub fn is_terminating(&self, namespace: &str) -> bool {
        self.namespaces.get(namespace).is_some_and(|fact| fact.is_terminating)
    }

    /// Objects, and the bytes that their texts take.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.objects.len(), self.objects.values().map(Object::bytes).sum())
    }

    /// The object of ours behind a name.
    #[must_use]
    pub fn uid(&self, kind: Kind, object: &ObjectRef) -> Option<&str> {
        self.get(&Key::ours(kind, object)).map(|found| found.uid.as_str())
    }
}

/// Whether nothing asks for an object's text once it was read here: ten thousand Topics are kept once, not twice. What a Kafka client asked for
/// is put back as a whole when it is changed, so that text stays.
fn is_read_once(object: &Object) -> bool {
    match object.key.resource {
        Resource::Pod | Resource::Node | Resource::Namespace | Resource::Cluster | Resource::RetentionPolicy | Resource::Pipeline => true,
        Resource::Topic => !object.labels.contains_key(MADE_BY.0),
        _ => false,
    }
}

/// Whether an object would be in the list of this watch.
fn observes(stream: &Stream, object: &Object) -> bool {
    match stream.part {
        "managed" => is_managed(object),
        "unmanaged" => !is_managed(object),
        "product" => object.labels.get(PRODUCT.0).is_some_and(|value| value == PRODUCT.1),
        "" => true,
        name => object.key.name == name,
    }
}

fn is_managed(object: &Object) -> bool {
    object.labels.get(crate::object::MANAGED_BY.0).is_some_and(|value| value == crate::object::MANAGED_BY.1)
}

#[cfg(test)]
mod tests;
