//! One seeded, single-threaded world: broker, network, object store, processes, and a fault plan.

pub mod broker;
pub mod flow;
pub mod log;
pub mod oracle;
pub mod process;
pub mod random;
pub mod restore;
pub mod world;
