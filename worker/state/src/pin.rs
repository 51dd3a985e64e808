//! Pins: what a snapshot or a new version holds on to, so that no collector removes it.

use crate::{
    Manifest, ManifestRef, ReadError, StateNames,
    collect::{NameList, read_lists},
};
use std::collections::BTreeSet;
use store::{InvalidKey, Key, ObjectStore, PutError, StoreError, WriteId, put_if_absent_settled};

/// Something could not be pinned.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// An object is gone, or about to be: the manifest that names it has been replaced long ago. Take the current one.
    #[error("state object {object} is no longer kept; pin the current manifests instead")]
    Gone {
        /// The object.
        object: Key,
    },
    /// Somebody else has a pin of this name.
    #[error("there is a pin {pin} already")]
    Taken {
        /// The pin's key.
        pin: Key,
    },
    /// The name cannot be a pin's.
    #[error(transparent)]
    Name(#[from] InvalidKey),
    /// The store could not be asked. The pin may be there, and protects nothing that can be relied on.
    #[error("read what is kept")]
    Read(#[from] ReadError),
    /// The pin could not be put.
    #[error("put a pin")]
    Put(#[source] PutError),
}

/// A pin being set, step by step.
#[derive(Debug)]
pub(crate) struct PinJob {
    names: StateNames,
    pin: Key,
    id: WriteId,
    objects: BTreeSet<Key>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Put,
    ReadCondemned,
    Look(Vec<Key>),
}

/// Protects everything that these manifests need from being collected, under a name: the manifests are complete for as long
/// as the pin stands. The `id` is the caller's for this pin: a caller that lost its memory calls again with the same one.
///
/// # Errors
/// [`PinError`], after which the pin protects nothing.
pub fn pin<'a, S: ObjectStore + ?Sized>(
    store: &S,
    names: &StateNames,
    name: &str,
    id: WriteId,
    manifests: impl IntoIterator<Item = (&'a ManifestRef, &'a Manifest)>,
) -> Result<(), PinError> {
    let mut job = PinJob::new(names, name, id, manifests)?;
    while !job.step(store)? {}
    Ok(())
}

/// Gives up the pin of this name; fine where there is none.
///
/// # Errors
/// Where the store could not be asked; asking again is safe.
pub fn unpin<S: ObjectStore + ?Sized>(store: &S, names: &StateNames, name: &str) -> Result<(), PinError> {
    Ok(store.delete(&names.pin(name)?).map_err(ReadError::from)?)
}

impl PinJob {
    pub(crate) fn new<'a>(
        names: &StateNames,
        name: &str,
        id: WriteId,
        manifests: impl IntoIterator<Item = (&'a ManifestRef, &'a Manifest)>,
    ) -> Result<Self, PinError> {
        let of = |(at, manifest): (&'a ManifestRef, &'a Manifest)| std::iter::once(&at.object).chain(manifest.objects()).cloned();
        let objects = manifests.into_iter().flat_map(of).collect();
        Ok(Self { names: names.clone(), pin: names.pin(name)?, id, objects, stage: Stage::Put })
    }

    /// Does one step; true when the pin stands.
    pub(crate) fn step<S: ObjectStore + ?Sized>(&mut self, store: &S) -> Result<bool, PinError> {
        match &mut self.stage {
            Stage::Put => {
                match put_if_absent_settled(store, &self.pin, NameList::of(&self.objects).encode(), self.id) {
                    Ok(_) => self.stage = Stage::ReadCondemned,
                    Err(PutError::Lost { .. }) => return Err(PinError::Taken { pin: self.pin.clone() }),
                    Err(other) => return Err(PinError::Put(other)),
                }
                Ok(false)
            }
            Stage::ReadCondemned => {
                let condemned: BTreeSet<Key> =
                    read_lists(store, &self.names.all_condemned())?.into_iter().flat_map(|(_, names)| names).collect();
                if let Some(object) = self.objects.intersection(&condemned).next().cloned() {
                    return self.give_up(store, object);
                }
                self.stage = Stage::Look(self.objects.iter().cloned().collect());
                Ok(false)
            }
            Stage::Look(unseen) => {
                let Some(object) = unseen.pop() else { return Ok(true) };
                match store.head(&object).map_err(ReadError::from)? {
                    Some(_) => Ok(false),
                    None => self.give_up(store, object),
                }
            }
        }
    }

    fn give_up<S: ObjectStore + ?Sized>(&self, store: &S, object: Key) -> Result<bool, PinError> {
        match store.delete(&self.pin) {
            // A pin that stays keeps an object too long, and nothing else.
            Ok(()) | Err(StoreError::NotFound { .. }) => Err(PinError::Gone { object }),
            Err(error) => Err(PinError::Read(error.into())),
        }
    }
}

#[cfg(test)]
mod tests;
