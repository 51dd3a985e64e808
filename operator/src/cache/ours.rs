//! Objects of our kinds, read into the resolver's world one by one: what cannot be read is remembered as there, and left alone.

use crds::{Kind, conditions};
use desired::{Status, World};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::HashMap;

use super::Cache;
use crate::resource::{Key, Resource};

/// Where each object of ours is in the world.
#[derive(Debug, Default)]
pub(super) struct Positions(HashMap<Key, usize>);

impl Positions {
    /// Reads an object that is new or changed.
    pub(super) fn read(&mut self, world: &mut World, kind: Kind, key: &Key, body: Value) {
        let reads = match kind {
            Kind::Cluster => place(&mut world.clusters, &mut self.0, key, body),
            Kind::Topic => place(&mut world.topics, &mut self.0, key, body),
            Kind::RetentionPolicy => place(&mut world.policies, &mut self.0, key, body),
            Kind::Pipeline => place(&mut world.pipelines, &mut self.0, key, body),
        };
        self.arrange(world, kind, key);
        let name = (kind, key.object());
        match reads {
            Ok(()) => drop(world.unreadable.remove(&name)),
            Err(error) => {
                tracing::warn!("{key} cannot be read and is left alone: {error}");
                self.displace(world, kind, key);
                world.unreadable.insert(name);
            }
        }
    }

    /// An object is gone.
    pub(super) fn forget(&mut self, world: &mut World, kind: Kind, key: &Key) {
        self.displace(world, kind, key);
        world.unreadable.remove(&(kind, key.object()));
    }

    /// Lists that the server keeps in the order of their writers, in one order, so that they can be compared.
    fn arrange(&self, world: &mut World, kind: Kind, key: &Key) {
        let Some(position) = self.0.get(key).copied() else { return };
        let conditions = match kind {
            Kind::Cluster => world.clusters[position].status.as_mut().map(|status| {
                status.listeners.sort_by(|left, right| left.name.cmp(&right.name));
                status.brokers.sort_by_key(|broker| broker.id);
                &mut status.conditions
            }),
            Kind::Topic => world.topics[position].status.as_mut().map(|status| &mut status.conditions),
            Kind::RetentionPolicy => world.policies[position].status.as_mut().map(|status| &mut status.conditions),
            Kind::Pipeline => world.pipelines[position].status.as_mut().map(|status| &mut status.conditions),
        };
        if let Some(conditions) = conditions {
            conditions::arrange(conditions);
        }
    }

    fn displace(&mut self, world: &mut World, kind: Kind, key: &Key) {
        let Some(position) = self.0.remove(key) else { return };
        let moved = match kind {
            Kind::Cluster => take_out(&mut world.clusters, position, kind),
            Kind::Topic => take_out(&mut world.topics, position, kind),
            Kind::RetentionPolicy => take_out(&mut world.policies, position, kind),
            Kind::Pipeline => take_out(&mut world.pipelines, position, kind),
        };
        if let Some(moved) = moved {
            self.0.insert(moved, position);
        }
    }
}

impl Cache {
    /// Where an object of ours is in the world.
    #[must_use]
    pub fn position(&self, key: &Key) -> Option<usize> {
        self.positions.0.get(key).copied()
    }

    /// Whether the object says already what is reported of it.
    #[must_use]
    pub fn says(&self, key: &Key, status: &Status) -> bool {
        let Some(position) = self.position(key) else { return false };
        match status {
            Status::Cluster(status) => self.world.clusters[position].status.as_ref() == Some(status),
            Status::Topic(status) => self.world.topics[position].status.as_ref() == Some(status),
            Status::RetentionPolicy(status) => self.world.policies[position].status.as_ref() == Some(status),
            Status::Pipeline(status) => self.world.pipelines[position].status.as_ref() == Some(status),
        }
    }

    /// What an object of ours says of itself.
    #[must_use]
    pub fn status(&self, key: &Key) -> Option<Status> {
        let position = self.position(key)?;
        Some(match key.resource.ours()? {
            Kind::Cluster => Status::Cluster(self.world.clusters[position].status.clone().unwrap_or_default()),
            Kind::Topic => Status::Topic(self.world.topics[position].status.clone().unwrap_or_default()),
            Kind::RetentionPolicy => Status::RetentionPolicy(self.world.policies[position].status.clone().unwrap_or_default()),
            Kind::Pipeline => Status::Pipeline(self.world.pipelines[position].status.clone().unwrap_or_default()),
        })
    }
}

fn place<K: DeserializeOwned>(
    list: &mut Vec<K>,
    positions: &mut HashMap<Key, usize>,
    key: &Key,
    body: Value,
) -> Result<(), serde_json::Error> {
    let object: K = serde_json::from_value(body)?;
    match positions.get(key) {
        Some(position) => list[*position] = object,
        None => {
            positions.insert(key.clone(), list.len());
            if list.len() == list.capacity() {
                // A Topic is a kilobyte: twice as many places as there are Topics would be megabytes.
                list.reserve_exact(list.len() / 8 + 16);
            }
            list.push(object);
        }
    }
    Ok(())
}

/// Takes one out, the last takes its place; gives the key of the one that moved.
fn take_out<K: kube::ResourceExt>(list: &mut Vec<K>, position: usize, kind: Kind) -> Option<Key> {
    list.swap_remove(position);
    list.get(position).map(|moved| Key::new(Resource::of_kind(kind), moved.namespace().unwrap_or_default(), moved.name_any()))
}
