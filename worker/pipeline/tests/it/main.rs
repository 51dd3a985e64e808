//! Pipelines against our broker, in one process: what they write, what they say, and what kills and restarts leave of it.

mod exactly_once;
mod faults;
mod hostile;
mod sources;
mod stack;
mod standing;
mod windows;
