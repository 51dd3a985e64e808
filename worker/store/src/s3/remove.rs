//! Deletions: one object, many at once, and uploads that nobody completed.

use super::{bucket::Bucket, multipart, stream::Progress, trouble::Trouble};
use crate::{Key, StoreError};
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Most keys in one request.
const KEYS_MAX: usize = 1000;

/// Removes the object.
pub(super) async fn delete(bucket: Arc<Bucket>, key: Key) -> Result<(), StoreError> {
    let full = bucket.full(key.as_str());
    let _place = bucket.writes.enter(1).await;
    bucket.persist(|| delete_once(&bucket, &full)).await.map_err(|trouble| bucket.error(trouble, key.as_str()))
}

pub(super) async fn delete_once(bucket: &Bucket, full: &str) -> Result<(), Trouble> {
    let request = bucket.client.delete_object().bucket(&bucket.config.bucket).key(full).send();
    match bucket.send("DeleteObject", &Progress::default(), request).await {
        Ok(_) => Ok(()),
        Err(trouble) if trouble.kind == super::trouble::Kind::Absent => Ok(()),
        Err(trouble) => Err(trouble),
    }
}

/// Removes the objects, a thousand in a request.
pub(super) async fn delete_all(bucket: Arc<Bucket>, keys: Vec<Key>) -> Result<(), StoreError> {
    for keys in keys.chunks(KEYS_MAX) {
        let _place = bucket.writes.enter(1).await;
        let batch = keys.iter().map(|key| bucket.full(key.as_str())).collect::<Vec<_>>();
        let told = bucket.persist(|| delete_batch(&bucket, &batch)).await;
        told.map_err(|trouble| bucket.error(trouble, keys[0].as_str()))?;
    }
    Ok(())
}

async fn delete_batch(bucket: &Bucket, batch: &[String]) -> Result<(), Trouble> {
    const DELETE: &str = "DeleteObjects";
    let identified = batch.iter().map(|full| ObjectIdentifier::builder().key(full).build());
    let objects = identified.collect::<Result<Vec<_>, _>>().map_err(|error| Trouble::strange(DELETE, &error.to_string()))?;
    let delete = Delete::builder().set_objects(Some(objects)).quiet(true).build();
    let delete = delete.map_err(|error| Trouble::strange(DELETE, &error.to_string()))?;
    let request = bucket.client.delete_objects().bucket(&bucket.config.bucket).delete(delete).send();
    let answer = bucket.send(DELETE, &Progress::default(), request).await?;
    match answer.errors().iter().find(|error| error.code() != Some("NoSuchKey")) {
        None => Ok(()),
        Some(error) => Err(Trouble::of_one_in_many(DELETE, error.code().unwrap_or_default(), error.key().unwrap_or_default())),
    }
}

/// Aborts uploads under the prefix that were begun longer ago than `age`; says how many.
pub(super) async fn abort_stale_uploads(bucket: Arc<Bucket>, age: Duration) -> Result<usize, StoreError> {
    let prefix = bucket.full("");
    let _place = bucket.writes.enter(1).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (mut aborted, mut after) = (0, None::<(String, Option<String>)>);
    loop {
        let attempt = || async {
            let request = bucket.client.list_multipart_uploads().bucket(&bucket.config.bucket).prefix(&prefix);
            let request = match &after {
                Some((key, id)) => request.key_marker(key).set_upload_id_marker(id.clone()),
                None => request,
            };
            bucket.send("ListMultipartUploads", &Progress::default(), request.send()).await
        };
        let page = bucket.persist(attempt).await.map_err(|trouble| bucket.error(trouble, ""))?;
        for upload in page.uploads() {
            let begun = upload.initiated().and_then(|time| u64::try_from(time.secs()).ok()).map(Duration::from_secs);
            let is_stale = begun.is_some_and(|begun| now.saturating_sub(begun) >= age);
            if let (true, Some(full), Some(id)) = (is_stale, upload.key(), upload.upload_id()) {
                multipart::abort_by_id(&bucket, full, id).await.map_err(|trouble| bucket.error(trouble, full))?;
                aborted += 1;
            }
        }
        match (page.is_truncated(), page.next_key_marker()) {
            (Some(true), Some(key)) => after = Some((key.to_owned(), page.next_upload_id_marker().map(str::to_owned))),
            _ => return Ok(aborted),
        }
    }
}
