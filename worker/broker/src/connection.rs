//! One connection: requests are taken in order and begun at once, answers go out in the same order.
//!
//! The reader decodes and *begins* each request (a produce is in the log's order when its beginning returns); the writer awaits the rest
//! of each in turn. So produce requests of one connection are pipelined, and a slow reader of answers stops its own requests only.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
};
use wire::{
    Encoded,
    frame::{self, Status},
};

use crate::{
    budget::Taken,
    dispatch::{self, Begun, Client},
    port::Port,
    shared::Shared,
};

/// Requests of one connection that may be under way at once.
const PIPELINED_MAX: usize = 64;
/// Bytes read from a socket at once while frames are small.
const READ_BYTES: usize = 16 << 10;
/// A peer that has begun a request and sends nothing more, or takes nothing of its answer, for this long is cut off. So is one that has
/// closed its side and whose answers are not ready by then: most such peers are gone.
const STALLED_FOR: Duration = Duration::from_secs(60);
/// The same, for one that takes nothing of its answer while others wait for the memory that it holds.
const STALLED_WHILE_SHORT: Duration = Duration::from_secs(2);
/// An answer that is not taken for this long is copied: its slices hold far larger buffers of the log.
const SLOW_AFTER: Duration = Duration::from_millis(250);
/// The slowest peer that is served while others wait for the memory of its request.
const SLOWEST_BYTES_PER_SECOND: f64 = 256.0 * 1024.0;
/// Frames up to this size are read into the connection's own memory, and have a budget of their own, so that heartbeats do not wait for what
/// large requests hold.
const SMALL_FRAME_BYTES: usize = 16 << 10;
/// The length of a frame and the number of its API.
const HEAD_BYTES: usize = frame::PREFIX_BYTES + 2;

/// Why a connection ended, where the peer did not simply go.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Frame(#[from] frame::FrameError),
    #[error("{0}")]
    Request(String),
    #[error("the peer stalled in the middle of a request or an answer")]
    Stalled,
}

/// A request that was begun, and the memory its frame holds.
struct UnderWay {
    begun: Begun,
    _frame: Taken,
}

/// Serves the connection, which came in by `port`, until the peer goes, breaks a rule, or the port closes.
pub(crate) async fn serve<R, W>(
    reader: R,
    writer: W,
    peer: SocketAddr,
    port: &Arc<Port>,
    shared: &Arc<Shared>,
) -> Result<(), ConnectionError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(PIPELINED_MAX);
    let mut writing = tokio::spawn(write_answers(writer, receiver, Arc::clone(shared)));
    let mut client = Client::new(peer, Arc::clone(port));
    let read = tokio::select! {
        read = read_requests(reader, &mut client, shared, sender) => read,
        () = port.stop.cancelled() => Ok(()),
    };
    // The reader's end is dropped: the writer answers what was begun, and ends. Nobody takes answers from a socket that failed.
    let patience = if matches!(read, Err(ConnectionError::Io(_))) { Duration::ZERO } else { stalled_for(shared) };
    let Ok(written) = tokio::time::timeout(patience, &mut writing).await else {
        writing.abort();
        return read.and(Err(ConnectionError::Stalled));
    };
    read.and(written.unwrap_or_else(|reason| Err(ConnectionError::Request(format!("a request failed inside: {reason}")))))
}

fn idle_for(shared: &Shared) -> Duration {
    Duration::from_millis(shared.config.connection_idle_max.0.unsigned_abs())
}

fn stalled_for(shared: &Shared) -> Duration {
    STALLED_FOR.min(idle_for(shared))
}

async fn read_requests<R: AsyncRead + Unpin>(
    mut socket: R,
    client: &mut Client,
    shared: &Arc<Shared>,
    answers: mpsc::Sender<UnderWay>,
) -> Result<(), ConnectionError> {
    let mut buffer = BytesMut::with_capacity(READ_BYTES);
    loop {
        let Some((frame, mut taken)) = read_frame(&mut socket, &mut buffer, shared).await? else { return Ok(()) };
        // Taking a place first bounds what is begun; it is free again when the answer is written.
        let Ok(place) = answers.reserve().await else { return Ok(()) };
        let frame_bytes = frame.len();
        let (begun, decoded_bytes) = dispatch::begin(shared, client, frame).map_err(ConnectionError::Request)?;
        // Taken was what decoding might need; it is known now what it did.
        taken.become_of(frame_bytes + decoded_bytes);
        place.send(UnderWay { begun, _frame: taken });
    }
}

/// The next frame and the memory taken for it and for what it is decoded into; `None` where the peer has gone between two frames.
async fn read_frame<R: AsyncRead + Unpin>(
    socket: &mut R,
    buffer: &mut BytesMut,
    shared: &Shared,
) -> Result<Option<(Bytes, Taken)>, ConnectionError> {
    let frame_bytes = loop {
        match frame::status(buffer, shared.config.request_bytes_max)? {
            Status::Whole { frame_bytes } => break frame_bytes,
            // A large one has memory of its own, once it is known what it is.
            Status::NeedBody { frame_bytes } if frame_bytes > SMALL_FRAME_BYTES && buffer.len() >= HEAD_BYTES => break frame_bytes,
            Status::NeedLength | Status::NeedBody { .. } => {}
        }
        buffer.reserve(READ_BYTES);
        let patience = if buffer.is_empty() { idle_for(shared) } else { stalled_for(shared) };
        if within(patience, socket.read_buf(buffer)).await? == 0 {
            return if buffer.is_empty() { Ok(None) } else { Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()) };
        }
    };
    let api = buffer.get(frame::PREFIX_BYTES..HEAD_BYTES).map(|api| i16::from_be_bytes([api[0], api[1]]));
    let worth = dispatch::worth(api, frame_bytes).map_err(ConnectionError::Request)?;
    let budget = if frame_bytes <= SMALL_FRAME_BYTES { &shared.small_requests } else { &shared.requests };
    let taken = budget.take(worth).await;
    buffer.advance(frame::PREFIX_BYTES);
    if buffer.len() >= frame_bytes {
        return Ok(Some((buffer.split_to(frame_bytes).freeze(), taken)));
    }
    // Memory of its own, as long as the frame: what the connection reads into next must not keep a large one alive.
    let mut frame = BytesMut::with_capacity(frame_bytes);
    frame.extend_from_slice(buffer);
    buffer.clear();
    read_rest(socket, &mut frame, frame_bytes, shared).await?;
    Ok(Some((frame.freeze(), taken)))
}

