//! Certificates: the authority in the operator's namespace, the pairs of workers and listeners in the namespaces where they run, and the
//! operator's own pair in a folder, by which workers know it.
//!
//! Keys are drawn only when something is due, and what was drawn is in force once the API server has it: never before.

use base64::Engine;
use control::ObjectRef;
use crds::Kind;
use http::Request;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;

use super::Ended;
use crate::{
    builder::Built,
    cache::Cache,
    certificates::{Authority, Identity, SECRETS, authority, leaf, operator, secrets},
    resource::{Key, Resource},
    write::{Lane, Work, Write, manager},
};

/// How long a fetch of the authority may take, and how often it is looked at.
const TIMEOUT: Duration = Duration::from_secs(10);
const PERIOD: Duration = Duration::from_secs(3600);
const AGAIN: Duration = Duration::from_secs(3);

/// The Secret of the authority, fetched; `Ok(None)`: there is none.
pub(super) struct FetchedAuthority(Result<Option<Value>, String>);

/// What is known of certificates.
pub(super) struct Vouching {
    namespace: String,
    /// Where the operator's own pair goes; `None`: it speaks to nobody by TLS.
    folder: Option<PathBuf>,
    /// The Secret as it is, and what is in it.
    kept: Option<(Option<Value>, Option<Authority>)>,
    fetch_at: Option<Instant>,
    /// The operator's own certificate.
    own: Option<String>,
    /// What was looked at when nothing was due last.
    settled: Option<u64>,
    trouble: String,
}

impl Vouching {
    pub(super) fn new(namespace: String, folder: Option<PathBuf>) -> Self {
        let own = folder.as_ref().and_then(|folder| std::fs::read_to_string(folder.join("tls.crt")).ok());
        Self { namespace, folder, kept: None, fetch_at: Some(Instant::now()), own, settled: None, trouble: String::new() }
    }

    fn key(&self) -> Key {
        Key::new(Resource::Secret, &*self.namespace, authority::SECRET)
    }

