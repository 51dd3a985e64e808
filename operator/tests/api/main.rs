//! The operator on a real API server (`KUBECONFIG`), with real SQL and the product's own objects; only its workers are a stub, since no kubelet
//! runs any pod here. The controller manager makes pods of StatefulSets, and collects what is left.

#[path = "../kubelet/mod.rs"]
mod kubelet;
mod told;

use crds::{Cluster, Kind, Pipeline, RetentionPolicy, Topic, definition};
use k8s_openapi::{
    api::{apps::v1::StatefulSet, core::v1::Namespace},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    runtime::wait::{await_condition, conditions},
};
use operator::{
    builder::Site,
    health::Health,
    lease::Leadership,
    planner::{Command, Plans},
    product::Product,
    shell::{self, Parts},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{fmt::Debug, sync::Arc, time::Duration};
use tokio::{sync::Notify, task::JoinHandle, time::timeout};

use told::Told;

const PATIENCE: Duration = Duration::from_secs(60);

struct Running {
    task: JoinHandle<()>,
    health: Arc<Health>,
}

impl Running {
    fn start(client: &Client, namespace: &str, workers: &Told) -> Self {
        let (health, planned) = (Arc::new(Health::default()), Arc::new(Notify::new()));
        let command = Command { program: env!("CARGO_BIN_EXE_streamwright-operator").into(), arguments: vec!["plan".into()] };
        let parts = Parts {
            client: client.clone(),
            site: Site { image: "streamwright".into(), version: "0.1.0".into(), namespace: namespace.into() },
            namespaces: vec![namespace.into()],
            instance: "operator-0".into(),
            builder: Arc::new(Product),
            workers: Arc::new(workers.clone()),
            control_tls: Some(std::env::temp_dir().join(format!("streamwright-control-{namespace}"))),
            planner: Arc::new(Plans::new(&command, planned.clone())),
            planned,
            health: health.clone(),
            leadership: Leadership::alone(),
        };
        Self { task: tokio::spawn(shell::run(parts)), health }
    }

    /// Requests that changed something, or tried to.
    fn writes(&self) -> u64 {
        let text = self.health.metrics.text();
        let counts = text.lines().filter(|line| line.starts_with("streamwright_operator_api_writes_total{"));
        counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }

    /// Comes back when nothing was written for longer than any look waits.
    async fn rest(&self) -> u64 {
        let mut before = u64::MAX;
        for _ in 0..20 {
            let now = self.writes();
            if now == before {
                return now;
            }
            before = now;
            tokio::time::sleep(Duration::from_secs(12)).await;
        }
        panic!("it does not come to rest: {}", self.health.metrics.text());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn apply<K>(client: &Client, namespace: &str, name: &str, spec: Value)
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
{
    let body = json!({"apiVersion": K::api_version(&()), "kind": K::kind(&()), "metadata": {"name": name}, "spec": spec});
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    api.patch(name, &PatchParams::apply("test").force(), &Patch::Apply(body)).await.unwrap_or_else(|error| panic!("{name}: {error}"));
}

/// Waits until the object's `Ready` is what is asked for, of its present generation.
async fn ready<K>(client: &Client, namespace: &str, name: &str, wanted: &str)
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + serde::Serialize
        + Debug
        + Send
        + 'static,
{
    let says = |object: Option<&K>| {
        let body = object.map(|object| serde_json::to_value(object).unwrap()).unwrap_or_default();
        let conditions = body["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let ready = conditions.into_iter().find(|one| one["type"] == "Ready").unwrap_or_default();
        let is_present = ready["observedGeneration"] == body["metadata"]["generation"];
        (is_present, format!("{}/{}", ready["status"].as_str().unwrap_or_default(), ready["reason"].as_str().unwrap_or_default()), ready)
    };
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let is_so = |object: Option<&K>| matches!(says(object), (true, found, _) if found == wanted);
    if timeout(PATIENCE, await_condition(api.clone(), name, is_so)).await.is_err() {
        let found = api.get_opt(name).await.unwrap();
        panic!("{name} is not {wanted}: {:?}", says(found.as_ref()));
    }
}

async fn gone<K>(client: &Client, namespace: &str, name: &str)
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let Some(found) = api.get_opt(name).await.unwrap() else { return };
    let uid = found.uid().unwrap();
    api.delete(name, &DeleteParams::default()).await.unwrap();
    timeout(PATIENCE, await_condition(api, name, conditions::is_deleted(&uid))).await.unwrap_or_else(|_| panic!("{name} stays")).unwrap();
}

async fn install(client: &Client) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for kind in Kind::ALL {
        let body = definition::definition(*kind);
        let name = body["metadata"]["name"].as_str().unwrap().to_owned();
        api.patch(&name, &PatchParams::apply("test").force(), &Patch::Apply(body)).await.unwrap();
        timeout(PATIENCE, await_condition(api.clone(), &name, conditions::is_crd_established())).await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platform_lives_its_life_on_a_real_api_server() {
    let client = Client::try_default().await.expect("KUBECONFIG names a cluster: tests/cluster/up --api");
    install(&client).await;
    let namespace = format!("life-{}", std::process::id());
    let new = Namespace { metadata: crds::ObjectMeta { name: Some(namespace.clone()), ..Default::default() }, ..Default::default() };
    Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &new).await.unwrap();
    let ns = namespace.as_str();
    let workers = Told::new(client.clone(), ns);
    let kubelet = tokio::spawn(kubelet::call_ready(Api::namespaced(client.clone(), ns)));
    let operator = Running::start(&client, ns, &workers);

    let query = "INSERT INTO totals SELECT customer, SUM(amount) AS amount FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) \
                 GROUP BY customer, window_start, window_end";
    apply::<Pipeline>(&client, ns, "sums", json!({"query": query})).await;
    ready::<Pipeline>(&client, ns, "sums", "False/DependencyMissing").await;
    apply::<Cluster>(&client, ns, "default", json!({"objectStore": {"s3": {"bucket": "streams"}}})).await;
    apply::<RetentionPolicy>(&client, ns, "month", json!({"total": {"time": "720h"}})).await;
    let columns =
        json!([{"name": "customer", "type": "STRING"}, {"name": "amount", "type": "BIGINT"}, {"name": "ts", "type": "TIMESTAMP(3)"}]);
    let schema = json!({"columns": columns, "eventTime": {"column": "ts"}});
    let spec = json!({"partitions": 6, "retentionPolicyRef": {"name": "month"}, "schema": schema});
    apply::<Topic>(&client, ns, "orders", spec).await;
    let columns = json!([{"name": "customer", "type": "STRING"}, {"name": "amount", "type": "BIGINT"}]);
    apply::<Topic>(&client, ns, "totals", json!({"partitions": 2, "deletionPolicy": "Delete", "schema": {"columns": columns}})).await;
    ready::<Cluster>(&client, ns, "default", "True/Available").await;
    ready::<Topic>(&client, ns, "orders", "True/Available").await;
    ready::<Topic>(&client, ns, "totals", "True/Available").await;
    ready::<RetentionPolicy>(&client, ns, "month", "True/Available").await;
    ready::<Pipeline>(&client, ns, "sums", "True/Available").await;

    // At rest: no writes by this operator, and none by the next.
    let at_rest = operator.rest().await;
    assert!(at_rest > 10);
    drop(operator);
    let operator = Running::start(&client, ns, &workers);
    assert_eq!(operator.rest().await, 0, "{}", operator.health.metrics.text());

    // A bad query stops nothing; suspended has no pod; deleted leaves nothing but the dead letters.
    apply::<Pipeline>(&client, ns, "sums", json!({"query": "INSERT INTO totals\nSELECT nothing FROM orders"})).await;
    ready::<Pipeline>(&client, ns, "sums", "False/PlanError").await;
    apply::<Pipeline>(&client, ns, "sums", json!({"query": query, "suspend": true})).await;
    ready::<Pipeline>(&client, ns, "sums", "True/Suspended").await;
    gone::<Pipeline>(&client, ns, "sums").await;
    gone::<Topic>(&client, ns, "totals").await;
    gone::<Topic>(&client, ns, "orders").await;
    let left = workers.topics();
    assert!(left.iter().all(|topic| !topic.starts_with("_sw.") && topic != "totals"), "{left:?}");
    assert!(left.contains(&"orders".into()) && left.contains(&"sums-dead-letters".into()), "{left:?}");
    gone::<Cluster>(&client, ns, "default").await;
    let sets: Api<StatefulSet> = Api::namespaced(client.clone(), ns);
    let is_empty = async {
        while !sets.list(&Default::default()).await.unwrap().items.is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(PATIENCE, is_empty).await.expect("StatefulSets stay");
    gone::<Topic>(&client, ns, "sums-dead-letters").await;
    Api::<Namespace>::all(client.clone()).delete(ns, &DeleteParams::default()).await.unwrap();
    kubelet.abort();
    let metrics = operator.health.metrics.text();
    println!("{}", metrics.lines().filter(|line| line.contains("api_writes") || line.contains("reconcile")).collect::<Vec<_>>().join("\n"));
}
