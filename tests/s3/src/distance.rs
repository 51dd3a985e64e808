//! A server that is as far away as a real one: its answers begin after a while, and all of them share one link.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

/// How far away a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distance {
    /// From a request's end to the beginning of its answer.
    pub first_byte: Duration,
    /// What all answers share.
    pub bytes_per_second: u64,
}

/// What is written at once.
const PIECE_BYTES: usize = 64 << 10;
/// Shorter waits are saved up: timers are no finer.
const WAIT_MIN: Duration = Duration::from_millis(2);

/// The way of all answers of one server.
pub(crate) struct Link {
    distance: Distance,
    /// When all that was written so far is through.
    free_at: Mutex<Instant>,
}

impl Link {
    pub(crate) fn new(distance: Distance) -> Self {
        Self { distance, free_at: Mutex::new(Instant::now()) }
    }

    pub(crate) fn first_byte(&self) -> Duration {
        self.distance.first_byte
    }

    /// When so many bytes more are through.
    fn take(&self, bytes: usize) -> Instant {
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let through = Duration::from_secs_f64(bytes as f64 / self.distance.bytes_per_second as f64);
        *free_at = (*free_at).max(Instant::now()) + through;
        *free_at
    }
}

/// A connection whose answers go over the link, if there is one.
pub(crate) struct Linked<S> {
    connection: S,
    link: Option<Arc<Link>>,
    wait: Option<Pin<Box<Sleep>>>,
}

impl<S> Linked<S> {
    pub(crate) fn new(connection: S, link: Option<Arc<Link>>) -> Self {
        Self { connection, link, wait: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Linked<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Linked<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(link) = self.link.clone() else { return Pin::new(&mut self.connection).poll_write(context, bytes) };
        if let Some(wait) = &mut self.wait {
            ready!(wait.as_mut().poll(context));
            self.wait = None;
        }
        let piece = &bytes[..bytes.len().min(PIECE_BYTES)];
        let written = ready!(Pin::new(&mut self.connection).poll_write(context, piece))?;
        let through = link.take(written);
        if through > Instant::now() + WAIT_MIN {
            self.wait = Some(Box::pin(tokio::time::sleep_until(through)));
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn connections_share_the_link() {
        let link = Link::new(Distance { first_byte: Duration::ZERO, bytes_per_second: 1000 });
        let began = Instant::now();
        assert_eq!(link.take(500) - began, Duration::from_millis(500));
        assert_eq!(link.take(500) - began, Duration::from_secs(1), "the second waits for the first");
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(link.take(1000) - began, Duration::from_secs(6), "what was not used is gone");
    }
}
