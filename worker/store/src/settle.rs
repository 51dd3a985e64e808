//! Turning a lost answer into an honest one, by the write id kept with the object.

use crate::{Body, Key, ObjectStore, PutError, StoreError, Version, WriteId};

/// Whose object is under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The one that this write made: the put happened.
    Ours(Version),
    /// One that another write made. Where ours could have been replaced since (puts on a match), it may have been there.
    Theirs {
        /// Names the object that is there.
        current: Version,
        /// The write that made it, where it says.
        write_id: Option<WriteId>,
    },
    /// None. A put whose answer was lost may still arrive: only putting again decides.
    Absent,
}

/// How often the `_settled` puts try again before they give the lost answer back to their caller.
const ATTEMPTS: usize = 4;

/// Asks whose object is under `key`, after a put with `write_id` whose answer was lost or which lost to a write it may
/// have made itself.
///
/// # Errors
/// Where the store could not be asked.
pub fn settle<S: ObjectStore + ?Sized>(store: &S, key: &Key, write_id: WriteId) -> Result<Settled, StoreError> {
    Ok(match store.head(key)? {
        None => Settled::Absent,
        Some(head) if head.write_id == Some(write_id) => Settled::Ours(head.version),
        Some(head) => Settled::Theirs { current: head.version, write_id: head.write_id },
    })
}

/// [`put_if_absent`](ObjectStore::put_if_absent) that takes its own first attempt for success and asks again when an
/// answer is lost: at once and a few times, without a pause.
///
/// # Errors
/// [`PutError::Lost`] only to a rival, named where the store says. [`PutError::Unknown`] where the store never answered:
/// the put may still happen, and calling again with the same body and `write_id` is right.
pub fn put_if_absent_settled<S: ObjectStore + ?Sized>(store: &S, key: &Key, body: Body, write_id: WriteId) -> Result<Version, PutError> {
    settled(store, key, write_id, || store.put_if_absent(key, body.clone(), write_id))
}

/// [`put_if_match`](ObjectStore::put_if_match) that takes its own first attempt for success and asks again when an answer
/// is lost: at once and a few times, without a pause.
///
/// # Errors
/// [`PutError::Lost`] where the object now is a rival's; after a lost answer ours may have been there until the rival
/// replaced it. [`PutError::Unknown`] as in [`put_if_absent_settled`].
pub fn put_if_match_settled<S: ObjectStore + ?Sized>(
    store: &S,
    key: &Key,
    body: Body,
    expected: &Version,
    write_id: WriteId,
) -> Result<Version, PutError> {
    settled(store, key, write_id, || store.put_if_match(key, body.clone(), expected, write_id))
}

/// Puts until the answer says who won. Once an answer was lost, nothing but an answer about *this* write may say that it
/// did not happen: an error of the store then means that it is still unknown.
fn settled<S: ObjectStore + ?Sized>(
    store: &S,
    key: &Key,
    write_id: WriteId,
    put: impl Fn() -> Result<Version, PutError>,
) -> Result<Version, PutError> {
    let mut was_lost = false;
    for _ in 0..ATTEMPTS {
        match put() {
            Ok(version) => return Ok(version),
            Err(PutError::Lost { current, write_id: None }) => match settle(store, key, write_id) {
                Ok(Settled::Ours(version)) => return Ok(version),
                Ok(Settled::Theirs { current, write_id }) => return Err(PutError::Lost { current: Some(current), write_id }),
                Ok(Settled::Absent) => return Err(PutError::Lost { current, write_id: None }),
                Err(_) => was_lost = true,
            },
            Err(PutError::Lost { current: Some(version), write_id: Some(winner) }) if winner == write_id => return Ok(version),
            Err(PutError::Lost { current, write_id }) => return Err(PutError::Lost { current, write_id }),
            Err(PutError::Unknown) => was_lost = true,
            Err(PutError::Other(error)) if !was_lost => return Err(PutError::Other(error)),
            Err(PutError::Other(_)) => {}
        }
    }
    Err(PutError::Unknown)
}
