//! Ctrl-C and SIGTERM: the first asks for an orderly stop, the second ends the process at once.

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

/// Exit code of a process that a second Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// Listens for signals in a task of its own, so that the second one is heard whatever the process is doing. The receiver resolves with the first.
///
/// # Errors
/// Where the process cannot listen for signals.
pub(crate) fn on_signal() -> std::io::Result<oneshot::Receiver<()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let (asked, stop) = oneshot::channel();
    tokio::spawn(async move {
        let mut asked = Some(asked);
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            match asked.take() {
                Some(asked) => drop(asked.send(())),
                None => std::process::exit(INTERRUPTED),
            }
        }
    });
    Ok(stop)
}
