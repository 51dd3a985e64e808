//! The object store of a Cluster, as its pods and those of Pipelines reach it.

use crds::{LocalRef, cluster::S3};

use super::config::{S3Section, StoreSection, paths};

/// A bucket, and the Secret of the pod's own namespace whose keys open it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoreAccess<'a> {
    pub(crate) s3: &'a S3,
    /// `None`: the pod's own identity (web identity, or the machine's).
    pub(crate) credentials: Option<&'a LocalRef>,
}

impl StoreAccess<'_> {
    pub(crate) fn section(&self) -> StoreSection {
        StoreSection {
            s3: S3Section {
                bucket: self.s3.bucket.clone(),
                prefix: self.s3.prefix.clone(),
                region: self.s3.region.clone(),
                endpoint: self.s3.endpoint.clone(),
                force_path_style: self.s3.force_path_style,
                credentials_dir: self.credentials.map(|_| paths::CREDENTIALS.into()),
            },
        }
    }
}

/// Where an endpoint's packets go, as far as its URL says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// A Service of this namespace. Its pods may listen on other ports than the Service does, and policies see the pods' ports.
    Namespace(String),
    /// One address, in CIDR form.
    Address(String),
    /// Some address on this port.
    Port(i32),
}

/// Where requests to `endpoint` go; absent = Amazon's service.
pub(crate) fn destination(endpoint: Option<&str>) -> Destination {
    let Some(url) = endpoint else { return Destination::Port(443) };
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let authority = rest.split('/').next().unwrap_or_default();
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let default_port = if scheme == "http" { 80 } else { 443 };
    if let Ok(address) = host.parse::<std::net::IpAddr>() {
        return Destination::Address(format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 }));
    }
    let labels: Vec<&str> = host.split('.').collect();
    match labels.as_slice() {
        [_, namespace] | [_, namespace, "svc", ..] if port.is_some() || labels.len() > 2 => Destination::Namespace((*namespace).into()),
        _ => Destination::Port(port.and_then(|port| port.parse().ok()).unwrap_or(default_port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_says_where_its_packets_go() {
        let namespace = |name: &str| Destination::Namespace(name.into());
        for (url, wanted) in [
            ("https://s3.eu-central-1.amazonaws.com", Destination::Port(443)),
            ("https://minio.example.com:9443/path", Destination::Port(9443)),
            ("http://minio.example.com", Destination::Port(80)),
            ("http://minio.storage.svc:9000", namespace("storage")),
            ("http://minio.storage.svc.cluster.local", namespace("storage")),
            ("http://minio.storage:9000", namespace("storage")),
            ("http://10.0.0.7:9000", Destination::Address("10.0.0.7/32".into())),
            ("http://[fd00::7]:9000", Destination::Address("fd00::7/128".into())),
        ] {
            assert_eq!(destination(Some(url)), wanted, "{url}");
        }
        assert_eq!(destination(None), Destination::Port(443));
    }
}
