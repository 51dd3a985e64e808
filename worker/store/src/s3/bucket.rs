//! A bucket as all calls share it: the client, the bounds, and how one request is sent and tried again.

use super::{
    config::{S3Config, S3Credentials},
    credentials::FolderCredentials,
    hedging::Hedging,
    lane::Lane,
    patience::Patience,
    stream::Progress,
    trouble::Trouble,
};
use crate::{Key, StoreError, WriteIds};
use aws_sdk_s3::{
    Client,
    config::{BehaviorVersion, IdentityCache, Region, RequestChecksumCalculation, ResponseChecksumValidation, SharedCredentialsProvider},
    config::{StalledStreamProtectionConfig, retry::RetryConfig, timeout::TimeoutConfig},
    error::{ProvideErrorMetadata, SdkError},
};
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use std::{
    error::Error,
    hash::BuildHasher,
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};
use tokio::sync::OnceCell;

/// What every call needs.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) client: Client,
    pub(super) config: S3Config,
    pub(super) reads: Lane,
    pub(super) writes: Lane,
    /// Whether the store holds the condition of a multipart put; asked before the first.
    pub(super) parts_are_arbitrated: OnceCell<bool>,
    /// Ids of the store's own scratch objects.
    pub(super) ids: WriteIds,
    /// The bucket, and where it is, for people.
    pub(super) place: String,
    hedging: Mutex<Hedging>,
    seeds: std::hash::RandomState,
}

/// Connections that idle longer are closed, before the other side does it in the midst of a request.
const IDLE_CONNECTION: Duration = Duration::from_secs(15);

impl Bucket {
    /// Makes the client; asks nothing of the store.
    pub(super) async fn open(config: S3Config) -> Result<Self, StoreError> {
        let place = check(&config)?;
        Ok(Self {
            client: client(&config).await,
            reads: Lane::new(config.limits.reads),
            writes: Lane::new(config.limits.writes),
            hedging: Mutex::new(Hedging::new(config.limits.hedge_percent)),
            parts_are_arbitrated: OnceCell::new(),
            ids: WriteIds::random(),
            seeds: std::hash::RandomState::new(),
            place,
            config,
        })
    }

    /// The key in the bucket of `text`, a key or the beginning of one.
    pub(super) fn full(&self, text: &str) -> String {
        match self.config.prefix.as_str() {
            "" => text.to_owned(),
            prefix => format!("{prefix}/{text}"),
        }
    }

    /// The key of an object in the bucket; `None` where it is not one of ours.
    pub(super) fn key(&self, full: &str) -> Option<Key> {
        let text = match self.config.prefix.as_str() {
            "" => full,
            prefix => full.strip_prefix(prefix)?.strip_prefix('/')?,
        };
        Key::new(text).ok()
    }

    /// The patience of a call that begins now.
    pub(super) fn patience(&self) -> Patience {
        let now = Instant::now();
        Patience::new(&self.config.limits, now, self.seeds.hash_one(self.ids.next()))
    }

    /// Sends one request, which may show no progress for the bound of an attempt.
    pub(super) async fn send<T, E>(
        &self,
        operation: &'static str,
        progress: &Progress,
        request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, Trouble>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        self.send_within(self.config.limits.stall_timeout, operation, progress, request).await
    }

    /// Sends one request, which may show no progress for `bound`.
    pub(super) async fn send_within<T, E>(
        &self,
        bound: Duration,
        operation: &'static str,
        progress: &Progress,
        request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, Trouble>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        match progress.watch(bound, request).await {
            Some(answer) => answer.map_err(|error| Trouble::of(operation, &error)),
            None => Err(Trouble::stalled(operation, bound)),
        }
    }

    /// Makes attempts until one succeeds or patience ends. For what may be done twice.
    pub(super) async fn persist<T, F>(&self, mut attempt: impl FnMut() -> F) -> Result<T, Trouble>
    where
        F: Future<Output = Result<T, Trouble>>,
    {
        let mut patience = self.patience();
        loop {
            let trouble = match attempt().await {
                Ok(answer) => return Ok(answer),
                Err(trouble) => trouble,
            };
            match patience.pause_after(trouble.kind, Instant::now()) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(trouble),
            }
        }
    }

    /// What the caller of a call for `text` is told.
    pub(super) fn error(&self, trouble: Trouble, text: &str) -> StoreError {
        trouble.into_error(&self.place, text)
    }

    pub(super) fn hedging(&self) -> MutexGuard<'_, Hedging> {
        self.hedging.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Says where the bucket is, or what is wrong with the configuration.
