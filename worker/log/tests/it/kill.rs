//! SIGKILL of a process that appends.
