//! The operations of S3, over a bucket in memory.

use crate::{
    conduct::Conduct,
    objects::{Condition, Objects, Refusal},
};
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use s3s::{
    Body, S3, S3Error, S3Request, S3Response, S3Result,
    auth::{S3Auth, SecretKey},
    dto, s3_error,
};
use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard},
    time::SystemTime,
};

/// What is stored and how the server behaves, shared with its owner.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) bucket: String,
    pub(crate) objects: Mutex<Objects>,
    pub(crate) conduct: Mutex<Conduct>,
    pub(crate) keys: Mutex<BTreeMap<String, String>>,
}

impl Shared {
    pub(crate) fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(crate) fn conduct(&self) -> Conduct {
        *self.conduct.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The S3 trait over [`Shared`].
#[derive(Clone, Debug)]
pub(crate) struct Service(pub(crate) Arc<Shared>);

/// The keys that the server knows; what is not there is refused.
#[derive(Clone, Debug)]
pub(crate) struct Keys(pub(crate) Arc<Shared>);

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let keys = self.0.keys.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let secret =
            keys.get(access_key).ok_or_else(|| s3_error!(InvalidAccessKeyId, "The AWS Access Key Id you provided does not exist"))?;
        Ok(SecretKey::from(secret.as_str()))
    }
}

impl Service {
    fn check_bucket(&self, bucket: &str) -> S3Result<()> {
        if bucket == self.0.bucket { Ok(()) } else { Err(s3_error!(NoSuchBucket, "The specified bucket does not exist")) }
    }

    /// The condition of a write, as this server's conduct lets it see it.
    fn condition(&self, none: Option<dto::ETagCondition>, matching: Option<dto::ETagCondition>, is_of_parts: bool) -> S3Result<Condition> {
        let conduct = self.0.conduct();
        let asked = match (none, matching) {
            (None, None) => Condition::Anything,
            (Some(none), None) if none.is_any() => Condition::Absent,
            (None, Some(dto::ETagCondition::ETag(e_tag))) => Condition::Match(e_tag.value().to_owned()),
            _ => return Err(s3_error!(NotImplemented, "this combination of conditions")),
        };
        match (conduct, &asked) {
            (_, Condition::Anything) | (Conduct::IgnoresConditions, _) => Ok(Condition::Anything),
            (Conduct::IgnoresConditionsOfParts, _) if is_of_parts => Ok(Condition::Anything),
            (Conduct::IgnoresMatch, Condition::Match(_)) => Ok(Condition::Anything),
            (Conduct::MatchesNothing, Condition::Match(_)) => Err(refused(Refusal::ConditionFailed)),
            (Conduct::KnowsNoConditions, _) => {
                Err(s3_error!(NotImplemented, "A header you provided implies functionality that is not implemented"))
            }
            _ => Ok(asked),
        }
    }

    fn metadata(&self, given: Option<dto::Metadata>) -> HashMap<String, String> {
        match self.0.conduct() {
            Conduct::ForgetsMetadata => HashMap::new(),
            _ => given.unwrap_or_default().into_iter().collect(),
        }
    }
}

fn refused(refusal: Refusal) -> S3Error {
    match refusal {
        Refusal::ConditionFailed => s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold"),
        Refusal::NoSuchKey => s3_error!(NoSuchKey, "The specified key does not exist."),
        Refusal::NoSuchUpload => s3_error!(NoSuchUpload, "The specified multipart upload does not exist."),
        Refusal::InvalidPart => s3_error!(InvalidPart, "One or more of the specified parts could not be found."),
    }
}

