//! A fake API server: lists, watches, server-side apply, preconditions, finalizers; and it fails as it is told to.

mod apply;
mod store;

pub(crate) use store::Store;

use bytes::Bytes;
use futures::{future::BoxFuture, stream};
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use kube::client::Body;
use operator::resource::{Key, Resource};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll},
};
use tokio::sync::{Notify, watch};

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// How one call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The server says so, and does nothing.
    Code(u16),
    /// No answer ever, and nothing is done.
    Silence,
    /// It is done, and the answer is lost.
    Lost,
    /// A list as it was some versions ago; elsewhere as `Code(500)`.
    Stale,
    /// It is done, and then the operator dies.
    Death,
}

/// One call that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Value,
}

impl Call {
    pub(crate) fn is_write(&self) -> bool {
        self.method != Method::GET
    }
}

pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) calls: Vec<Call>,
    /// Which call fails, counted from 0 over all calls, or over writes alone, and how.
    pub(crate) fault: Option<(usize, Fault)>,
    pub(crate) fault_in_writes: Option<(usize, Fault)>,
    pub(crate) struck: Option<String>,
    /// What nobody may list or watch.
    pub(crate) forbidden: Option<Resource>,
}

/// The server; a cheap handle.
#[derive(Clone)]
pub(crate) struct Fake {
    state: Arc<Mutex<State>>,
    version: watch::Sender<u64>,
    /// Told when the operator is to die.
    pub(crate) death: Arc<Notify>,
}

impl Fake {
    pub(crate) fn new() -> Self {
        let state = State { store: Store::default(), calls: Vec::new(), fault: None, fault_in_writes: None, struck: None, forbidden: None };
        Self { state: Arc::new(Mutex::new(state)), version: watch::Sender::new(0), death: Arc::default() }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn client(&self) -> kube::Client {
        kube::Client::new(Service(self.clone()), "default")
    }

    /// As `kubectl` would: not counted, never failing.
    pub(crate) fn user<T>(&self, act: impl FnOnce(&mut Store) -> T) -> T {
        let done = act(&mut self.state().store);
        self.told();
        done
    }

    fn told(&self) {
        let version = self.state().store.version;
        self.version.send_replace(version);
    }

    pub(crate) fn writes(&self) -> usize {
        self.state().calls.iter().filter(|call| call.is_write()).count()
    }

    fn strike(&self, call: Call) -> Option<Fault> {
        let mut state = self.state();
        let (index, write_index) = (state.calls.len(), state.calls.iter().filter(|call| call.is_write()).count());
        let here =
            state.fault.filter(|(at, _)| *at == index).or(state.fault_in_writes.filter(|(at, _)| call.is_write() && *at == write_index));
        if here.is_some() {
            state.struck = Some(format!("{} {}", call.method, call.path));
        }
        state.calls.push(call);
        here.map(|(_, fault)| fault)
    }

    async fn answer(self, request: Request<Body>) -> Answer {
        let (parts, body) = request.into_parts();
        let bytes = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let query: BTreeMap<String, String> = query(parts.uri.query().unwrap_or_default());
        let call = Call { method: parts.method.clone(), path: parts.uri.path().into(), body: body.clone() };
        let fault = self.strike(call);
        match fault {
            Some(Fault::Code(code)) => return refuse(code, "told to fail"),
            Some(Fault::Stale) if parts.method != Method::GET || query.contains_key("watch") => return refuse(500, "told to fail"),
            Some(Fault::Silence) => std::future::pending().await,
            _ => {}
        }
        let Some((resource, namespace, name, subresource)) = target(parts.uri.path()) else { return refuse(404, "no such path") };
        let key = Key::new(resource, namespace.clone(), name.clone().unwrap_or_default());
        if parts.method == Method::GET && name.is_none() {
            let selector = query.get("labelSelector").cloned().unwrap_or_default();
            if self.state().forbidden == Some(resource) {
                return refuse(403, "told not to let anybody look");
            }
            let scope = Scope { resource, namespace, selector };
            if query.contains_key("watch") {
                let since = query.get("resourceVersion").and_then(|version| version.parse().ok()).unwrap_or(0);
                return self.watch(scope, since);
            }
            return self.list(&scope, fault == Some(Fault::Stale));
        }
        let done = {
            let mut state = self.state();
            let store = &mut state.store;
            match parts.method {
                Method::GET => store.get(&key).cloned(),
                Method::POST => {
                    store.create(&Key::new(resource, key.namespace, body["metadata"]["name"].as_str().unwrap_or_default()), body)
                }
                Method::PUT => store.replace(&key, body),
                Method::DELETE => store.delete(&key, body["preconditions"]["uid"].as_str(), body["propagationPolicy"] == "Orphan"),
                Method::PATCH if parts.headers["content-type"] == "application/apply-patch+yaml" => {
                    store.apply(&key, subresource.as_deref(), &query["fieldManager"], &body)
                }
                Method::PATCH => store.patch(&key, &body),
                _ => Err((405, "no such method".into())),
            }
        };
        self.told();
        match fault {
            Some(Fault::Lost) => std::future::pending().await,
            Some(Fault::Death) => {
                self.death.notify_one();
                std::future::pending().await
            }
            _ => {}
        }
        match done {
            Ok(body) => whole(StatusCode::OK, &body),
            Err((code, message)) => refuse(code, &message),
        }
    }

    fn list(&self, scope: &Scope, is_stale: bool) -> Answer {
        let state = self.state();
        if !is_stale {
            let items: Vec<&Value> =
                state.store.objects.iter().filter(|(key, stored)| scope.has(key, &stored.body)).map(|(_, stored)| &stored.body).collect();
            return whole(
                StatusCode::OK,
                &json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": state.store.version.to_string()}, "items": items}),
            );
        }
        // As of a few versions ago.
        let version = state.store.version.saturating_sub(3);
        let mut objects: BTreeMap<Key, &Value> = BTreeMap::new();
        for happened in state.store.log.iter().filter(|happened| happened.version <= version) {
            match happened.what {
                "DELETED" => drop(objects.remove(&happened.key)),
                _ => drop(objects.insert(happened.key.clone(), &happened.body)),
            }
        }
        let items: Vec<&Value> = objects.into_iter().filter(|(key, body)| scope.has(key, body)).map(|(_, body)| body).collect();
        whole(
            StatusCode::OK,
            &json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": version.to_string()}, "items": items}),
        )
    }

    fn watch(&self, scope: Scope, since: u64) -> Answer {
        let start = (self.clone(), self.version.subscribe(), scope, since);
        let lines = stream::unfold(start, |(fake, mut version, scope, since)| async move {
            loop {
                let (text, newest) = fake.news(&scope, since);
                if !text.is_empty() {
                    return Some((Ok::<_, Infallible>(Frame::data(Bytes::from(text))), (fake, version, scope, newest)));
                }
                version.changed().await.ok()?;
            }
        });
        Response::new(StreamBody::new(lines).boxed_unsync())
    }

    fn news(&self, scope: &Scope, since: u64) -> (String, u64) {
        let state = self.state();
        let mut text = String::new();
        for happened in state.store.log.iter().filter(|happened| happened.version > since && scope.has(&happened.key, &happened.body)) {
            text += &json!({"type": happened.what, "object": happened.body}).to_string();
            text.push('\n');
        }
        (text, state.store.version)
    }
}

struct Scope {
    resource: Resource,
    namespace: String,
    selector: String,
}

impl Scope {
    fn has(&self, key: &Key, body: &Value) -> bool {
        let is_here = key.resource == self.resource && (self.namespace.is_empty() || key.namespace == self.namespace);
        is_here && (self.selector.is_empty() || self.selects(body))
    }

