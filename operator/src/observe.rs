//! Watches: everything that the cache is told, by one task a stream.

use futures::{StreamExt, TryStreamExt};
use kube::{
    Api, Client,
    core::{ApiResource, DynamicObject, DynamicResourceScope, GroupVersionKind, PartialObjectMeta},
    runtime::{WatchStreamExt, watcher},
};
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    bounded::bounded,
    cache::{Seen, Stream},
    certificates::SECRETS,
    object::{MANAGED_BY, PRODUCT},
    resource::Resource,
};

/// Objects a page of a list.
const PAGE: u32 = 250;

/// Every watch that is needed for these namespaces; none: for all, and for what has no namespace.
#[must_use]
pub fn streams(namespaces: &[String]) -> Vec<Stream> {
    let ours = [Resource::Cluster, Resource::RetentionPolicy, Resource::Topic, Resource::Pipeline].map(|resource| (resource, ""));
    // Claims are made by StatefulSets, with the labels that select pods and no others.
    let pods = [(Resource::Pod, "managed"), (Resource::PersistentVolumeClaim, "product")];
    // Queries of users: which there are, and whether they changed. What they say is fetched where a Pipeline names one.
    let queries = [(Resource::ConfigMap, "unmanaged")];
    let owned = Resource::OWNED.iter().map(|resource| (*resource, "managed"));
    // Only these, by name: no Secret of a user is ever read.
    let certificates = SECRETS.map(|name| (Resource::Secret, name));
    let all: Vec<_> = ours.into_iter().chain(pods).chain(queries).chain(certificates).chain(owned).collect();
    if namespaces.is_empty() {
        let scoped = all.into_iter().chain([(Resource::Node, ""), (Resource::Namespace, "")]);
        return scoped.map(|(resource, part)| Stream { resource, namespace: String::new(), part }).collect();
    }
    let each = |namespace: &String| {
        let namespace = namespace.clone();
        all.clone().into_iter().map(move |(resource, part)| Stream { resource, namespace: namespace.clone(), part })
    };
    namespaces.iter().flat_map(each).collect()
}

/// Watches all of them until the receiver goes. What cannot be watched is tried again, ever more slowly, and said.
#[must_use]
pub fn watch(client: &Client, streams: &[Stream]) -> (JoinSet<()>, mpsc::Receiver<(Stream, Seen)>) {
    let client = &bounded(client.clone());
    let (sender, receiver) = mpsc::channel(256);
    let mut tasks = JoinSet::new();
    for stream in streams {
        tasks.spawn(follow(client.clone(), stream.clone(), sender.clone()));
    }
    (tasks, receiver)
}

fn api_resource(resource: Resource) -> ApiResource {
    let kind = GroupVersionKind::gvk(resource.group(), resource.version(), resource.kind());
    ApiResource::from_gvk_with_plural(&kind, resource.plural())
}

/// The objects of a stream, whole or their metadata alone.
fn api<K>(client: Client, stream: &Stream) -> Api<K>
where
    K: kube::Resource<DynamicType = ApiResource, Scope = DynamicResourceScope>,
{
    let resource = api_resource(stream.resource);
    if stream.namespace.is_empty() { Api::all_with(client, &resource) } else { Api::namespaced_with(client, &stream.namespace, &resource) }
}

async fn follow(client: Client, stream: Stream, sender: mpsc::Sender<(Stream, Seen)>) {
    let mut config = watcher::Config::default().page_size(PAGE);
    match stream.part {
        "managed" => config = config.labels(&format!("{}={}", MANAGED_BY.0, MANAGED_BY.1)),
        "unmanaged" => config = config.labels(&format!("{}!={}", MANAGED_BY.0, MANAGED_BY.1)),
        "product" => config = config.labels(&format!("{}={}", PRODUCT.0, PRODUCT.1)),
        "" => {}
        name => config = config.fields(&format!("metadata.name={name}")),
    }
    let mut events = if stream.part == "unmanaged" {
        watcher(api::<PartialObjectMeta<DynamicObject>>(client, &stream), config)
            .default_backoff()
            .map_ok(|event| seen(event, whole))
            .boxed()
    } else {
        watcher(api::<DynamicObject>(client, &stream), config).default_backoff().map_ok(|event| seen(event, without_managers)).boxed()
    };
    let mut trouble = String::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(seen) => {
                trouble.clear();
                if sender.send((stream.clone(), seen)).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                let text = error.to_string();
                if text == trouble {
                    continue;
                }
                tracing::warn!("watch {} in {:?}: {text}", stream.resource.plural(), stream.namespace);
                trouble = text;
                if let Some(why) = refusal(&error)
                    && sender.send((stream.clone(), Seen::Refused(refused(&stream, why)))).await.is_err()
                {
                    return;
                }
            }
        }
    }
}

/// What the server says where it will say the same again until a person has done something: rights that are missing, definitions that are.
fn refusal(error: &watcher::Error) -> Option<&str> {
    let status = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => status,
        _ => return None,
    };
    matches!(status.code, 401 | 403 | 404).then_some(status.message.as_str())
}

fn refused(stream: &Stream, why: &str) -> String {
    let place = if stream.namespace.is_empty() { "all namespaces".to_owned() } else { format!("namespace {}", stream.namespace) };
    format!("{} of {place} cannot be watched, and nothing is reconciled until they can: {why}", stream.resource.plural())
}

/// Who wrote which field is more than half of an object, and nobody asks: it goes before anything waits with it.
fn without_managers(mut object: DynamicObject) -> DynamicObject {
    object.metadata.managed_fields = None;
    object
}

/// An object of which only the metadata is known.
fn whole(partial: PartialObjectMeta<DynamicObject>) -> DynamicObject {
    DynamicObject { types: partial.types, metadata: partial.metadata, data: serde_json::Value::Null }
}

fn seen<K>(event: watcher::Event<K>, whole: impl Fn(K) -> DynamicObject) -> Seen {
    let whole = |object: K| Box::new(whole(object));
    match event {
        watcher::Event::Init => Seen::Init,
        watcher::Event::InitApply(object) => Seen::Listed(whole(object)),
        watcher::Event::InitDone => Seen::Done,
        watcher::Event::Apply(object) => Seen::Applied(whole(object)),
        watcher::Event::Delete(object) => Seen::Deleted(whole(object)),
    }
}
