//! A whole broker on a real folder and a real socket, spoken to byte by byte.

mod groups;
mod hostile;
mod kit;
mod reading;
mod topics;
mod transactions;
mod writing;
