//! An S3 server for tests: objects in memory, conditional writes that arbitrate, and faults on demand.
//!
//! ```no_run
//! use streamwright_tests_s3::{Fault, Injection, Operation, Server};
//! let server = Server::start();
//! server.inject(Injection::next(Operation::PutObject, Fault::CutAfter).of("epoch")); // it succeeds, and its answer is lost
//! println!("{} {}", server.endpoint(), server.bucket());
//! // … any S3 client, path style, with `server.access_key_id()` and `server.secret_access_key()` …
//! assert_eq!(server.requests().of(Operation::PutObject), 1);
//! ```
//!
//! Every request is checked as S3 does (signatures, checksums), and every conditional write is decided and performed in one step
//! under the bucket's lock. [`Conduct`] makes the server one of those that do not. Requests and their bytes are counted, so that
//! tests can hold what a design costs.

mod conduct;
mod distance;
mod fault;
mod objects;
mod operation;
mod requests;
mod server;
mod service;
mod wire;

pub use conduct::Conduct;
pub use distance::Distance;
pub use fault::{Fault, Injection, Plan};
pub use operation::Operation;
pub use requests::{Entry, Requests};
pub use server::Server;
