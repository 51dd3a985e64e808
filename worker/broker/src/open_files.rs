//! The system's limit on open files: each connection is one, and shells give a process few.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files of the log and its store that are open besides.
const OTHERS: u64 = 256;

/// Raises the limit as far as this process may, and says so where that is too little for `connections_max`.
pub(crate) fn raise_limit(connections_max: usize) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return warn_if_short(limit, connections_max);
    }
    match setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        Ok(()) => warn_if_short(Rlimit { current: limit.maximum, ..limit }, connections_max),
        Err(reason) => tracing::warn!(%reason, limit = limit.current, "raise the limit on open files"),
    }
}

fn warn_if_short(limit: Rlimit, connections_max: usize) {
    let wanted = connections_max as u64 + OTHERS;
    if limit.current.is_some_and(|current| current < wanted) {
        tracing::warn!(
            limit = limit.current,
            wanted,
            "few files may be open at once: raise the hard limit (ulimit -n), or connections will be refused"
        );
    }
}
