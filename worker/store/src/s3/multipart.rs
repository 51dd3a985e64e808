//! Large bodies in parts. Nothing is there until the last step, which carries the condition; so all steps before may be
//! repeated, and what is given up is aborted.
//!
//! Some stores hold the condition of a plain put and ignore that of the last step. So the first large put of a process asks
//! first ([`is_arbitrated`]); where the answer is no, large bodies go in one request, up to the 5 GiB that S3 takes.

use super::{
    bucket::Bucket,
    course::Condition,
    metadata,
    put::{Put, put_whole},
    stream::{Pieces, Progress},
    trouble::{Kind, Trouble},
};
use crate::{Body, Version};
use aws_sdk_s3::{
    primitives::{ByteStream, SdkBody},
    types::{CompletedMultipartUpload, CompletedPart},
};
use std::{ops::Range, sync::Arc};
use tokio::task::JoinSet;

/// Parts of one body that are under way at once.
pub(super) const PARTS_AT_ONCE: u32 = 4;
const PARTS_MAX: u64 = 10_000;

/// An upload that has all its parts and waits for its last step.
#[derive(Debug)]
pub(super) struct Upload {
    id: String,
    parts: Vec<CompletedPart>,
}

/// One attempt: uploads the parts, unless an earlier attempt did, and completes the upload on the put's condition.
pub(super) async fn attempt(bucket: &Arc<Bucket>, put: &Put, upload: &mut Option<Upload>) -> Result<Version, Trouble> {
    let ready = match upload.take() {
        Some(ready) => ready,
        None => upload_parts(bucket, put).await.map_err(Trouble::before_the_effect)?,
    };
    let completed = complete(bucket, put, &ready).await;
    match &completed {
        // S3 says that after a conflict the whole upload has to be made again.
        Err(trouble) if matches!(trouble.kind, Kind::Conflict | Kind::NoUpload) => {
            abort(bucket, &put.full, &ready).await;
        }
        _ => *upload = Some(ready),
    }
    completed
}

/// Removes an upload and its parts. Best effort: what stays is removed as stale, or by a rule of the bucket.
pub(super) async fn abort(bucket: &Bucket, full: &str, upload: &Upload) {
    let _ = abort_by_id(bucket, full, &upload.id).await;
}

/// Removes the upload of this id.
pub(super) async fn abort_by_id(bucket: &Bucket, full: &str, id: &str) -> Result<(), Trouble> {
    let attempt = || async {
        let request = bucket.client.abort_multipart_upload().bucket(&bucket.config.bucket).key(full).upload_id(id).send();
        bucket.send("AbortMultipartUpload", &Progress::default(), request).await
    };
    match bucket.persist(attempt).await {
        Ok(_) => Ok(()),
        Err(trouble) if matches!(trouble.kind, Kind::NoUpload | Kind::Absent) => Ok(()),
        Err(trouble) => Err(trouble),
    }
}

async fn upload_parts(bucket: &Arc<Bucket>, put: &Put) -> Result<Upload, Trouble> {
    let id = create(bucket, put).await?;
    let mut upload = Upload { id, parts: Vec::new() };
    match send_parts(bucket, put, &upload.id).await {
        Ok(parts) => {
            upload.parts = parts;
            Ok(upload)
        }
        Err(trouble) => {
            abort(bucket, &put.full, &upload).await;
            Err(trouble)
        }
    }
}

async fn create(bucket: &Bucket, put: &Put) -> Result<String, Trouble> {
    const CREATE: &str = "CreateMultipartUpload";
    let attempt = || async {
        let request = bucket
            .client
            .create_multipart_upload()
            .bucket(&bucket.config.bucket)
            .key(&put.full)
            .metadata(metadata::WRITE_ID, put.write_id.to_string())
            .metadata(metadata::CRC32C, format!("{:08x}", put.crc32c));
        let answer = bucket.send(CREATE, &Progress::default(), request.send()).await?;
        answer.upload_id().map(str::to_owned).ok_or_else(|| Trouble::strange(CREATE, "no upload id in the answer"))
    };
    bucket.persist(attempt).await
}

async fn send_parts(bucket: &Arc<Bucket>, put: &Put, id: &str) -> Result<Vec<CompletedPart>, Trouble> {
    let mut waiting = ranges(put.body.len(), bucket.config.limits.part_bytes).into_iter().enumerate();
    let mut sending = JoinSet::new();
    let mut parts = Vec::new();
    loop {
        while sending.len() < PARTS_AT_ONCE as usize
            && let Some((index, range)) = waiting.next()
        {
            let number = i32::try_from(index + 1).expect("there are at most 10,000 parts");
            let (bucket, full, id, body) = (Arc::clone(bucket), put.full.clone(), id.to_owned(), put.body.slice(range));
            sending.spawn(async move { bucket.persist(|| send_part(&bucket, &full, &id, number, &body)).await });
        }
        match sending.join_next().await {
            None => break,
            Some(sent) => parts.push(sent.expect("a part does not panic")?),
        }
    }
    parts.sort_by_key(CompletedPart::part_number);
    Ok(parts)
}

