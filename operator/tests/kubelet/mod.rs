//! What a kubelet says of pods, where none runs: `mod` of the tests on an API server.

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{Patch, PatchParams},
    runtime::{WatchStreamExt, watcher},
};
use operator::object::MANAGED_BY;
use serde_json::json;

/// Calls every pod ready, once.
pub(crate) async fn call_ready(pods: Api<Pod>) {
    let body = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}, {"type": "PodScheduled", "status": "True"}]}});
    let watch = watcher(pods.clone(), watcher::Config::default().labels(&format!("{}={}", MANAGED_BY.0, MANAGED_BY.1))).default_backoff();
    let news = watch.applied_objects().filter_map(async |pod| pod.ok().filter(|pod| phase(pod) == "Pending"));
    let call = |pod: Pod| {
        let (pods, body, name) = (pods.clone(), body.clone(), pod.metadata.name.unwrap_or_default());
        // One that is gone meanwhile needs nothing.
        async move { drop(pods.patch_status(&name, &PatchParams::default(), &Patch::Strategic(body)).await) }
    };
    news.for_each_concurrent(8, call).await;
}

fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}