async fn collect(body: Option<dto::StreamingBlob>) -> S3Result<Bytes> {
    let Some(mut body) = body else { return Ok(Bytes::new()) };
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(chunk) = body.try_next().await.map_err(|error| S3Error::with_source(s3s::S3ErrorCode::IncompleteBody, error))? {
        if first.is_empty() && all.is_empty() {
            first = chunk;
        } else {
            if all.is_empty() {
                all.extend_from_slice(&std::mem::take(&mut first));
            }
            all.extend_from_slice(&chunk);
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

fn blob(bytes: Bytes) -> Option<dto::StreamingBlob> {
    Some(dto::StreamingBlob::from(Body::from(bytes)))
}

/// Holds the body against the checksum that came with it.
fn check_sum(expected: Option<&str>, bytes: &[u8]) -> S3Result<()> {
    let Some(expected) = expected else { return Ok(()) };
    let sum = base64(crc32c::crc32c(bytes).to_be_bytes());
    if sum == expected { Ok(()) } else { Err(s3_error!(BadDigest, "The CRC32C you specified did not match the calculated checksum")) }
}

/// Base64 of four bytes.
fn base64(bytes: [u8; 4]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = u64::from(u32::from_be_bytes(bytes)) << 4;
    let digit = |index: u32| char::from(DIGITS[usize::try_from(bits >> (30 - 6 * index) & 63).expect("below 64")]);
    (0..6).map(digit).chain("==".chars()).collect()
}

#[async_trait::async_trait]
impl S3 for Service {
    async fn put_object(&self, req: S3Request<dto::PutObjectInput>) -> S3Result<S3Response<dto::PutObjectOutput>> {
        let input = req.input;
        self.check_bucket(&input.bucket)?;
        let condition = self.condition(input.if_none_match, input.if_match, false)?;
        let metadata = self.metadata(input.metadata);
        let bytes = if let Conduct::ChecksThenWrites(pause) = self.0.conduct() {
            self.0.objects().check(&input.key, &condition).map_err(refused)?;
            tokio::time::sleep(pause).await;
            collect(input.body).await?
        } else {
            collect(input.body).await?
        };
        check_sum(input.checksum_crc32c.as_deref(), &bytes)?;
        let condition = if matches!(self.0.conduct(), Conduct::ChecksThenWrites(_)) { Condition::Anything } else { condition };
        let e_tag = self.0.objects().put(&input.key, bytes, metadata, &condition, SystemTime::now()).map_err(refused)?;
        Ok(S3Response::new(dto::PutObjectOutput {
            e_tag: Some(dto::ETag::Strong(e_tag)),
            checksum_crc32c: input.checksum_crc32c,
            ..Default::default()
        }))
    }

    async fn get_object(&self, req: S3Request<dto::GetObjectInput>) -> S3Result<S3Response<dto::GetObjectOutput>> {
        let input = req.input;
        self.check_bucket(&input.bucket)?;
        let stored = self.0.objects().stored.get(&input.key).cloned().ok_or_else(|| refused(Refusal::NoSuchKey))?;
        let size = stored.bytes.len() as u64;
        let (bytes, content_range) = match input.range {
            None => (stored.bytes, None),
            Some(range) => {
                let range = range.check(size)?;
                let text = format!("bytes {}-{}/{size}", range.start, range.end - 1);
                let at = |offset: u64| usize::try_from(offset).expect("the range lies within the object");
                (stored.bytes.slice(at(range.start)..at(range.end)), Some(text))
            }
        };
        Ok(S3Response::new(dto::GetObjectOutput {
            content_length: i64::try_from(bytes.len()).ok(),
            body: blob(bytes),
            content_range,
            e_tag: Some(dto::ETag::Strong(stored.e_tag)),
            last_modified: Some(stored.modified.into()),
            metadata: Some(stored.metadata.into_iter().collect()),
            ..Default::default()
        }))
    }

    async fn head_object(&self, req: S3Request<dto::HeadObjectInput>) -> S3Result<S3Response<dto::HeadObjectOutput>> {
        let input = req.input;
        self.check_bucket(&input.bucket)?;
        let stored = self.0.objects().stored.get(&input.key).cloned().ok_or_else(|| refused(Refusal::NoSuchKey))?;
        Ok(S3Response::new(dto::HeadObjectOutput {
            content_length: i64::try_from(stored.bytes.len()).ok(),
            e_tag: Some(dto::ETag::Strong(stored.e_tag)),
            last_modified: Some(stored.modified.into()),
            metadata: Some(stored.metadata.into_iter().collect()),
            ..Default::default()
        }))
    }

    async fn delete_object(&self, req: S3Request<dto::DeleteObjectInput>) -> S3Result<S3Response<dto::DeleteObjectOutput>> {
        self.check_bucket(&req.input.bucket)?;
        self.0.objects().stored.remove(&req.input.key);
        Ok(S3Response::new(dto::DeleteObjectOutput::default()))
    }

    async fn delete_objects(&self, req: S3Request<dto::DeleteObjectsInput>) -> S3Result<S3Response<dto::DeleteObjectsOutput>> {
        self.check_bucket(&req.input.bucket)?;
        if req.input.delete.objects.len() > 1000 {
            return Err(s3_error!(MalformedXML, "more than 1000 keys"));
        }
        let mut objects = self.0.objects();
        for object in &req.input.delete.objects {
            objects.stored.remove(&object.key);
        }
        Ok(S3Response::new(dto::DeleteObjectsOutput::default()))
    }

    async fn list_objects_v2(&self, req: S3Request<dto::ListObjectsV2Input>) -> S3Result<S3Response<dto::ListObjectsV2Output>> {
        let input = req.input;
        self.check_bucket(&input.bucket)?;
        let prefix = input.prefix.clone().unwrap_or_default();
        let after = input.continuation_token.clone().or_else(|| input.start_after.clone()).unwrap_or_default();
        let page_max = usize::try_from(input.max_keys.unwrap_or(1000)).unwrap_or(0).min(1000);
        let objects = self.0.objects();
        let from = if after < prefix { Bound::Included(prefix.clone()) } else { Bound::Excluded(after) };
        let mut matching =
            objects.stored.range((from, Bound::Unbounded)).take_while(|(key, _)| key.starts_with(&prefix)).take(page_max + 1).peekable();
        let mut contents: Vec<dto::Object> = Vec::new();
        while contents.len() < page_max
            && let Some((key, stored)) = matching.next()
        {
            contents.push(dto::Object {
                key: Some(key.clone()),
                size: i64::try_from(stored.bytes.len()).ok(),
                e_tag: Some(dto::ETag::Strong(stored.e_tag.clone())),
                last_modified: Some(stored.modified.into()),
                ..Default::default()
            });
        }
        let is_truncated = matching.peek().is_some();
        let next_continuation_token = contents.last().filter(|_| is_truncated).and_then(|last| last.key.clone());
        Ok(S3Response::new(dto::ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: input.prefix,
            max_keys: i32::try_from(page_max).ok(),
            key_count: i32::try_from(contents.len()).ok(),
            continuation_token: input.continuation_token,
            start_after: input.start_after,
            is_truncated: Some(is_truncated),
            next_continuation_token,
            contents: Some(contents),
            ..Default::default()
        }))
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<dto::CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<dto::CreateMultipartUploadOutput>> {
        let input = req.input;
        self.check_bucket(&input.bucket)?;
        let metadata = self.metadata(input.metadata);
        let id = self.0.objects().begin_upload(&input.key, metadata, SystemTime::now());
        Ok(S3Response::new(dto::CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            ..Default::default()
        }))
    }

    async fn upload_part(&self, req: S3Request<dto::UploadPartInput>) -> S3Result<S3Response<dto::UploadPartOutput>> {
        let input = req.input;
        self.check_bucket(&input.bucket)?;
        let bytes = collect(input.body).await?;
        check_sum(input.checksum_crc32c.as_deref(), &bytes)?;
        let e_tag = self.0.objects().put_part(&input.upload_id, input.part_number, bytes).map_err(refused)?;
        Ok(S3Response::new(dto::UploadPartOutput { e_tag: Some(dto::ETag::Strong(e_tag)), ..Default::default() }))
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<dto::CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<dto::CompleteMultipartUploadOutput>> {
        let input = req.input;
        self.check_bucket(&input.bucket)?;
        let condition = self.condition(input.if_none_match, input.if_match, true)?;
        let parts = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let parts: Vec<(i32, String)> =
            parts.into_iter().filter_map(|part| Some((part.part_number?, part.e_tag?.value().to_owned()))).collect();
        let e_tag = self.0.objects().complete(&input.upload_id, &parts, &condition, SystemTime::now()).map_err(refused)?;
        Ok(S3Response::new(dto::CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(dto::ETag::Strong(e_tag)),
            ..Default::default()
        }))
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<dto::AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<dto::AbortMultipartUploadOutput>> {
        self.check_bucket(&req.input.bucket)?;
        let removed = self.0.objects().uploads.remove(&req.input.upload_id);
        removed.ok_or_else(|| refused(Refusal::NoSuchUpload))?;
        Ok(S3Response::new(dto::AbortMultipartUploadOutput::default()))
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<dto::ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<dto::ListMultipartUploadsOutput>> {
        let input = req.input;
        self.check_bucket(&input.bucket)?;
        let prefix = input.prefix.clone().unwrap_or_default();
        let objects = self.0.objects();
        let uploads = objects.uploads.iter().filter(|(_, upload)| upload.key.starts_with(&prefix));
        let uploads = uploads.map(|(id, upload)| dto::MultipartUpload {
            key: Some(upload.key.clone()),
            upload_id: Some(id.clone()),
            initiated: Some(upload.initiated.into()),
            ..Default::default()
        });
        Ok(S3Response::new(dto::ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            prefix: input.prefix,
            is_truncated: Some(false),
            uploads: Some(uploads.collect()),
            ..Default::default()
        }))
    }

    async fn head_bucket(&self, req: S3Request<dto::HeadBucketInput>) -> S3Result<S3Response<dto::HeadBucketOutput>> {
        self.check_bucket(&req.input.bucket)?;
        Ok(S3Response::new(dto::HeadBucketOutput::default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_written_as_s3_writes_it() {
        assert_eq!(base64([0, 0, 0, 0]), "AAAAAA==");
        assert_eq!(base64(crc32c::crc32c(b"123456789").to_be_bytes()), "4waSgw==", "the check value of CRC-32C");
    }
}