async fn send_part(bucket: &Bucket, full: &str, id: &str, number: i32, body: &Body) -> Result<CompletedPart, Trouble> {
    const PART: &str = "UploadPart";
    let progress = Progress::default();
    let request = bucket
        .client
        .upload_part()
        .bucket(&bucket.config.bucket)
        .key(full)
        .upload_id(id)
        .part_number(number)
        .content_length(i64::try_from(body.len()).unwrap_or(i64::MAX))
        .body(ByteStream::new(SdkBody::from_body_1_x(Pieces::new(body, progress.clone()))));
    let answer = bucket.send(PART, &progress, request.send()).await?;
    let e_tag = answer.e_tag().ok_or_else(|| Trouble::strange(PART, "no ETag in the answer"))?;
    Ok(CompletedPart::builder().part_number(number).e_tag(e_tag).build())
}

async fn complete(bucket: &Bucket, put: &Put, upload: &Upload) -> Result<Version, Trouble> {
    const COMPLETE: &str = "CompleteMultipartUpload";
    let parts = CompletedMultipartUpload::builder().set_parts(Some(upload.parts.clone())).build();
    let request = bucket
        .client
        .complete_multipart_upload()
        .bucket(&bucket.config.bucket)
        .key(&put.full)
        .upload_id(&upload.id)
        .multipart_upload(parts);
    let request = match &put.condition {
        Condition::Absent => request.if_none_match("*"),
        Condition::Match(version) => request.if_match(metadata::e_tag(version)),
    };
    // S3 puts the object together meanwhile, and for a long time says nothing.
    let bound = bucket.config.limits.stall_timeout * 6;
    let answer = bucket.send_within(bound, COMPLETE, &Progress::default(), request.send()).await?;
    metadata::version(answer.e_tag()).ok_or_else(|| Trouble::strange(COMPLETE, "no ETag in the answer"))
}

/// Whether the store holds the condition of the last step. Asked once, with a scratch object.
pub(super) async fn is_arbitrated(bucket: &Arc<Bucket>) -> Result<bool, Trouble> {
    let asked = bucket.parts_are_arbitrated.get_or_try_init(|| ask_whether_arbitrated(bucket)).await;
    asked.copied().map_err(Trouble::before_the_effect)
}

async fn ask_whether_arbitrated(bucket: &Arc<Bucket>) -> Result<bool, Trouble> {
    let full = bucket.full(&format!("probe/{}", bucket.ids.next()));
    let scratch = |condition| {
        let body = Body::from(b"probe".as_slice());
        Put { full: full.clone(), crc32c: body.crc32c(), body, condition, write_id: bucket.ids.next() }
    };
    let first = scratch(Condition::Absent);
    bucket.persist(|| async { ignore_rival(put_whole(bucket, &first).await) }).await?;
    let asked = async {
        for condition in [Condition::Absent, Condition::Match(Version::new("00000000000000000000000000000000"))] {
            let rival = scratch(condition);
            let (mut upload, mut patience) = (None, bucket.patience());
            let refused = loop {
                match attempt(bucket, &rival, &mut upload).await {
                    Ok(_) => break false,
                    Err(trouble) if trouble.kind == Kind::ConditionFailed => break true,
                    Err(trouble) => match patience.pause_after(trouble.kind, std::time::Instant::now()) {
                        Some(pause) => tokio::time::sleep(pause).await,
                        None => return Err(trouble),
                    },
                }
            };
            if let Some(upload) = upload.filter(|_| refused) {
                abort(bucket, &full, &upload).await;
            }
            if !refused {
                return Ok(false);
            }
        }
        Ok(true)
    };
    let asked = asked.await;
    let _ = super::remove::delete_once(bucket, &full).await; // a scratch object that stays harms nobody
    asked
}

/// The scratch object is there, by this attempt or by the one before, whose answer was lost.
fn ignore_rival(put: Result<Version, Trouble>) -> Result<(), Trouble> {
    match put {
        Ok(_) => Ok(()),
        Err(trouble) if trouble.kind == Kind::ConditionFailed => Ok(()),
        Err(trouble) => Err(trouble),
    }
}

/// The parts of a body of `len` bytes: of `part_bytes`, or of more where there would be too many.
fn ranges(len: u64, part_bytes: u64) -> Vec<Range<u64>> {
    let part_bytes = part_bytes.max(len.div_ceil(PARTS_MAX)).max(1);
    (0..len.div_ceil(part_bytes)).map(|index| index * part_bytes..((index + 1) * part_bytes).min(len)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_a_body_and_are_never_too_many() {
        assert_eq!(ranges(25, 10), [0..10, 10..20, 20..25]);
        assert_eq!(ranges(20, 10), [0..10, 10..20]);
        let many = ranges(100_001, 1);
        assert!(many.len() as u64 <= PARTS_MAX);
        assert_eq!((many[0].start, many.last().unwrap().end), (0, 100_001));
        assert!(many.windows(2).all(|pair| pair[0].end == pair[1].start));
    }
}