fn check(config: &S3Config) -> Result<String, StoreError> {
    let S3Config { bucket, prefix, endpoint, .. } = config;
    let wrong = |what: String| StoreError::Failed { action: format!("open bucket {bucket:?}"), source: what.into() };
    if bucket.is_empty() || bucket.contains('/') {
        return Err(wrong("not the name of a bucket".into()));
    }
    if !prefix.is_empty()
        && let Err(error) = Key::new(prefix)
    {
        return Err(wrong(format!("the prefix cannot begin a key: {error}")));
    }
    if let Some(endpoint) = endpoint
        && !["http://", "https://"].iter().any(|scheme| endpoint.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
    {
        return Err(wrong(format!("endpoint {endpoint:?} is neither http://… nor https://…")));
    }
    let slash = if prefix.is_empty() { "" } else { "/" };
    let at = endpoint.as_ref().map(|endpoint| format!(" at {endpoint}")).unwrap_or_default();
    Ok(format!("s3://{bucket}{slash}{prefix}{at}"))
}

async fn client(config: &S3Config) -> Client {
    let limits = &config.limits;
    let http = aws_smithy_http_client::Builder::new()
        .pool_idle_timeout(IDLE_CONNECTION)
        .pool_max_idle_per_host(limits.reads.requests_max + limits.writes.requests_max)
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https();
    let region = config
        .region
        .clone()
        .or_else(|| ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|name| std::env::var(name).ok()))
        .filter(|region| !region.is_empty())
        .unwrap_or_else(|| "us-east-1".into());
    let region = Region::new(region);
    let builder = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http.clone())
        .region(region.clone())
        .force_path_style(config.force_path_style)
        // Patience is ours: a retry that nobody sees can take its own first attempt for a rival.
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().connect_timeout(limits.connect_timeout).build())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        // Checksums travel in our own metadata and in a header; trailing ones are refused by several stores.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    let builder = match &config.endpoint {
        Some(endpoint) => builder.endpoint_url(endpoint),
        None => builder,
    };
    let builder = match &config.credentials {
        S3Credentials::Keys { access_key_id, secret_access_key } => builder.credentials_provider(SharedCredentialsProvider::new(
            aws_credential_types::Credentials::new(access_key_id, secret_access_key, None, None, "keys"),
        )),
        S3Credentials::Folder(folder) => builder
            .credentials_provider(SharedCredentialsProvider::new(FolderCredentials::new(folder.clone())))
            .identity_cache(IdentityCache::no_cache()),
        S3Credentials::Chain => {
            let chain = aws_config::default_provider::credentials::DefaultCredentialsChain::builder()
                .configure(
                    aws_config::provider_config::ProviderConfig::without_region().with_http_client(http).with_region(Some(region.clone())),
                )
                .region(region)
                .build()
                .await;
            builder.credentials_provider(SharedCredentialsProvider::new(chain))
        }
    };
    Client::from_conf(builder.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_a_bucket_is_refused_by_name() {
        let with = |change: fn(&mut S3Config)| {
            let mut config = S3Config::of_bucket("streams");
            change(&mut config);
            check(&config).map_err(|error| format!("{error}: {}", error.source().unwrap()))
        };
        assert_eq!(with(|_| {}).unwrap(), "s3://streams");
        assert_eq!(with(|config| config.prefix = "a/b".into()).unwrap(), "s3://streams/a/b");
        assert!(with(|config| config.prefix = "/a".into()).unwrap_err().contains("prefix"));
        assert!(with(|config| config.bucket = String::new()).unwrap_err().contains("bucket"));
        assert!(with(|config| config.endpoint = Some("minio:9000".into())).unwrap_err().contains("minio:9000"));
    }
}
