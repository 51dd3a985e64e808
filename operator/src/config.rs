//! What the operator is told by its environment.

use anyhow::Context;

/// What differs between installations.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Config {
    /// The data plane's image, without a tag.
    #[arg(long, env = "STREAMWRIGHT_IMAGE")]
    pub image: String,
    /// The namespace that the operator runs in.
    #[arg(long, env = "STREAMWRIGHT_NAMESPACE", default_value = "streamwright-system")]
    pub namespace: String,
    /// Namespaces to look after, separated by commas; empty: all.
    #[arg(long, env = "STREAMWRIGHT_WATCH_NAMESPACES", default_value = "")]
    pub watch_namespaces: String,
    /// The operator's pod: who it is when it asks to lead.
    #[arg(long, env = "POD_NAME")]
    pub pod_name: String,
    /// Folder with `ca.crt`, `tls.crt` and `tls.key` by which workers know it. The operator writes them there.
    #[arg(long, env = "STREAMWRIGHT_CONTROL_TLS", default_value = "/run/streamwright/control")]
    pub control_tls: std::path::PathBuf,
    /// Where it says how it is: `/livez`, `/readyz`, `/metrics`.
    #[arg(long, env = "STREAMWRIGHT_HEALTH", default_value = "0.0.0.0:8080")]
    pub health: std::net::SocketAddr,
}

impl Config {
    /// The namespaces to look after, in order and each once; none: all.
    ///
    /// # Errors
    /// Where one is not the name of a namespace.
    pub fn namespaces(&self) -> anyhow::Result<Vec<String>> {
        let mut names: Vec<String> =
            self.watch_namespaces.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        names.sort();
        names.dedup();
        let is_plain =
            |name: &String| name.len() <= 63 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let odd = names.iter().find(|name| !is_plain(name));
        odd.map_or(Ok(()), |odd| Err(anyhow::anyhow!("{odd:?} is not the name of a namespace")))
            .context("STREAMWRIGHT_WATCH_NAMESPACES")?;
        Ok(names)
    }
}
