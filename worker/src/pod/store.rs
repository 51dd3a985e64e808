//! The object store of a configuration.

use std::{path::Path, sync::Arc};

use anyhow::Context;
use store::{FolderStore, ObjectStore, S3Config, S3Credentials, S3Store};

use super::{
    config::{S3Section, StoreSection},
    no_store::NoStore,
};

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
            let opened = S3Store::open(bucket(s3)).with_context(|| format!("objectStore.s3 (bucket {})", s3.bucket))?;
            tracing::info!(bucket = opened.place(), "cold data goes to an object store");
            Ok(Arc::new(opened))
        }
        Some(_) => anyhow::bail!("objectStore has one kind: s3, or folder"),
    }
}

/// A section that names no credentials leaves it to the pod's own identity.
fn bucket(section: &S3Section) -> S3Config {
    S3Config {
        prefix: section.prefix.clone().unwrap_or_default(),
        region: section.region.clone(),
        endpoint: section.endpoint.clone(),
        force_path_style: section.force_path_style,
        credentials: section.credentials_dir.clone().map_or(S3Credentials::Chain, S3Credentials::Folder),
        ..S3Config::of_bucket(&section.bucket)
    }
}
