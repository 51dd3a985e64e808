//! Files of the object store as a folder of the pod: what `'connector' = 'filesystem'` reads in a cluster.
//!
//! `<prefix>/files/<namespace>/a/b.csv`, put there by any S3 client, is `a/b.csv` below the folder, whole: a file is written beside its name and
//! renamed when it is there. Only a pipeline whose query names the connector looks, now and then, for files that are new or have another size.
//! What is gone from the store stays in the folder until the pod ends: a reader may be in the middle of it.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use control::DesiredPipeline;
use store::{InvalidKey, Key, Listed, ObjectStore, Prefix, StoreError};

/// How often the store is asked.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Files listed at once, and bytes read at once.
const LISTED_MAX: usize = 1000;
const CHUNK_BYTES: u64 = 8 << 20;

/// Why files are not there yet.
#[derive(Debug, thiserror::Error)]
pub(super) enum FilesError {
    #[error("the files of the object store: {0}")]
    Store(#[from] StoreError),
    #[error("write {}: {source}", path.display())]
    Disk { path: PathBuf, source: io::Error },
}

/// A folder that follows the store.
#[derive(Clone)]
pub(super) struct Files {
    store: Arc<dyn ObjectStore>,
    prefix: Prefix,
    folder: PathBuf,
}

impl Files {
    /// The files of `namespace`, below `folder`, which is made when there are any.
    ///
    /// # Errors
    /// Where the namespace has no possible key.
    pub(super) fn new(store: Arc<dyn ObjectStore>, namespace: &str, folder: PathBuf) -> Result<Self, InvalidKey> {
        Ok(Self { store, prefix: Prefix::folder(&Key::new(format!("files/{namespace}"))?), folder })
    }

    /// Where they are.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Brings what is missing. Blocks.
    ///
    /// # Errors
    /// [`FilesError`]; what is whole by then is there.
    pub(super) fn bring(&self) -> Result<(), FilesError> {
        let mut after: Option<Key> = None;
        loop {
            let listed = self.store.list(&self.prefix, after.as_ref(), LISTED_MAX)?;
            for file in &listed {
                self.bring_one(file)?;
            }
            match listed.last() {
                Some(last) if listed.len() == LISTED_MAX => after = Some(last.key.clone()),
                _ => return Ok(()),
            }
        }
    }

    fn bring_one(&self, file: &Listed) -> Result<(), FilesError> {
        // A key has no segment that leads out of a folder.
        let path = self.folder.join(file.key.as_str().strip_prefix(self.prefix.as_str()).expect("it was listed under the prefix"));
        if fs::metadata(&path).is_ok_and(|there| there.len() == file.size) {
            return Ok(());
        }
        let failed = |source| FilesError::Disk { path: path.clone(), source };
        let folder = path.parent().expect("a file lies in a folder");
        fs::create_dir_all(folder).map_err(failed)?;
        let beside = folder.join(format!(".{}.part", file.key.name()));
        let mut part = fs::File::create(&beside).map_err(failed)?;
        let mut from = 0;
        while from < file.size {
            let to = file.size.min(from + CHUNK_BYTES);
            part.write_all(&self.store.get_range(&file.key, from..to)?).map_err(failed)?;
            from = to;
        }
        fs::rename(&beside, &path).map_err(failed)?;
        tracing::info!(file = %file.key, bytes = file.size, "a file of the object store is here");
        Ok(())
    }

    /// Follows the store for as long as the process lives, while `desired` says that files are read.
    pub(super) async fn follow(self, desired: impl Fn() -> DesiredPipeline) {
        let mut said = None;
        loop {
            if reads_files(&desired()) {
                let files = self.clone();
                let brought = tokio::task::spawn_blocking(move || files.bring()).await;
                let problem = brought.ok().and_then(Result::err).map(|error| error.to_string());
                if problem.is_some() && problem != said {
                    tracing::warn!("{}", problem.as_deref().unwrap_or_default());
                }
                said = problem;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Whether the query may name the connector.
pub(super) fn reads_files(desired: &DesiredPipeline) -> bool {
    desired.query.to_ascii_lowercase().contains("filesystem")
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::{Body, MemoryStore, WriteIds};

    #[test]
    fn files_come_whole_and_again_when_they_change() {
        let (store, ids) = (Arc::new(MemoryStore::new()), WriteIds::of(1));
        let put = |key: &str, text: &'static str| {
            let key = Key::new(key).unwrap();
            store.delete(&key).unwrap();
            store.put_if_absent(&key, Body::from(bytes::Bytes::from_static(text.as_bytes())), ids.next()).unwrap();
        };
        put("files/shop/a.csv", "1\n");
        put("files/shop/deep/b.csv", "2\n");
        put("files/other/c.csv", "3\n");
        let home = tempfile::tempdir().unwrap();
        let files = Files::new(store.clone(), "shop", home.path().join("files")).unwrap();
        files.bring().unwrap();
        let text = |name: &str| fs::read_to_string(files.folder().join(name)).ok();
        assert_eq!((text("a.csv").as_deref(), text("deep/b.csv").as_deref(), text("c.csv")), (Some("1\n"), Some("2\n"), None));
        put("files/shop/a.csv", "1\n11\n");
        files.bring().unwrap();
        assert_eq!(text("a.csv").as_deref(), Some("1\n11\n"));
        assert_eq!(fs::read_dir(files.folder()).unwrap().count(), 2, "nothing half is left");
        assert!(Files::new(store, "../other", home.path().into()).is_err());
    }
}
