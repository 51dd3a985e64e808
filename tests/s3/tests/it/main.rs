//! The S3 side of `store`, against our own server with its faults, and against two servers that are not ours.

mod arbitration;
mod budget;
mod conformance;
mod credentials;
mod identity;
mod kit;
mod multipart;
mod others;
mod puts;
mod races;
mod reads;
mod removal;
