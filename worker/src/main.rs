//! The `streamwright` binary.
fn main() {}