    /// A fetch, where one is due.
    pub(super) fn fetch(&mut self, client: &kube::Client) -> Option<futures::future::BoxFuture<'static, Ended>> {
        self.folder.as_ref()?;
        let is_due = self.fetch_at.is_some_and(|at| at <= Instant::now());
        let request = Request::get(self.key().path(None)).body(Vec::new()).ok().filter(|_| is_due)?;
        self.fetch_at = None;
        let client = client.clone();
        Some(Box::pin(async move {
            let fetched = match tokio::time::timeout(TIMEOUT, client.request::<Value>(request)).await {
                Err(_) => Err("no answer".to_owned()),
                Ok(Ok(body)) => Ok(Some(body)),
                Ok(Err(kube::Error::Api(status))) if status.code == 404 => Ok(None),
                Ok(Err(error)) => Err(error.to_string()),
            };
            Ended::Authority(FetchedAuthority(fetched))
        }))
    }

    /// When to look again.
    pub(super) fn next(&self) -> Option<Instant> {
        self.folder.as_ref().and(self.fetch_at)
    }

    pub(super) fn take(&mut self, FetchedAuthority(fetched): FetchedAuthority) {
        let now = Instant::now();
        match fetched {
            Ok(body) => {
                self.fetch_at = Some(now + PERIOD);
                self.keep(body);
            }
            Err(error) => {
                self.fetch_at = Some(now + AGAIN);
                self.say(format!("Secret {} cannot be read: {error}", authority::SECRET));
            }
        }
    }

    /// The Secret as the API server has it.
    pub(super) fn keep(&mut self, body: Option<Value>) {
        match Authority::read(&body.as_ref().map(data).unwrap_or_default()) {
            Ok(read) => self.kept = Some((body, read)),
            Err(error) => self.say(error.to_string()),
        }
    }

    fn say(&mut self, trouble: String) {
        if trouble != self.trouble {
            tracing::error!("{trouble}");
            self.trouble = trouble;
        }
    }

    /// Whether an answered write was of the authority.
    pub(super) fn is_authority(&self, key: &Key) -> bool {
        *key == self.key()
    }

    /// Whether workers can know the operator: it has a certificate, or speaks without.
    pub(super) fn is_known(&self) -> bool {
        self.folder.is_none() || (self.own.is_some() && self.authority().is_some())
    }

    /// Certificates that vouch for ours; empty before there are any.
    pub(super) fn trusted(&self) -> String {
        self.authority().map(Authority::trusted).unwrap_or_default()
    }

    fn authority(&self) -> Option<&Authority> {
        self.kept.as_ref().and_then(|(_, read)| read.as_ref())
    }

    /// Everything that is due: the authority first, then the pairs. Read anew only where something changed since nothing was due, and once an
    /// hour: a thousand certificates take as long to read as all else takes.
    pub(super) fn works(&mut self, built: &BTreeMap<(Kind, ObjectRef), Arc<Built>>, cache: &Cache, now: crds::Timestamp) -> Vec<Work> {
        let seen = self.seen(built, cache, now);
        if self.settled == Some(seen) {
            return Vec::new();
        }
        let works = self.due(built, cache, now);
        let is_settled = works.is_empty() && self.authority().is_some() && self.trouble.is_empty();
        self.settled = is_settled.then_some(seen);
        works
    }

    /// All that certificates rest on.
    fn seen(&self, built: &BTreeMap<(Kind, ObjectRef), Arc<Built>>, cache: &Cache, now: crds::Timestamp) -> u64 {
        let mut hasher = DefaultHasher::new();
        (now.as_second() / 3600, self.trusted()).hash(&mut hasher);
        for ((_, name), built) in built {
            name.namespace.hash(&mut hasher);
            for identity in &built.identities {
                (&identity.place.prefix, &identity.names).hash(&mut hasher);
            }
        }
        for secret in cache.all(Resource::Secret) {
            (&secret.uid, secret.version, cache.is_terminating(&secret.key.namespace)).hash(&mut hasher);
        }
        hasher.finish()
    }

    fn due(&mut self, built: &BTreeMap<(Kind, ObjectRef), Arc<Built>>, cache: &Cache, now: crds::Timestamp) -> Vec<Work> {
        let Some((body, read)) = &self.kept else { return Vec::new() };
        if authority::decide(now, read.as_ref()) != authority::Step::Keep {
            let advanced = match authority::advance(
                now,
                read.as_ref().and_then(|_| Authority::read(&body.as_ref().map(data).unwrap_or_default()).ok()?),
            ) {
                Ok(advanced) => advanced,
                Err(error) => {
                    self.say(error.to_string());
                    return Vec::new();
                }
            };
            let held = body.as_ref().map(|body| (body["metadata"]["uid"].clone(), body["metadata"]["resourceVersion"].clone()));
            return vec![put(&self.key(), advanced.data(), held)];
        }
        self.introduce(now);
        let Some(authority) = self.authority() else { return Vec::new() };
        let mut wanted: BTreeMap<&str, Vec<Identity>> = BTreeMap::new();
        for ((_, name), built) in built {
            wanted.entry(name.namespace.as_str()).or_default().extend(built.identities.iter().cloned());
        }
        let of_ours = cache.all(Resource::Secret).filter(|secret| SECRETS.contains(&secret.key.name.as_str()));
        for secret in of_ours {
            wanted.entry(secret.key.namespace.as_str()).or_default();
        }
        let (mut works, mut failed) = (Vec::new(), Vec::new());
        for (namespace, identities) in wanted.into_iter().filter(|(namespace, _)| !cache.is_terminating(namespace)) {
            let secret = |name: &str| cache.get(&Key::new(Resource::Secret, namespace, name));
            let existing = SECRETS.iter().filter_map(|name| Some(((*name).to_owned(), data(&secret(name)?.body())))).collect();
            let plan = secrets::plan(now, namespace, authority, &identities, &existing);
            failed.extend(plan.failed.iter().map(ToString::to_string));
            for intention in plan.intentions {
                works.extend(match intention {
                    secrets::Intention::Apply(made) => {
                        let key = Key::new(Resource::Secret, namespace, made.metadata.name.clone().unwrap_or_default());
                        let held = secret(&key.name).map(|found| (json!(found.uid), json!(found.version.to_string())));
                        let data =
                            made.data.into_iter().flatten().map(|(name, bytes)| (name, String::from_utf8_lossy(&bytes.0).into_owned()));
                        Some(put(&key, data.collect(), held))
                    }
                    secrets::Intention::Delete { name } => secret(&name).map(|found| Work {
                        about: found.key.clone(),
                        lane: Lane::Objects,
                        writes: vec![Write::Delete {
                            key: found.key.clone(),
                            uid: found.uid.clone(),
                            keeps_children: false,
                            is_forced: false,
                        }],
                    }),
                });
            }
        }
        failed.into_iter().for_each(|error| self.say(error));
        works
    }

    /// The operator's own pair, in its folder.
    fn introduce(&mut self, now: crds::Timestamp) {
        let Some((folder, authority)) = self.folder.clone().zip(self.kept.as_ref().and_then(|(_, read)| read.as_ref())) else { return };
        let trusted = authority.trusted();
        let issued = match leaf::decide(now, &operator(), self.own.as_deref(), authority) {
            leaf::Decision::Keep => Ok(None),
            leaf::Decision::Issue(_) => leaf::issue(now, &operator(), authority).map(Some),
        };
        let written = issued.map_err(|error| error.to_string()).and_then(|issued| {
            write_files(&folder, &trusted, issued.as_ref()).map_err(|error| format!("{}: {error}", folder.display()))?;
            Ok(issued)
        });
        match written {
            Ok(issued) => self.own = issued.map(|issued| issued.certificate).or(self.own.take()),
            Err(trouble) => self.say(trouble),
        }
    }
}

/// Applies a Secret, held to the one that was seen; or makes it.
fn put(key: &Key, data: secrets::Data, held: Option<(Value, Value)>) -> Work {
    let mut body = serde_json::to_value(secrets::secret(&key.namespace, &key.name, data)).unwrap_or_default();
    body["apiVersion"] = json!(key.resource.api_version());
    body["kind"] = json!(key.resource.kind());
    if let Some((uid, version)) = held {
        body["metadata"]["uid"] = uid;
        body["metadata"]["resourceVersion"] = version;
    }
    let write = Write::Apply { key: key.clone(), subresource: None, manager: manager::OBJECTS, body };
    Work { about: key.clone(), lane: Lane::Objects, writes: vec![write] }
}

/// What a Secret holds, as text.
fn data(body: &Value) -> secrets::Data {
    let fields = body["data"].as_object().into_iter().flatten();
    let decode = |value: &Value| base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap_or_default()).ok();
    fields.filter_map(|(name, value)| Some((name.clone(), String::from_utf8(decode(value)?).ok()?))).collect()
}

fn write_files(folder: &Path, trusted: &str, issued: Option<&crate::certificates::Issued>) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let put = |name: &str, text: &str| {
        let path = folder.join(name);
        if std::fs::read_to_string(&path).is_ok_and(|present| present == text) {
            return Ok(());
        }
        let new = folder.join(format!(".{name}.new"));
        std::fs::write(&new, text)?;
        std::fs::rename(new, path)
    };
    put("ca.crt", trusted)?;
    if let Some(issued) = issued {
        put("tls.key", &issued.key)?;
        put("tls.crt", &issued.certificate)?;
    }
    Ok(())
}
