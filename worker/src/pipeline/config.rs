//! What `streamwright pipeline --config FILE` reads.

use std::path::PathBuf;

use control::ObjectRef;
use serde::Deserialize;

use crate::pod::config::{ControlSection, HealthSection, StoreSection};

/// The file is the same for every pod of a Pipeline.
///
/// ```yaml
/// pipeline: {namespace: shop, name: totals}
/// kafka: {bootstrapServers: "main-bootstrap.streaming.svc:9092", caDir: /etc/streamwright/authorities}
/// control: {bind: "0.0.0.0:9095", tlsDir: /etc/streamwright/control}
/// health: {bind: "0.0.0.0:9090"}
/// desired: /etc/streamwright/config/desired.json
/// scratchDir: /tmp
/// objectStore: {s3: {bucket: acme-streams, prefix: main, region: eu-central-1}}
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PipelineFile {
    /// The Pipeline.
    pub(crate) pipeline: ObjectRef,
    /// Number of the pod; absent = the number at the end of its name (`POD_NAME`).
    pub(crate) ordinal: Option<u32>,
    /// The brokers.
    pub(crate) kafka: KafkaSection,
    /// Where the operator reaches it.
    pub(crate) control: ControlSection,
    /// Where probes and metrics are served.
    pub(crate) health: HealthSection,
    /// File with the first desired state, `control::DesiredPipeline` as JSON; a higher generation comes from the operator.
    pub(crate) desired: PathBuf,
    /// Folder that `'connector' = 'filesystem'` may read; absent = files come from the object store (`<prefix>/files/<namespace>/`) into
    /// `scratchDir`, or else are where the desired state says.
    pub(crate) files_dir: Option<PathBuf>,
    /// Folder for what need not survive the pod.
    pub(crate) scratch_dir: Option<PathBuf>,
    /// Where checkpoints are kept; absent = nowhere: state stays in the log.
    pub(crate) object_store: Option<StoreSection>,
}

/// How the brokers are reached.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KafkaSection {
    /// Addresses to start from, `host:port`, separated by commas.
    pub(crate) bootstrap_servers: String,
    /// Present = TLS: the folder with `ca.crt`, the certificates that vouch for the brokers.
    pub(crate) ca_dir: Option<PathBuf>,
}

impl KafkaSection {
    /// The addresses, apart.
    pub(crate) fn bootstrap(&self) -> Vec<String> {
        self.bootstrap_servers.split(',').map(str::trim).filter(|address| !address.is_empty()).map(String::from).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_file_is_read() {
        let text = "
pipeline: {namespace: shop, name: totals}
kafka: {bootstrapServers: 'a:1, b:2', caDir: /etc/streamwright/authorities}
control: {bind: '0.0.0.0:9095', tlsDir: /etc/streamwright/control}
health: {bind: '0.0.0.0:9090'}
desired: /etc/streamwright/config/desired.json
scratchDir: /tmp
";
        let file: PipelineFile = serde_yaml::from_str(text).unwrap();
        assert_eq!(file.kafka.bootstrap(), ["a:1", "b:2"]);
        assert_eq!((file.pipeline.to_string().as_str(), file.ordinal, file.object_store), ("shop/totals", None, None));
    }
}
