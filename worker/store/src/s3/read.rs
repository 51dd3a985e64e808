//! Reads: whole or by range, hedged, and again where an answer breaks off.

use super::{bucket::Bucket, metadata, stream::Progress, trouble::Kind, trouble::Trouble};
use crate::{Head, Key, Object, StoreError};
use aws_sdk_s3::{operation::get_object::GetObjectOutput, primitives::ByteStream};
use bytes::{Bytes, BytesMut};
use std::{ops::Range, pin::Pin, sync::Arc, time::Duration, time::Instant};

/// No object is as large; ranges that end later are cut here, since some stores cannot read larger numbers.
const OBJECT_BYTES_MAX: u64 = 1 << 50;
/// Most memory that is taken for a body because its answer says how long it is.
const RESERVE_BYTES_MAX: u64 = 64 << 20;
/// The rate below which a body is too slow to be waited for, beyond what stalls are allowed.
const SLOWEST_BYTES_PER_SECOND: u64 = 64 << 10;

/// The whole object.
pub(super) async fn get(bucket: Arc<Bucket>, key: Key) -> Result<Object, StoreError> {
    let full = bucket.full(key.as_str());
    let _place = bucket.reads.enter(1).await;
    let answer = bucket.persist(|| whole(&bucket, &full)).await;
    let (object, crc) = answer.map_err(|trouble| bucket.error(trouble, key.as_str()))?;
    match crc {
        Some(crc) if crc != crc32c::crc32c(&object.bytes) => {
            Err(StoreError::Corrupt { key, what: format!("its bytes in {} do not match the checksum they were put with", bucket.place) })
        }
        _ => Ok(object),
    }
}

async fn whole(bucket: &Bucket, full: &str) -> Result<(Object, Option<u32>), Trouble> {
    let mut answer = first_answer(bucket, full, None).await?;
    let size = length(&answer)?;
    let version = metadata::version(answer.e_tag()).ok_or_else(|| Trouble::strange(GET, "no ETag in the answer"))?;
    let crc = metadata::crc32c(answer.metadata());
    let _charge = bucket.reads.charge(size).await;
    Ok((Object { bytes: drain(bucket, &mut answer.body, size).await?, version }, crc))
}

/// The bytes `range` of the object.
pub(super) async fn get_range(bucket: Arc<Bucket>, key: Key, range: Range<u64>) -> Result<Bytes, StoreError> {
    if range.is_empty() {
        return Ok(Bytes::new());
    }
    let full = bucket.full(key.as_str());
    let _place = bucket.reads.enter(1).await;
    let truncated = |size| StoreError::Truncated { key: key.clone(), size, wanted: range.end };
    match bucket.persist(|| part(&bucket, &full, &range)).await {
        Ok(Part::Bytes(bytes)) => Ok(bytes),
        Ok(Part::Ends(size)) => Err(truncated(size)),
        Err(Trouble { kind: Kind::PastTheEnd, size: Some(size), .. }) => Err(truncated(size)),
        // The store did not say how much there is.
        Err(Trouble { kind: Kind::PastTheEnd, .. }) => match bucket.persist(|| head_once(&bucket, &full)).await {
            Ok(Some(head)) => Err(truncated(head.size)),
            Ok(None) => Err(StoreError::NotFound { key: key.clone() }),
            Err(trouble) => Err(bucket.error(trouble, key.as_str())),
        },
        Err(trouble) => Err(bucket.error(trouble, key.as_str())),
    }
}

enum Part {
    Bytes(Bytes),
    /// The object ends before the range does, at so many bytes.
    Ends(u64),
}

async fn part(bucket: &Bucket, full: &str, range: &Range<u64>) -> Result<Part, Trouble> {
    let mut answer = first_answer(bucket, full, Some(range)).await?;
    let len = length(&answer)?;
    let given = match answer.content_range() {
        Some(text) => content_range(text).ok_or_else(|| Trouble::strange(GET, "a Content-Range that cannot be read"))?,
        // A store that does not know ranges gives everything.
        None => (0, len),
    };
    let (start, size) = given;
    if range.end > size {
        return Ok(Part::Ends(size));
    }
    if start > range.start || start + len < range.end {
        return Err(Trouble::strange(GET, "other bytes than were asked for"));
    }
    let _charge = bucket.reads.charge(len).await;
    let bytes = drain(bucket, &mut answer.body, len).await?;
    let at = |offset: u64| usize::try_from(offset - start).map_err(|_| Trouble::strange(GET, "more bytes than memory has"));
    Ok(Part::Bytes(bytes.slice(at(range.start)?..at(range.end)?)))
}

/// What is known of the object.
pub(super) async fn head(bucket: Arc<Bucket>, key: Key) -> Result<Option<Head>, StoreError> {
    let full = bucket.full(key.as_str());
    let _place = bucket.reads.enter(1).await;
    bucket.persist(|| head_once(&bucket, &full)).await.map_err(|trouble| bucket.error(trouble, key.as_str()))
}

