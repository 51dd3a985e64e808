//! What is built from Clusters and Pipelines.

mod certificates;
mod chart;
mod checks;
mod golden;
mod growth;
mod kit;
mod listeners;
mod network;
mod random;
mod restricted;
mod roll;
mod roll_hash;
