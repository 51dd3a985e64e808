//! What is declared: a Cluster, a policy that every Topic names, Topics with a schema, and Pipelines of which every other one keeps state.

use control::ObjectRef;
use crds::{Kind, definition};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::{
    api::core::v1::{Namespace, Secret},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
    runtime::wait::{await_condition, conditions},
};
use operator::{
    certificates::{Authority, authority, secrets},
    resource::Resource,
};
use serde_json::{Value, json};

/// Requests at once: as many as the operator has.
pub(crate) const REQUESTS: usize = 32;

/// An object of ours in the namespace that is measured.
pub(crate) struct Declared {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) spec: Value,
}

pub(crate) fn topic(index: usize) -> String {
    format!("t{index:05}")
}

pub(crate) fn pipeline(index: usize) -> String {
    format!("p{index:04}")
}

/// Everything, in the order in which it is applied.
pub(crate) fn all(topics: usize, pipelines: usize) -> Vec<Declared> {
    let mut all = vec![
        Declared { kind: Kind::Cluster, name: "default".into(), spec: json!({"objectStore": {"s3": {"bucket": "streams"}}}) },
        Declared { kind: Kind::RetentionPolicy, name: "month".into(), spec: policy("720h") },
    ];
    let columns =
        json!([{"name": "customer", "type": "STRING"}, {"name": "amount", "type": "BIGINT"}, {"name": "ts", "type": "TIMESTAMP(3)"}]);
    let schema = json!({"columns": columns, "eventTime": {"column": "ts"}});
    let spec = json!({"partitions": 6, "retentionPolicyRef": {"name": "month"}, "schema": schema});
    all.extend((0..topics).map(|index| Declared { kind: Kind::Topic, name: topic(index), spec: spec.clone() }));
    all.extend((0..pipelines).map(|index| {
        let (from, to) = (topic(2 * index % topics), topic((2 * index + 1) % topics));
        let query = if index % 2 == 0 {
            format!("INSERT INTO {to} SELECT customer, amount, ts FROM {from} WHERE amount > {index}")
        } else {
            format!(
                "INSERT INTO {to} SELECT customer, SUM(amount) AS amount, window_start AS ts \
                 FROM TABLE(TUMBLE(TABLE {from}, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY customer, window_start, window_end"
            )
        };
        Declared { kind: Kind::Pipeline, name: pipeline(index), spec: json!({"query": query}) }
    }));
    all
}

pub(crate) fn policy(time: &str) -> Value {
    json!({"total": {"time": time}})
}

/// The objects of one of our kinds in a namespace.
pub(crate) fn api(client: &Client, namespace: &str, kind: Kind) -> Api<DynamicObject> {
    let resource = Resource::of_kind(kind);
    let gvk = GroupVersionKind::gvk(resource.group(), resource.version(), resource.kind());
    Api::namespaced_with(client.clone(), namespace, &ApiResource::from_gvk_with_plural(&gvk, resource.plural()))
}

/// `kubectl apply --server-side` of all of them, as fast as the server takes them.
pub(crate) async fn apply(client: &Client, namespace: &str, all: &[Declared]) -> anyhow::Result<()> {
    let one = |declared: &Declared| {
        let (api, name) = (api(client, namespace, declared.kind), declared.name.clone());
        let body = json!({
            "apiVersion": Resource::of_kind(declared.kind).api_version(), "kind": declared.kind.to_string(),
            "metadata": {"name": name}, "spec": declared.spec,
        });
        async move { api.patch(&name, &PatchParams::apply("user").force(), &Patch::Apply(body)).await.map(drop) }
    };
    stream::iter(all).map(one).buffer_unordered(REQUESTS).try_collect::<()>().await?;
    Ok(())
}

/// The definitions, a namespace, and in it the authority that workers and operator trust.
pub(crate) async fn prepare(client: &Client, namespace: &str) -> anyhow::Result<Authority> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    for kind in Kind::ALL {
        let body = definition::definition(*kind);
        let name = format!("{}.streamwright.dev", Resource::of_kind(*kind).plural());
        definitions.patch(&name, &PatchParams::apply("test").force(), &Patch::Apply(body)).await?;
        await_condition(definitions.clone(), &name, conditions::is_crd_established()).await?;
    }
    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
    Api::<Namespace>::all(client.clone()).patch(namespace, &PatchParams::apply("test"), &Patch::Apply(body)).await?;
    let made = authority::advance(crds::Timestamp::now(), None)?;
    let secret = secrets::secret(namespace, authority::SECRET, made.data());
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    secrets.create(&Default::default(), &secret).await?;
    Ok(made)
}

/// One of ours.
pub(crate) fn object(namespace: &str, name: &str) -> ObjectRef {
    ObjectRef { namespace: namespace.into(), name: name.into() }
}
