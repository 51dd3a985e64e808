//! `streamwright dev` as a process of its own: what its user sees on the terminal, in the log, in the status, and by exit codes.

mod check;
mod edits;
mod kit;
mod pipelines;
mod process;
mod terminal;
