//! What `streamwright dev` is told on the command line.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    path::PathBuf,
};

/// Arguments of `streamwright dev`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// Folder with the manifests (*.yaml, *.yml, *.json, below it too), or one file. Changes are taken over while it runs.
    pub(crate) dir: PathBuf,
    /// Folder for all data: the log, sealed objects, state, accepted manifests, status.json.
    #[arg(long, default_value = ".streamwright")]
    pub(crate) data_dir: PathBuf,
    /// Loopback address for Kafka clients; port 0 takes any that is free.
    #[arg(long, default_value = "127.0.0.1:9092", value_parser = loopback)]
    pub(crate) listen: SocketAddr,
    /// Only check the manifests and queries: exit code 0 if all is well, 1 if not.
    #[arg(long)]
    pub(crate) check: bool,
    /// How log lines are written to standard error.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

/// How log lines are written.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A `host:port` of this machine's loopback: there are no logins here, so nobody else may come in.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let found = text.to_socket_addrs().map_err(|error| format!("{error}: write it as 127.0.0.1:9092"))?;
    let mut loopback: Vec<SocketAddr> = found.filter(|address| address.ip().is_loopback()).collect();
    loopback.sort_by_key(SocketAddr::is_ipv6);
    loopback.first().copied().ok_or_else(|| "dev asks nobody for a password, so it listens on loopback only: 127.0.0.1:PORT".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_listened_on() {
        assert_eq!(loopback("127.0.0.1:0"), Ok("127.0.0.1:0".parse().unwrap()));
        assert_eq!(loopback("localhost:9092"), Ok("127.0.0.1:9092".parse().unwrap()));
        assert!(loopback("0.0.0.0:9092").unwrap_err().contains("loopback"));
        assert!(loopback("9092").unwrap_err().contains("127.0.0.1:9092"));
    }
}
