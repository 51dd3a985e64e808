//! What `streamwright broker --config FILE` reads.

use std::{net::IpAddr, path::PathBuf};

use control::ObjectRef;
use serde::Deserialize;

use crate::pod::config::{ControlSection, HealthSection, StoreSection};

/// The file is the same for every pod of a Cluster. Topics, listeners and all that may change while a broker runs are not in it: the
/// operator pushes them.
///
/// ```yaml
/// cluster: {namespace: streaming, name: main}
/// dataDir: /var/lib/streamwright
/// control: {bind: "0.0.0.0:9095", tlsDir: /etc/streamwright/control}
/// tlsDir: /etc/streamwright/tls
/// health: {bind: "0.0.0.0:9090"}
/// objectStore: {s3: {bucket: acme-streams, prefix: main, region: eu-central-1, credentialsDir: /etc/streamwright/store-credentials}}
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BrokerFile {
    /// The Cluster.
    pub(crate) cluster: ObjectRef,
    /// Kafka's `node.id`; absent = the number at the end of the pod's name (`POD_NAME`).
    pub(crate) broker_id: Option<u32>,
    /// The folder of the volume.
    pub(crate) data_dir: PathBuf,
    /// Where the operator reaches it.
    pub(crate) control: ControlSection,
    /// The folder that has, for each listener with TLS, a folder with `tls.crt` and `tls.key`; absent = none can have TLS.
    pub(crate) tls_dir: Option<PathBuf>,
    /// Address on which listeners listen; absent = all of the pod's.
    pub(crate) listen_host: Option<IpAddr>,
    /// Where probes and metrics are served.
    pub(crate) health: HealthSection,
    /// Where data goes for good; absent = a folder on the volume.
    pub(crate) object_store: Option<StoreSection>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_file_is_read_and_what_a_later_one_adds_is_skipped() {
        let text = "
cluster: {namespace: streaming, name: main}
dataDir: /var/lib/streamwright
control: {bind: '0.0.0.0:9095', tlsDir: /etc/streamwright/control, laterField: 1}
tlsDir: /etc/streamwright/tls
health: {bind: '0.0.0.0:9090'}
objectStore: {s3: {bucket: acme, prefix: main, region: eu, endpoint: 'https://s3', forcePathStyle: true, credentialsDir: /c}}
laterSection: {any: thing}
";
        let file: BrokerFile = serde_yaml::from_str(text).unwrap();
        assert_eq!((file.cluster.to_string().as_str(), file.broker_id), ("streaming/main", None));
        assert_eq!(file.object_store.unwrap().s3.unwrap().bucket, "acme");
        let error = serde_yaml::from_str::<BrokerFile>("cluster: {namespace: a, name: b}").unwrap_err().to_string();
        assert!(error.contains("dataDir"), "{error}");
    }
}
