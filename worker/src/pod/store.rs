//! The object store of a configuration.

use std::{path::Path, sync::Arc};

use anyhow::Context;
use store::{FolderStore, ObjectStore};

use super::{config::StoreSection, no_store::NoStore};

/// Opens the store of `section`. Without one: `folder` stands for it; without that, there is none, and whoever needs one is told.
///
/// # Errors
/// Where it cannot be opened, or the section names not exactly one kind.
pub(crate) fn open_store(section: Option<&StoreSection>, folder: Option<&Path>) -> anyhow::Result<Arc<dyn ObjectStore>> {
    let in_folder = |folder: &Path| FolderStore::open(folder).with_context(|| format!("open the object store in {}", folder.display()));
    match section {
        None => match folder {
            Some(folder) => Ok(Arc::new(in_folder(folder)?)),
            None => Ok(Arc::new(NoStore)),
        },
        Some(StoreSection { s3: None, folder: Some(folder) }) => Ok(Arc::new(in_folder(folder)?)),
        Some(StoreSection { s3: Some(s3), folder: None }) => {
            anyhow::bail!("objectStore.s3 (bucket {}): this build has no S3", s3.bucket)
        }
        Some(_) => anyhow::bail!("objectStore has one kind: s3, or folder"),
    }
}
