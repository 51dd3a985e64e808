//! The binary as processes of their own: `streamwright dev` as its user sees it, on the terminal, in the log, in the status and by exit codes;
//! `streamwright broker` and `streamwright pipeline` as the operator, the kubelet and Kafka clients see them.

mod broker_pod;
mod check;
mod edits;
mod kit;
mod pipeline_pod;
mod pipelines;
mod pod;
mod process;
mod terminal;