/// Asks for the object's head, once.
pub(super) async fn head_once(bucket: &Bucket, full: &str) -> Result<Option<Head>, Trouble> {
    const HEAD: &str = "HeadObject";
    let request = bucket.client.head_object().bucket(&bucket.config.bucket).key(full).send();
    match bucket.send(HEAD, &Progress::default(), request).await {
        Ok(answer) => Ok(Some(Head {
            size: answer.content_length().and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
            version: metadata::version(answer.e_tag()).ok_or_else(|| Trouble::strange(HEAD, "no ETag in the answer"))?,
            write_id: metadata::write_id(answer.metadata()),
        })),
        Err(Trouble { kind: Kind::Absent, .. }) => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

const GET: &str = "GetObject";

/// The head of an answer, its body still to come.
async fn ask(bucket: &Bucket, full: &str, range: Option<&Range<u64>>) -> Result<GetObjectOutput, Trouble> {
    let range = range.map(|range| format!("bytes={}-{}", range.start, range.end.min(OBJECT_BYTES_MAX).max(range.start + 1) - 1));
    let request = bucket.client.get_object().bucket(&bucket.config.bucket).key(full).set_range(range).send();
    bucket.send(GET, &Progress::default(), request).await
}

/// The first of one or two answers: a request that is late gets a second one beside it, if one was earned.
async fn first_answer(bucket: &Bucket, full: &str, range: Option<&Range<u64>>) -> Result<GetObjectOutput, Trouble> {
    let started = Instant::now();
    let delay = bucket.hedging().delay();
    let mut first = std::pin::pin!(ask(bucket, full, range));
    let answer = tokio::select! {
        answer = &mut first => answer,
        () = tokio::time::sleep(delay) => beside(bucket, first, full, range).await,
    };
    if answer.is_ok() {
        bucket.hedging().answered(started.elapsed());
    }
    answer
}

async fn beside<F>(bucket: &Bucket, mut first: Pin<&mut F>, full: &str, range: Option<&Range<u64>>) -> Result<GetObjectOutput, Trouble>
where
    F: Future<Output = Result<GetObjectOutput, Trouble>>,
{
    let Some(_place) = bucket.reads.try_enter() else { return first.await };
    if !bucket.hedging().take() {
        return first.await;
    }
    let mut second = std::pin::pin!(ask(bucket, full, range));
    tokio::select! {
        answer = &mut first => if is_worth_waiting(&answer) { second.await } else { answer },
        answer = &mut second => if is_worth_waiting(&answer) { first.await } else { answer },
    }
}

/// Whether the other of two requests may fare better.
fn is_worth_waiting(answer: &Result<GetObjectOutput, Trouble>) -> bool {
    answer.as_ref().is_err_and(|trouble| trouble.kind.is_worth_another_try())
}

fn length(answer: &GetObjectOutput) -> Result<u64, Trouble> {
    answer.content_length().and_then(|len| u64::try_from(len).ok()).ok_or_else(|| Trouble::strange(GET, "no Content-Length in the answer"))
}

/// `bytes 0-9/100` as the first byte and the object's size.
fn content_range(text: &str) -> Option<(u64, u64)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.parse().ok()?, size.parse().ok()?))
}

/// The body, which the answer says has `len` bytes.
async fn drain(bucket: &Bucket, body: &mut ByteStream, len: u64) -> Result<Bytes, Trouble> {
    let stall = bucket.config.limits.stall_timeout;
    let end = tokio::time::Instant::now() + stall * 2 + Duration::from_secs(len / SLOWEST_BYTES_PER_SECOND);
    let mut first = Bytes::new();
    let mut all: Option<BytesMut> = None;
    let mut got = 0;
    loop {
        let until = end.min(tokio::time::Instant::now() + stall);
        let chunk = match tokio::time::timeout_at(until, body.try_next()).await {
            Err(_) => return Err(Trouble::stalled(GET, stall)),
            Ok(Err(error)) => return Err(Trouble::broken_body(GET, error)),
            Ok(Ok(chunk)) => chunk,
        };
        let Some(chunk) = chunk else { break };
        got += chunk.len() as u64;
        if got > len {
            return Err(Trouble::broken_body(GET, format_args!("more than the {len} bytes it was to have")));
        }
        match &mut all {
            Some(all) => all.extend_from_slice(&chunk),
            None if first.is_empty() => first = chunk,
            None => {
                let mut begun = BytesMut::with_capacity(usize::try_from(len.min(RESERVE_BYTES_MAX)).unwrap_or(0));
                begun.extend_from_slice(&first);
                begun.extend_from_slice(&chunk);
                all = Some(begun);
            }
        }
    }
    if got < len {
        return Err(Trouble::broken_body(GET, format_args!("{got} of {len} bytes")));
    }
    Ok(all.map_or(first, BytesMut::freeze))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read() {
        assert_eq!(content_range("bytes 2-4/10"), Some((2, 10)));
        for strange in ["bytes */10", "2-4/10", "bytes 2-4/*", "bytes", ""] {
            assert_eq!(content_range(strange), None, "{strange}");
        }
    }
}
