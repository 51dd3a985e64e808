//! A body on its way out: its pieces as they are, uncopied, with a count of what was taken from it.

use crate::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

/// Bytes of a body that the connection has taken so far; shows whether an attempt still moves.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress(Arc<AtomicU64>);

/// Largest piece handed to the connection at once, so that progress shows.
const FRAME_BYTES_MAX: usize = 256 * 1024;

/// The pieces of a [`Body`] as an HTTP body of known length.
#[derive(Debug)]
pub(super) struct Pieces {
    pieces: VecDeque<Bytes>,
    left: u64,
    progress: Progress,
}

impl Pieces {
    pub(super) fn new(body: &Body, progress: Progress) -> Self {
        Self { pieces: body.pieces().iter().cloned().collect(), left: body.len(), progress }
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(mut piece) = self.pieces.pop_front() else { return Poll::Ready(None) };
        if piece.len() > FRAME_BYTES_MAX {
            let rest = piece.split_off(FRAME_BYTES_MAX);
            self.pieces.push_front(rest);
        }
        self.left -= piece.len() as u64;
        self.progress.0.fetch_add(piece.len() as u64, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl Progress {
    /// What `attempt` gives; `None` where nothing moved for `bound`.
    ///
    /// # Cancel safety
    /// Dropping it drops the attempt.
    pub(super) async fn watch<T>(&self, bound: Duration, attempt: impl Future<Output = T>) -> Option<T> {
        let mut attempt = std::pin::pin!(attempt);
        loop {
            let before = self.0.load(Ordering::Relaxed);
            tokio::select! {
                answer = &mut attempt => return Some(answer),
                () = tokio::time::sleep(bound) => {
                    if self.0.load(Ordering::Relaxed) == before {
                        return None;
                    }
                }
            }
        }
    }
}
