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
const RIVALS: usize = 4;

/// Races puts against each other under `folder` and looks whether exactly one wins each time, and whether it is the one whose
/// object is there. Leaves nothing behind, unless it fails. Costs about 60 requests.
///
/// # Errors
/// [`ProbeError::DoesNotArbitrate`] naming what does not hold; [`ProbeError::Store`] where the store could not be asked.
pub fn probe<S: ObjectStore + ?Sized>(store: &S, folder: &Key) -> Result<(), ProbeError> {
    let ids = WriteIds::random();
    for _ in 0..ROUNDS {
        let key = folder.join(ids.next()).map_err(|error| broken(format!("{error}")))?;
        let made = race(&ids, |body, id| store.put_if_absent(&key, body, id))?;
        let made = winner(store, &key, made, "put if absent")?;
        let replaced = race(&ids, |body, id| store.put_if_match(&key, body, &made, id))?;
        winner(store, &key, replaced, "put if match")?;
        match store.put_if_match(&key, Body::empty(), &made, ids.next()) {
            Err(PutError::Lost { .. } | PutError::Unknown) => {}
            Err(PutError::Other(error)) => return Err(error.into()),
            Ok(_) => return Err(broken("it replaced an object although another had replaced it before")),
        }
        store.delete(&key)?;
    }
    Ok(())
}

/// What each rival was told, beside the id it wrote under.
type Told = Vec<(WriteId, Result<Version, PutError>)>;

fn race(ids: &WriteIds, put: impl Fn(Body, WriteId) -> Result<Version, PutError> + Sync) -> Result<Told, StoreError> {
    let start = Barrier::new(RIVALS);
    let told: Told = std::thread::scope(|scope| {
        let rival = || {
            let id = ids.next();
            start.wait();
            (id, put(Body::from(id.to_string().into_bytes()), id))
        };
        let rivals: Vec<_> = (0..RIVALS).map(|_| scope.spawn(rival)).collect();
        rivals.into_iter().map(|rival| rival.join().expect("a rival does not panic")).collect()
    });
    let mut heard = Told::new();
    for (id, told) in told {
        match told {
            Err(PutError::Other(error)) => return Err(error),
            told => heard.push((id, told)),
        }
    }
    Ok(heard)
}

/// The version of the one that won; an answer that was lost may stand for a win.
fn winner<S: ObjectStore + ?Sized>(store: &S, key: &Key, told: Told, what: &str) -> Result<Version, ProbeError> {
    let object = store.get(key)?;
    let won = told.iter().filter(|(_, told)| told.is_ok()).count();
    let of_object = told.iter().find(|(id, _)| id.to_string().as_bytes() == object.bytes);
    match of_object {
        _ if won > 1 => Err(broken(format!("{won} of {RIVALS} rivals were told that their {what} had won"))),
        Some((_, Ok(version))) if *version != object.version => {
            Err(broken(format!("the version that a {what} gave is not the one that a read gives")))
        }
        Some((_, Ok(_) | Err(PutError::Unknown))) => Ok(object.version),
        Some(_) => Err(broken(format!("the object is of a rival who was told that its {what} had lost"))),
        None => Err(broken(format!("the object is of none of the rivals that raced to {what}"))),
    }
}

fn broken(broken: impl Into<String>) -> ProbeError {
    ProbeError::DoesNotArbitrate { broken: broken.into() }
}

#[cfg(test)]
mod tests;
