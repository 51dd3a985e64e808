//! Whether a store arbitrates: asked once, before anything is entrusted to it.
//!
//! Some stores that speak S3 accept a condition and ignore it, or check it and then write without a lock. Fencing is built
//! on nothing else, so such a store is refused by name.

use crate::{Body, Key, ObjectStore, PutError, StoreError, Version, WriteId, WriteIds};
use std::sync::Barrier;

/// Why a store is refused.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The store does not keep the promise that fencing is built on.
    #[error("the object store cannot be used: {broken}")]
    DoesNotArbitrate {
        /// The promise that it broke, in words.
        broken: String,
    },
    /// The store could not be asked; the question is open.
    #[error("probe the object store")]
    Store(#[from] StoreError),
}

/// How many races are run of each kind, and between how many.
const ROUNDS: usize = 4;
const RIVALS: usize = 6;
/// Bytes that a rival puts: enough for a store that checks before it has them all to be seen doing it.
const BODY_BYTES: usize = 32 * 1024;

/// Races puts against each other under `folder` and looks whether exactly one wins each time, and whether it is the one whose
/// object is there. Leaves nothing behind, unless the store does not answer. Costs about 120 requests.
///
/// # Errors
/// [`ProbeError::DoesNotArbitrate`] naming what does not hold; [`ProbeError::Store`] where the store could not be asked.
pub fn probe<S: ObjectStore + ?Sized>(store: &S, folder: &Key) -> Result<(), ProbeError> {
    let ids = WriteIds::random();
    for _ in 0..ROUNDS {
        let key = folder.join(ids.next()).map_err(|error| broken(format!("{error}")))?;
        let found = round(store, &key, &ids);
        let cleaned = store.delete(&key);
        found?;
        cleaned?;
    }
    Ok(())
}

fn round<S: ObjectStore + ?Sized>(store: &S, key: &Key, ids: &WriteIds) -> Result<(), ProbeError> {
    let made = race(ids, |body, id| store.put_if_absent(key, body, id))?;
    let made = winner(store, key, made, Race::Absent)?;
    let replaced = race(ids, |body, id| store.put_if_match(key, body, &made, id))?;
    winner(store, key, replaced, Race::Match(&made))?;
    match store.put_if_match(key, Body::empty(), &made, ids.next()) {
        Err(PutError::Lost { .. } | PutError::Unknown) => Ok(()),
        Err(PutError::Other(error)) => Err(refused(error)),
        Ok(_) => Err(broken("it replaced an object although another had replaced it before")),
    }
}

/// What rivals race to.
#[derive(Clone, Copy)]
enum Race<'a> {
    Absent,
    Match(&'a Version),
}

impl std::fmt::Display for Race<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Absent => "put if absent",
            Self::Match(_) => "put if match",
        })
    }
}

/// What each rival was told, beside the id it wrote under.
type Told = Vec<(WriteId, Result<Version, PutError>)>;

fn race(ids: &WriteIds, put: impl Fn(Body, WriteId) -> Result<Version, PutError> + Sync) -> Result<Told, ProbeError> {
    let start = Barrier::new(RIVALS);
    let told: Told = std::thread::scope(|scope| {
        let rival = || {
            let id = ids.next();
            start.wait();
            (id, put(body_of(id), id))
        };
        let rivals: Vec<_> = (0..RIVALS).map(|_| scope.spawn(rival)).collect();
        rivals.into_iter().map(|rival| rival.join().expect("a rival does not panic")).collect()
    });
    let mut heard = Told::new();
    for (id, told) in told {
        match told {
            Err(PutError::Other(error)) => return Err(refused(error)),
            told => heard.push((id, told)),
        }
    }
    Ok(heard)
}

fn body_of(id: WriteId) -> Body {
    let text = id.to_string();
    text.repeat(BODY_BYTES / text.len()).into_bytes().into()
}

/// The version of the one that won; an answer that was lost may stand for a win.
fn winner<S: ObjectStore + ?Sized>(store: &S, key: &Key, told: Told, race: Race<'_>) -> Result<Version, ProbeError> {
    let object = match store.get(key) {
        Err(StoreError::NotFound { .. }) => return Err(broken(format!("after a race to {race} there is no object"))),
        object => object?,
    };
    let won = told.iter().filter(|(_, told)| told.is_ok()).count();
    let of_object = told.iter().find(|(id, _)| body_of(*id).to_bytes() == object.bytes);
    let all_lost = told.iter().all(|(_, told)| matches!(told, Err(PutError::Lost { .. })));
    match (of_object, race) {
        _ if won > 1 => Err(broken(format!("{won} of {RIVALS} rivals were told that their {race} had won"))),
        (None, Race::Match(expected)) if all_lost && object.version == *expected => {
            Err(broken("it refuses every put if match, also one that names the version that is there"))
        }
        (Some((_, Ok(version))), _) if *version != object.version => {
            Err(broken(format!("the version that a {race} gave is not the one that a read gives")))
        }
        (Some((id, Ok(_) | Err(PutError::Unknown))), _) => match store.head(key)? {
            Some(head) if head.write_id == Some(*id) => Ok(object.version),
            _ => Err(broken("it does not keep the metadata of an object, which tells a writer its own first attempt from a rival's")),
        },
        (Some(_), _) => Err(broken(format!("the object is of a rival who was told that its {race} had lost"))),
        (None, _) => Err(broken(format!("the object is of none of the rivals that raced to {race}"))),
    }
}

/// A store that says that it does not know conditional writes has answered the question.
fn refused(error: StoreError) -> ProbeError {
    match error {
        StoreError::Unsupported { reason } => broken(format!("it does not know conditional writes: {reason}")),
        error => error.into(),
    }
}

fn broken(broken: impl Into<String>) -> ProbeError {
    ProbeError::DoesNotArbitrate { broken: broken.into() }
}

#[cfg(test)]
mod tests;
