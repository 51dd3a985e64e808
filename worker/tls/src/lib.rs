//! TLS from a mounted folder: what a Kubernetes Secret of type `kubernetes.io/tls` looks like in a pod, taken up anew when it changes.
//!
//! ```text
//! ca.crt    certificates that the other side's must be signed by
//! tls.crt   own certificate, then those that lead to the CA
//! tls.key   its key
//! ```
//!
//! The files are looked at when a handshake begins, at most once a second: rotation needs neither a restart nor a task of its own. Handshakes
//! from then on use the new files, connections that are open live on. Files that do not belong together, or are half written, change
//! nothing: what was there stays in use and [`Server::problem`] says why.
//!
//! Knows no sockets and no runtime. TLS 1.2 and 1.3, by ring.

mod client;
mod error;
mod folder;
mod material;
mod server;

pub use client::Client;
pub use error::TlsError;
pub use server::Server;
