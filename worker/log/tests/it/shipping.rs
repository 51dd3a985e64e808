//! From the WAL to the object store and back to a reader.
