//! The two tasks of a connection: one writes requests, one reads answers.
//!
//! A request counts as sent from the moment its bytes may reach the socket. Before it, dropping it says "not sent"; after it, only an answer
//! or an explicit loss ends it.

use std::{collections::VecDeque, io::IoSlice, sync::Arc};

use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf},
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};
use wire::{Encoded, frame};

/// Room made before a read; a larger answer is given room as its bytes come.
const READ_BYTES: usize = 64 << 10;
/// Most room made at once on the word of a length that a peer sent.
const READ_AHEAD_BYTES_MAX: usize = 4 << 20;

/// A request that waits to be written.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) frame: Encoded,
    pub(super) in_flight: InFlight,
}

/// A request whose answer is due. Dropping `reply` says that the request was not sent.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) correlation_id: i32,
    pub(super) deadline: Instant,
    pub(super) reply: oneshot::Sender<Result<Bytes, Arc<str>>>,
}

/// Starts both tasks. They end when `outgoing` is closed and all is answered, or when the connection fails.
pub(super) fn start<S>(stream: S, outgoing: mpsc::Receiver<Outgoing>, response_bytes_max: usize)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (read_half, write_half) = tokio::io::split(stream);
    let (sent, due) = mpsc::unbounded_channel();
    let (reader_lives, reader_ended) = oneshot::channel();
    tokio::spawn(write(write_half, outgoing, sent, reader_ended));
    tokio::spawn(Reader { read_half, due, buffer: BytesMut::new(), bytes_max: response_bytes_max, current: None }.run(reader_lives));
}

async fn write<S: AsyncWrite>(
    mut socket: WriteHalf<S>,
    mut outgoing: mpsc::Receiver<Outgoing>,
    sent: mpsc::UnboundedSender<InFlight>,
    mut reader_ended: oneshot::Receiver<()>,
) {
    loop {
        let request = tokio::select! {
            request = outgoing.recv() => request,
            _ = &mut reader_ended => return,
        };
        let Some(Outgoing { frame, in_flight }) = request else { break };
        // From here on the request counts as sent: the reader answers for it.
        if sent.send(in_flight).is_err() {
            return;
        }
        let mut slices = Slices(frame.into_slices().into());
        let written = tokio::select! {
            // Under TLS what is written may still wait to be sent.
            written = async { socket.write_all_buf(&mut slices).await?; socket.flush().await } => written,
            _ = &mut reader_ended => return,
        };
        if written.is_err() {
            return;
        }
    }
    // Nobody will ask any more. The reader ends after the last answer; closing our side before it could make the broker drop it.
    drop(sent);
    let _ = reader_ended.await;
    let _ = socket.shutdown().await;
}

struct Reader<S> {
    read_half: ReadHalf<S>,
    due: mpsc::UnboundedReceiver<InFlight>,
    buffer: BytesMut,
    bytes_max: usize,
    current: Option<InFlight>,
}

impl<S: AsyncRead> Reader<S> {
    /// Reads until there is nothing left to read; then `lives` is dropped, which ends the writer.
    async fn run(mut self, lives: oneshot::Sender<()>) {
        let reason = self.read().await;
        // No more is taken from here on: what the writer still has is not sent.
        self.due.close();
        drop(lives);
        while let Some(lost) = self.current.take().or_else(|| self.due.try_recv().ok()) {
            let _ = lost.reply.send(Err(reason.clone()));
        }
    }

    async fn read(&mut self) -> Arc<str> {
        let mut is_more_due = true;
        loop {
            if self.current.is_none() && !is_more_due {
                return "nobody asks any more".into();
            }
            let deadline = self.current.as_ref().map(|current| current.deadline);
            if self.buffer.capacity() - self.buffer.len() < READ_BYTES / 8 {
                self.buffer.reserve(READ_BYTES);
            }
            tokio::select! {
                due = self.due.recv(), if self.current.is_none() && is_more_due => {
                    is_more_due = due.is_some();
                    self.current = due;
                }
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => return "no answer in time".into(),
                read = self.read_half.read_buf(&mut self.buffer) => match read {
                    Ok(0) => return "the other side closed the connection".into(),
                    Err(error) => return error.to_string().into(),
                    Ok(_) => if let Err(reason) = self.deliver() {
                        return reason;
                    },
                },
            }
        }
    }

    /// Hands out every answer that is there as a whole.
    fn deliver(&mut self) -> Result<(), Arc<str>> {
        loop {
            match frame::status(&self.buffer, self.bytes_max).map_err(|error| error.to_string())? {
                frame::Status::NeedLength => return Ok(()),
                frame::Status::NeedBody { frame_bytes } => {
                    let missing = frame_bytes + frame::PREFIX_BYTES - self.buffer.len();
                    self.buffer.reserve(missing.min(READ_AHEAD_BYTES_MAX));
                    return Ok(());
                }
                frame::Status::Whole { frame_bytes } => {
                    self.buffer.advance(frame::PREFIX_BYTES);
                    let answer = self.buffer.split_to(frame_bytes).freeze();
                    // The writer says what is due before it writes, so an answer never comes first.
                    let Some(current) = self.current.take().or_else(|| self.due.try_recv().ok()) else {
                        return Err("an answer came that nobody asked for".into());
                    };
                    if answer.first_chunk() != Some(&current.correlation_id.to_be_bytes()) {
                        self.current = Some(current);
                        return Err("an answer came to another request than the one that was due".into());
                    }
                    let _ = current.reply.send(Ok(answer));
                }
            }
        }
    }
}

/// A frame's slices as one buffer, for vectored writes.
struct Slices(VecDeque<Bytes>);

impl Buf for Slices {
    fn remaining(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.0.front().map_or(&[], |slice| slice)
    }

    fn chunks_vectored<'a>(&'a self, into: &mut [IoSlice<'a>]) -> usize {
        let filled = into.len().min(self.0.len());
        into.iter_mut().zip(&self.0).for_each(|(slot, slice)| *slot = IoSlice::new(slice));
        filled
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(front) = self.0.front_mut() {
            if count < front.len() {
                return front.advance(count);
            }
            count -= front.len();
            self.0.pop_front();
        }
        assert_eq!(count, 0, "no more is taken than there is");
    }
}
