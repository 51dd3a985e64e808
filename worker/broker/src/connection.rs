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
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::mpsc,
};
use wire::{
    Encoded,
    frame::{self, Status},
};

use crate::{
    budget::Taken,
    dispatch::{self, Begun, Client},
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
/// Frames up to this size have memory of their own, so that heartbeats do not wait for what large requests hold.
const SMALL_FRAME_BYTES: usize = 16 << 10;

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

/// Serves the connection until the peer goes, breaks a rule, or the broker stops.
pub(crate) async fn serve(socket: TcpStream, peer: SocketAddr, shared: Arc<Shared>) -> Result<(), ConnectionError> {
    socket.set_nodelay(true)?;
    let (reader, writer) = socket.into_split();
    let (sender, receiver) = mpsc::channel(PIPELINED_MAX);
    let mut writing = tokio::spawn(write_answers(writer, receiver, Arc::clone(&shared)));
    let mut client = Client::new(peer);
    let read = tokio::select! {
        read = read_requests(reader, &mut client, &shared, sender) => read,
        () = shared.stop.cancelled() => Ok(()),
    };
    // The reader's end is dropped: the writer answers what was begun, and ends. Nobody takes answers from a socket that failed.
    let patience = if matches!(read, Err(ConnectionError::Io(_))) { Duration::ZERO } else { stalled_for(&shared) };
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

async fn read_requests(
    mut socket: OwnedReadHalf,
    client: &mut Client,
    shared: &Arc<Shared>,
    answers: mpsc::Sender<UnderWay>,
) -> Result<(), ConnectionError> {
    let mut buffer = BytesMut::with_capacity(READ_BYTES);
    loop {
        let Some((frame, taken)) = read_frame(&mut socket, &mut buffer, shared).await? else { return Ok(()) };
        // Taking a place first bounds what is begun; it is free again when the answer is written.
        let Ok(place) = answers.reserve().await else { return Ok(()) };
        let begun = dispatch::begin(shared, client, frame).map_err(ConnectionError::Request)?;
        place.send(UnderWay { begun, _frame: taken });
    }
}

/// The next frame and the memory taken for it; `None` where the peer has gone between two frames.
async fn read_frame(socket: &mut OwnedReadHalf, buffer: &mut BytesMut, shared: &Shared) -> Result<Option<(Bytes, Taken)>, ConnectionError> {
    let frame_bytes = loop {
        match frame::status(buffer, shared.config.request_bytes_max)? {
            Status::NeedLength => {
                buffer.reserve(READ_BYTES);
                let patience = if buffer.is_empty() { idle_for(shared) } else { stalled_for(shared) };
                if within(patience, socket.read_buf(buffer)).await? == 0 {
                    return Ok(None);
                }
            }
            Status::NeedBody { frame_bytes } | Status::Whole { frame_bytes } => break frame_bytes,
        }
    };
    let budget = if frame_bytes <= SMALL_FRAME_BYTES { &shared.small_requests } else { &shared.requests };
    let taken = budget.take(frame_bytes).await;
    buffer.advance(frame::PREFIX_BYTES);
    if buffer.len() >= frame_bytes {
        return Ok(Some((buffer.split_to(frame_bytes).freeze(), taken)));
    }
    // Memory of its own, as long as the frame: what the connection reads into next must not keep a large one alive.
    let mut frame = BytesMut::with_capacity(frame_bytes);
    frame.extend_from_slice(buffer);
    buffer.clear();
    while frame.len() < frame_bytes {
        let missing = frame_bytes - frame.len();
        let mut rest = (&mut frame).limit(missing);
        if within(stalled_for(shared), socket.read_buf(&mut rest)).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
    Ok(Some((frame.freeze(), taken)))
}

async fn write_answers(
    mut socket: OwnedWriteHalf,
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
        write_all(&mut socket, answer, &shared).await?;
        drop(charged);
    }
    socket.shutdown().await?;
    Ok(())
}

/// Writes every slice, as many at once as the system takes.
async fn write_all(socket: &mut OwnedWriteHalf, answer: Encoded, shared: &Shared) -> Result<(), ConnectionError> {
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
    Ok(())
}

/// Writes what the socket takes, as soon as it takes anything; gives how much.
async fn write_some(socket: &mut OwnedWriteHalf, left: &mut VecDeque<Bytes>, shared: &Shared) -> Result<usize, ConnectionError> {
    let from = Instant::now();
    let mut is_copied = false;
    loop {
        let slices: Vec<IoSlice<'_>> = left.iter().take(64).map(|slice| IoSlice::new(slice)).collect();
        if let Ok(written) = tokio::time::timeout(SLOW_AFTER, socket.write_vectored(&slices)).await {
            return Ok(written?);
        }
        let patience = if shared.responses.is_short() { STALLED_WHILE_SHORT } else { STALLED_FOR };
        if from.elapsed() >= patience.min(stalled_for(shared)) {
            return Err(ConnectionError::Stalled);
        }
        if !std::mem::replace(&mut is_copied, true) {
            left.iter_mut().for_each(|slice| *slice = Bytes::copy_from_slice(slice));
        }
    }
}

async fn within<T>(patience: Duration, io: impl Future<Output = io::Result<T>>) -> Result<T, ConnectionError> {
    tokio::time::timeout(patience, io).await.map_err(|_| ConnectionError::Stalled)?.map_err(ConnectionError::from)
}
