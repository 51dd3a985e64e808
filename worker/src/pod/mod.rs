//! What the processes of pods have in common: a configuration file, a name with a number, probes and metrics, a store, an orderly end.

pub(crate) mod config;
pub(crate) mod control;
pub(crate) mod health;
pub(crate) mod logging;
pub(crate) mod metrics;
pub(crate) mod name;
mod no_store;
pub(crate) mod store;

use std::path::PathBuf;

use crate::dev::arguments::LogFormat;

/// Arguments of `streamwright broker` and `streamwright pipeline`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// Configuration file (YAML), which the operator writes.
    #[arg(long)]
    pub(crate) config: PathBuf,
    /// How log lines are written to standard error.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}
