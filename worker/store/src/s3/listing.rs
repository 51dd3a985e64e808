//! Listings, in pages of a thousand.

use super::{bucket::Bucket, stream::Progress};
use crate::{Key, Listed, Prefix, StoreError};
use std::sync::Arc;

const PAGE_MAX: usize = 1000;

/// Up to `limit` objects under `prefix` after `after`. What lies there under a name that is no [`Key`] is passed over: it was
/// put there by other means.
pub(super) async fn list(bucket: Arc<Bucket>, prefix: Prefix, after: Option<Key>, limit: usize) -> Result<Vec<Listed>, StoreError> {
    let full = bucket.full(prefix.as_str());
    let start_after = after.map(|after| bucket.full(after.as_str()));
    let _place = bucket.reads.enter(1).await;
    let (mut found, mut token) = (Vec::new(), None::<String>);
    while found.len() < limit {
        let page_max = (limit - found.len()).min(PAGE_MAX);
        let attempt = || async {
            let request = bucket.client.list_objects_v2().bucket(&bucket.config.bucket).prefix(&full);
            let request = request.max_keys(i32::try_from(page_max).expect("a page has at most 1000 keys"));
            let request = match &token {
                Some(token) => request.continuation_token(token),
                None => request.set_start_after(start_after.clone()),
            };
            bucket.send("ListObjectsV2", &Progress::default(), request.send()).await
        };
        let page = bucket.persist(attempt).await.map_err(|trouble| bucket.error(trouble, prefix.as_str()))?;
        found.extend(page.contents().iter().filter_map(|object| {
            let size = object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
            Some(Listed { key: bucket.key(object.key()?)?, size })
        }));
        match (page.is_truncated(), page.next_continuation_token()) {
            (Some(true), Some(next)) => token = Some(next.to_owned()),
            _ => break,
        }
    }
    found.truncate(limit);
    Ok(found)
}
