//! What is done, in order, and what must hold whatever the machine.

use anyhow::ensure;
use crds::{Kind, Timestamp};
use futures::{StreamExt, TryStreamExt, stream};
use kube::{
    Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use operator::write::manager;
use serde_json::json;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{
    declared::{self, Declared, REQUESTS, api},
    figures::{Running, Writes, sum},
    sight::Sight,
    stub::{self, Stubs},
    table::Results,
};

/// No step takes longer, on any machine.
const PATIENCE: Duration = Duration::from_secs(900);
/// Longer than figures in status wait for their turn.
const QUIET: Duration = Duration::from_secs(35);
/// Writes for one Topic, at most, from nothing to rest and for a change: what it waits for where that takes long, what came of it, an Event.
const WRITES_TOPIC: u64 = 3;
/// Writes for one Pipeline: finalizer, record, six objects, dead letters with their own status and figures, and its status as it goes along.
const WRITES_PIPELINE: u64 = 24;
/// Writes for everything else: the Cluster, its objects, certificates.
const WRITES_ELSE: u64 = 200;
/// Status writes by which the API server itself is measured.
const CEILING_WRITES: usize = 5000;

pub(crate) struct Size {
    pub(crate) topics: usize,
    pub(crate) pipelines: usize,
    pub(crate) rest_seconds: u64,
}

pub(crate) async fn run(size: &Size, with_table: bool) -> anyhow::Result<()> {
    let client = Client::try_default().await?;
    let namespace = format!("scale-{}", std::process::id());
    let ns = namespace.as_str();
    let work = tempfile::tempdir()?;
    let authority = declared::prepare(&client, ns).await?;
    let pipelines = (0..size.pipelines).map(|index| declared::object(ns, &declared::pipeline(index)));
    let stubs = Stubs::bind(declared::object(ns, "default"), pipelines).await?;
    std::fs::write(work.path().join("places.json"), serde_json::to_vec(&stubs.places()?)?)?;
    let tls = stub::introduce(&work.path().join("stub"), &authority)?;
    let working = tokio::spawn(stubs.work(client.clone(), tls));

    let all = declared::all(size.topics, size.pipelines);
    let mut results = Results { topics: size.topics, pipelines: size.pipelines, ..Results::default() };
    let started = Instant::now();
    declared::apply(&client, ns, &all).await?;
    results.declared = started.elapsed();
    println!("declared {} objects in {:.1} s", all.len(), results.declared.as_secs_f64());

    let mut sight = Sight::begin(&client, ns);
    let operator = Running::start(ns, work.path()).await?;
    // Every Pipeline has a Topic of dead letters besides.
    let wanted = BTreeMap::from([
        (Kind::Cluster, 1),
        (Kind::RetentionPolicy, 1),
        (Kind::Topic, size.topics + size.pipelines),
        (Kind::Pipeline, size.pipelines),
    ]);
    results.converged = sight.all_current(&wanted, PATIENCE).await?;
    (results.converged_writes, results.converged_cpu) = (operator.writes().await?, operator.processor_seconds()?);
    println!("converged in {:.1} s", results.converged.as_secs_f64());
    results.settled_writes = operator.rest(QUIET, PATIENCE).await?;
    (results.settled, results.settled_cpu) = (operator.age() - QUIET, operator.processor_seconds()?);
    bounded(size, &results.settled_writes)?;

    let (cpu, rest) = (operator.processor_seconds()?, Duration::from_secs(size.rest_seconds));
    tokio::time::sleep(rest).await;
    results.rest_writes = sum(&operator.writes().await?) - sum(&results.settled_writes);
    results.rest_cpu_share = (operator.processor_seconds()? - cpu) / rest.as_secs_f64();
    ensure!(results.rest_writes == 0, "{} writes at rest: {:?}", results.rest_writes, operator.writes().await?);
    results.peak_bytes = operator.peak_bytes()?;
    results.rest_bytes = operator.resident_bytes()?;
    operator.kill().await?;

    let operator = Running::start(ns, work.path()).await?;
    while operator.figure("streamwright_operator_objects{", "").await? < all.len() as f64
        || operator.figure("streamwright_operator_objects_not_ready{", "").await? > 0.0
    {
        ensure!(operator.age() < PATIENCE, "a new operator does not see that all is well");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    results.restarted = operator.age();
    results.restart_writes = sum(&operator.rest(Duration::from_secs(size.rest_seconds), PATIENCE).await?);
    ensure!(results.restart_writes == 0, "a new operator writes: {:?}", operator.writes().await?);
    results.restart_peak_bytes = operator.peak_bytes()?;

    let edit = Declared { kind: Kind::RetentionPolicy, name: "month".into(), spec: declared::policy("1440h") };
    let cpu = operator.processor_seconds()?;
    declared::apply(&client, ns, &[edit]).await?;
    results.edited = sight.retention("1440h", size.topics, PATIENCE).await?;
    results.edit_cpu = operator.processor_seconds()? - cpu;
    results.edit_writes = sum(&operator.rest(Duration::from_secs(3), PATIENCE).await?);
    ensure!(
        results.edit_writes <= WRITES_TOPIC * size.topics as u64 + WRITES_ELSE,
        "an edit of one policy takes {} writes: {:?}",
        results.edit_writes,
        operator.writes().await?
    );
    results.looks = operator.looks().await?;
    operator.kill().await?;
    ensure!(!working.is_finished(), "the stubs ended: {:?}", working.await);

    if with_table {
        results.ceiling = ceiling(&client, ns).await?;
        results.print();
    } else {
        remove(&client, ns).await?;
    }
    Ok(())
}

/// No more writes an object than it takes, and none was made twice because two rested on the same.
fn bounded(size: &Size, writes: &Writes) -> anyhow::Result<()> {
    let most = WRITES_TOPIC * size.topics as u64 + WRITES_PIPELINE * size.pipelines as u64 + WRITES_ELSE;
    ensure!(sum(writes) <= most, "{} writes, more than {most}: {writes:#?}", sum(writes));
    Ok(())
}

/// Writes a second that the API server takes from one plain client: a changed status by server-side apply, as the operator's.
async fn ceiling(client: &Client, namespace: &str) -> anyhow::Result<f64> {
    let topics = api(client, namespace, Kind::Topic);
    let listed = topics.list(&ListParams::default().limit(u32::try_from(CEILING_WRITES)?)).await?;
    let (params, now) = (PatchParams::apply(manager::OBJECTS).force(), Timestamp::now());
    let count = listed.items.len();
    let bodies = listed.items.into_iter().map(|mut topic| {
        topic.data["status"]["conditions"][0]["message"] = json!(format!("measured at {now}"));
        if let Some(status) = topic.data["status"].as_object_mut() {
            status.remove("storage");
        }
        let name = topic.name_any();
        let body = json!({
            "apiVersion": "streamwright.dev/v1alpha1", "kind": "Topic",
            "metadata": {"name": name, "uid": topic.metadata.uid}, "status": topic.data["status"],
        });
        (name, body)
    });
    let started = Instant::now();
    let one = |(name, body): (String, serde_json::Value)| {
        let (topics, params) = (topics.clone(), params.clone());
        async move { topics.patch_status(&name, &params, &Patch::Apply(body)).await.map(drop) }
    };
    stream::iter(bodies).map(one).buffer_unordered(REQUESTS).try_collect::<()>().await?;
    Ok(count as f64 / started.elapsed().as_secs_f64())
}

/// Leaves nothing behind: no operator runs any more that could let go of finalizers.
async fn remove(client: &Client, namespace: &str) -> anyhow::Result<()> {
    let pipelines = api(client, namespace, Kind::Pipeline);
    let names: Vec<String> = pipelines.list(&ListParams::default()).await?.iter().map(ResourceExt::name_any).collect();
    let release = |name: String| {
        let pipelines = pipelines.clone();
        let body = json!({"metadata": {"finalizers": null}});
        async move { pipelines.patch(&name, &PatchParams::default(), &Patch::Merge(body)).await.map(drop) }
    };
    stream::iter(names).map(release).buffer_unordered(REQUESTS).try_collect::<()>().await?;
    let namespaces: kube::Api<k8s_openapi::api::core::v1::Namespace> = kube::Api::all(client.clone());
    namespaces.delete(namespace, &DeleteParams::background()).await?;
    Ok(())
}