    fn selects(&self, body: &Value) -> bool {
        let (name, value, is_equal) = match self.selector.split_once("!=") {
            Some((name, value)) => (name, value, false),
            None => {
                let (name, value) = self.selector.split_once('=').unwrap();
                (name, value, true)
            }
        };
        (body["metadata"]["labels"][name] == value) == is_equal
    }
}

fn query(text: &str) -> BTreeMap<String, String> {
    let decode = |text: &str| text.replace("%3D", "=").replace("%21", "!").replace("%2F", "/");
    text.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (name.to_owned(), decode(value))).collect()
}

/// Resource, namespace, name and subresource of a path.
fn target(path: &str) -> Option<(Resource, String, Option<String>, Option<String>)> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (api_version, rest) = match *parts.first()? {
        "api" => (parts.get(1)?.to_string(), parts.get(2..)?),
        "apis" => (format!("{}/{}", parts.get(1)?, parts.get(2)?), parts.get(3..)?),
        _ => return None,
    };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, plural, ..] if !plural.is_empty() => (namespace.to_string(), &rest[2..]),
        _ => (String::new(), rest),
    };
    let kinds = [
        "Cluster",
        "Topic",
        "RetentionPolicy",
        "Pipeline",
        "StatefulSet",
        "Service",
        "ServiceAccount",
        "ConfigMap",
        "Secret",
        "PodDisruptionBudget",
        "NetworkPolicy",
        "Pod",
        "PersistentVolumeClaim",
        "Node",
        "Namespace",
        "Event",
        "Lease",
    ];
    let resource = kinds.iter().filter_map(|kind| Resource::of(&api_version, kind)).find(|known| Some(&known.plural()) == rest.first())?;
    let text = |index: usize| rest.get(index).map(ToString::to_string);
    Some((resource, namespace, text(1), text(2)))
}

fn whole(status: StatusCode, body: &Value) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())).boxed_unsync());
    *response.status_mut() = status;
    response
}

fn refuse(code: u16, message: &str) -> Answer {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message, "reason": "Told"});
    whole(StatusCode::from_u16(code).unwrap(), &body)
}

#[derive(Clone)]
struct Service(Fake);

impl tower::Service<Request<Body>> for Service {
    type Response = Answer;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Answer, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let fake = self.0.clone();
        Box::pin(async move { Ok(fake.answer(request).await) })
    }
}
