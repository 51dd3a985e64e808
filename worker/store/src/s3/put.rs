//! Conditional puts: attempts, until the course of the put says what came of it.

use super::{
    bucket::Bucket,
    course::{Answer, Condition, Course, Next},
    metadata,
    multipart::{self, Upload},
    read::head_once,
    stream::{Pieces, Progress},
    trouble::Trouble,
};
use crate::{Body, Head, Key, PutError, Version, WriteId};
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use std::{sync::Arc, time::Instant};

/// One put, as every attempt needs it.
#[derive(Debug)]
pub(super) struct Put {
    pub(super) full: String,
    pub(super) body: Body,
    pub(super) crc32c: u32,
    pub(super) condition: Condition,
    pub(super) write_id: WriteId,
}

/// Bodies up to this are one piece, and signed; larger ones go as they are, guarded by their checksum and by TLS.
const SIGNED_BYTES_MAX: u64 = 64 * 1024;

/// Puts the object on its condition.
pub(super) async fn put(bucket: Arc<Bucket>, key: Key, body: Body, condition: Condition, write_id: WriteId) -> Result<Version, PutError> {
    if let Condition::Match(version) = &condition
        && !is_e_tag(version)
    {
        return Err(lost_to_whoever_is_there(&bucket, &key).await);
    }
    let put = Put { full: bucket.full(key.as_str()), crc32c: body.crc32c(), body, condition, write_id };
    let mut sender = Sender::new(&bucket, &put);
    let _place = bucket.writes.enter(sender.requests_at_once()).await;
    let _charge = bucket.writes.charge(put.body.len()).await;
    let mut course = Course::new(put.condition.clone(), write_id);
    let mut patience = bucket.patience();
    let mut last: Option<Trouble> = None;
    let answer = loop {
        let trouble = match sender.send().await {
            Ok(version) => break Answer::Made(version),
            Err(trouble) => trouble,
        };
        let (kind, next) = (trouble.kind, course.failed(trouble.kind));
        last = Some(trouble);
        match next {
            Next::Answer(answer) => break answer,
            Next::Ask => match bucket.persist(|| head_once(&bucket, &put.full)).await {
                Ok(head) => break course.asked(head),
                Err(_) => break course.ask_failed(),
            },
            Next::Retry => match patience.pause_after(kind, Instant::now()) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => match course.give_up() {
                    // The last attempt may have been the one that happened.
                    Answer::Unknown => match head_once(&bucket, &put.full).await {
                        Ok(head) => break course.asked(head),
                        Err(_) => break Answer::Unknown,
                    },
                    answer => break answer,
                },
            },
        }
    };
    sender.finish(matches!(answer, Answer::Made(_))).await;
    match answer {
        Answer::Made(version) => Ok(version),
        Answer::Lost(None) => Err(PutError::Lost { current: None, write_id: None }),
        Answer::Lost(Some(Head { version, write_id, .. })) => Err(PutError::Lost { current: Some(version), write_id }),
        Answer::Unknown => Err(PutError::Unknown),
        Answer::Failed => {
            let trouble = last.unwrap_or_else(|| Trouble::strange("PutObject", "failed without a reason"));
            Err(PutError::Other(bucket.error(trouble, key.as_str())))
        }
    }
}

/// Whether a store can have given this version. What it cannot have given is not sent: versitygw 1.7 takes an empty `If-Match` for none.
fn is_e_tag(version: &Version) -> bool {
    !version.as_str().is_empty() && version.as_str().bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"')
}

async fn lost_to_whoever_is_there(bucket: &Bucket, key: &Key) -> PutError {
    let full = bucket.full(key.as_str());
    match bucket.persist(|| head_once(bucket, &full)).await {
        Ok(head) => {
            let (current, write_id) = head.map(|head| (head.version, head.write_id)).unzip();
            PutError::Lost { current, write_id: write_id.flatten() }
        }
        Err(trouble) => PutError::Other(bucket.error(trouble, key.as_str())),
    }
}

/// Sends a put, whole or in parts.
struct Sender<'a> {
    bucket: &'a Arc<Bucket>,
    put: &'a Put,
    upload: Option<Upload>,
}

impl<'a> Sender<'a> {
    fn new(bucket: &'a Arc<Bucket>, put: &'a Put) -> Self {
        Self { bucket, put, upload: None }
    }

    fn is_large(&self) -> bool {
        self.put.body.len() > self.bucket.config.limits.multipart_above_bytes
    }

    fn requests_at_once(&self) -> u32 {
        if self.is_large() { multipart::PARTS_AT_ONCE } else { 1 }
    }

    async fn send(&mut self) -> Result<Version, Trouble> {
        if self.is_large() && multipart::is_arbitrated(self.bucket).await? {
            multipart::attempt(self.bucket, self.put, &mut self.upload).await
        } else {
            put_whole(self.bucket, self.put).await
        }
    }

    /// Leaves no parts behind that nobody will complete.
    async fn finish(self, is_made: bool) {
        if let Some(upload) = self.upload.filter(|_| !is_made) {
            multipart::abort(self.bucket, &self.put.full, &upload).await;
        }
    }
}

/// One attempt, in one request.
pub(super) async fn put_whole(bucket: &Bucket, put: &Put) -> Result<Version, Trouble> {
    const PUT: &str = "PutObject";
    let progress = Progress::default();
    let body = if put.body.len() <= SIGNED_BYTES_MAX {
        ByteStream::from(put.body.to_bytes())
    } else {
        ByteStream::new(SdkBody::from_body_1_x(Pieces::new(&put.body, progress.clone())))
    };
    let request = bucket
        .client
        .put_object()
        .bucket(&bucket.config.bucket)
        .key(&put.full)
        .body(body)
        .content_length(i64::try_from(put.body.len()).unwrap_or(i64::MAX))
        .checksum_crc32_c(aws_smithy_types::base64::encode(put.crc32c.to_be_bytes()))
        .metadata(metadata::WRITE_ID, put.write_id.to_string())
        .metadata(metadata::CRC32C, format!("{:08x}", put.crc32c));
    let request = match &put.condition {
        Condition::Absent => request.if_none_match("*"),
        Condition::Match(version) => request.if_match(metadata::e_tag(version)),
    };
    let answer = bucket.send(PUT, &progress, request.send()).await?;
    metadata::version(answer.e_tag()).ok_or_else(|| Trouble::strange(PUT, "no ETag in the answer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_store_can_have_given_is_no_e_tag() {
        for good in ["0123456789abcdef", "abc-12", "W/abc"] {
            assert!(is_e_tag(&Version::new(good)), "{good}");
        }
        for bad in ["", "a b", "a\"b", "a\r\nb", "ä"] {
            assert!(!is_e_tag(&Version::new(bad)), "{bad:?}");
        }
    }
}