/// Reads a large frame to its end. It holds memory meanwhile: while others wait for that, a peer that is too slow is cut off.
async fn read_rest<R: AsyncRead + Unpin>(
    socket: &mut R,
    frame: &mut BytesMut,
    frame_bytes: usize,
    shared: &Shared,
) -> Result<(), ConnectionError> {
    let begun = Instant::now();
    let mut moved = begun;
    while frame.len() < frame_bytes {
        let missing = frame_bytes - frame.len();
        let mut rest = (&mut *frame).limit(missing);
        match tokio::time::timeout(SLOW_AFTER, socket.read_buf(&mut rest)).await {
            Ok(Ok(0)) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(read) => {
                read?;
                moved = Instant::now();
            }
            Err(_) => {}
        }
        let is_in_the_way = shared.requests.is_short() && begun.elapsed() > time_for(frame_bytes);
        if is_in_the_way || moved.elapsed() >= stalled_for(shared) {
            return Err(ConnectionError::Stalled);
        }
    }
    Ok(())
}

/// How long a frame may be under way while others wait for its memory.
fn time_for(frame_bytes: usize) -> Duration {
    STALLED_WHILE_SHORT + Duration::from_secs_f64(frame_bytes as f64 / SLOWEST_BYTES_PER_SECOND)
}

async fn write_answers<W: AsyncWrite + Unpin>(
    mut socket: W,
    mut answers: mpsc::Receiver<UnderWay>,
    shared: Arc<Shared>,
) -> Result<(), ConnectionError> {
    while let Some(UnderWay { begun, _frame }) = answers.recv().await {
        let finished = match begun {
            Begun::Answer(answer) => answer.await,
            Begun::Silent(rest) => {
                rest.await.map_err(ConnectionError::Request)?;
                continue;
            }
        };
        drop(_frame);
        let (answer, charged) = finished.map_err(ConnectionError::Request)?;
        shared.counters.response_bytes.add(answer.len() as u64);
        write_all(&mut socket, answer, &shared).await?;
        drop(charged);
    }
    socket.shutdown().await?;
    Ok(())
}

/// Writes every slice, as many at once as the system takes.
async fn write_all<W: AsyncWrite + Unpin>(socket: &mut W, answer: Encoded, shared: &Shared) -> Result<(), ConnectionError> {
    let mut left = VecDeque::from(answer.into_slices());
    while !left.is_empty() {
        let mut written = write_some(socket, &mut left, shared).await?;
        if written == 0 {
            return Err(io::Error::from(io::ErrorKind::WriteZero).into());
        }
        while let Some(first) = left.front_mut() {
            if written < first.len() {
                first.advance(written);
                break;
            }
            written -= first.len();
            left.pop_front();
            if written == 0 {
                break;
            }
        }
    }
    // What TLS has encrypted is not sent yet.
    let from = Instant::now();
    while tokio::time::timeout(SLOW_AFTER, socket.flush()).await.map(|flushed| flushed.map(Some)).unwrap_or(Ok(None))?.is_none() {
        check_patience(from, shared)?;
    }
    Ok(())
}

/// Writes what the socket takes, as soon as it takes anything; gives how much.
async fn write_some<W: AsyncWrite + Unpin>(socket: &mut W, left: &mut VecDeque<Bytes>, shared: &Shared) -> Result<usize, ConnectionError> {
    let from = Instant::now();
    let mut is_copied = false;
    loop {
        let slices: Vec<IoSlice<'_>> = left.iter().take(64).map(|slice| IoSlice::new(slice)).collect();
        if let Ok(written) = tokio::time::timeout(SLOW_AFTER, socket.write_vectored(&slices)).await {
            return Ok(written?);
        }
        check_patience(from, shared)?;
        if !std::mem::replace(&mut is_copied, true) {
            left.iter_mut().for_each(|slice| *slice = Bytes::copy_from_slice(slice));
        }
    }
}

/// Whether a peer that has taken nothing since `from` is still waited for.
fn check_patience(from: Instant, shared: &Shared) -> Result<(), ConnectionError> {
    let is_short = shared.responses.is_short() || shared.cold_reads.is_short() || shared.plain_responses.is_short();
    let patience = if is_short { STALLED_WHILE_SHORT } else { STALLED_FOR };
    if from.elapsed() >= patience.min(stalled_for(shared)) { Err(ConnectionError::Stalled) } else { Ok(()) }
}

async fn within<T>(patience: Duration, io: impl Future<Output = io::Result<T>>) -> Result<T, ConnectionError> {
    tokio::time::timeout(patience, io).await.map_err(|_| ConnectionError::Stalled)?.map_err(ConnectionError::from)
}
