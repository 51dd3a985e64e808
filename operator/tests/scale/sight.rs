//! What a user would see: which objects are `Current` by kstatus, as watches tell.

use crds::Kind;
use futures::StreamExt;
use kube::{
    Client, ResourceExt,
    core::DynamicObject,
    runtime::{WatchStreamExt, watcher},
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};
use tokio::{sync::watch, task::JoinSet, time::Instant};

use crate::declared::api;

/// One object, as far as it matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Look {
    is_current: bool,
    /// Of a Topic: the retention in force, in words.
    retention: String,
    why_not: String,
}

#[derive(Default)]
struct Seen {
    objects: HashMap<(Kind, String), Look>,
}

/// Sees all four kinds of a namespace.
pub(crate) struct Sight {
    seen: watch::Receiver<Seen>,
    _watches: JoinSet<()>,
}

impl Sight {
    pub(crate) fn begin(client: &Client, namespace: &str) -> Self {
        let (sender, seen) = watch::channel(Seen::default());
        let mut watches = JoinSet::new();
        for kind in Kind::ALL {
            let (api, sender, kind) = (api(client, namespace, *kind), sender.clone(), *kind);
            watches.spawn(async move {
                let mut events = std::pin::pin!(watcher(api, watcher::Config::default()).default_backoff().applied_objects());
                while let Some(event) = events.next().await {
                    if let Ok(object) = event {
                        let look = Look::of(&object);
                        sender.send_if_modified(|seen| {
                            seen.objects.insert((kind, object.name_any()), look.clone()).is_none_or(|before| before != look)
                        });
                    }
                }
            });
        }
        Self { seen, _watches: watches }
    }

    /// Waits until at least so many of each kind are there and all are `Current`; how long it took.
    pub(crate) async fn all_current(&mut self, wanted: &BTreeMap<Kind, usize>, patience: Duration) -> anyhow::Result<Duration> {
        self.until("every object Current", patience, |seen| {
            let count = |kind: Kind| seen.objects.iter().filter(|((of, _), look)| *of == kind && look.is_current).count();
            seen.objects.values().all(|look| look.is_current) && wanted.iter().all(|(kind, wanted)| count(*kind) >= *wanted)
        })
        .await
    }

    /// Waits until so many Topics say this retention is in force; how long it took.
    pub(crate) async fn retention(&mut self, summary: &str, topics: usize, patience: Duration) -> anyhow::Result<Duration> {
        let says = |look: &&Look| look.is_current && look.retention == summary;
        self.until("the new retention on every Topic", patience, |seen| seen.objects.values().filter(says).count() >= topics).await
    }

    fn progress(&self) -> String {
        let mut counts = BTreeMap::<Kind, (usize, usize)>::new();
        for ((kind, _), look) in &self.seen.borrow().objects {
            let count = counts.entry(*kind).or_default();
            *count = (count.0 + usize::from(look.is_current), count.1 + 1);
        }
        counts.iter().map(|(kind, (current, all))| format!("{kind} {current} of {all}")).collect::<Vec<_>>().join(", ")
    }

    async fn until(&mut self, what: &str, patience: Duration, is_so: impl Fn(&Seen) -> bool) -> anyhow::Result<Duration> {
        let started = Instant::now();
        let done = tokio::time::timeout(patience, async {
            // Looked at once a tenth of a second: looking takes as long as there are objects.
            let mut said = started;
            while !is_so(&self.seen.borrow_and_update()) {
                tokio::time::sleep(Duration::from_millis(100)).await;
                if said.elapsed() > Duration::from_secs(5) {
                    said = Instant::now();
                    println!("  {:>4} s: {}", started.elapsed().as_secs(), self.progress());
                }
                self.seen.changed().await?;
            }
            anyhow::Ok(())
        });
        match done.await {
            Ok(done) => done.map(|()| started.elapsed()),
            Err(_) => {
                let seen = self.seen.borrow();
                let late: Vec<_> = seen.objects.iter().filter(|(_, look)| !look.is_current).collect();
                let some: Vec<_> = late.iter().take(5).collect();
                anyhow::bail!("{what}: not within {patience:?}; {} of {} are not Current: {some:#?}", late.len(), seen.objects.len())
            }
        }
    }
}

impl Look {
    fn of(object: &DynamicObject) -> Self {
        let status = &object.data["status"];
        let conditions = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_true = |name: &str| conditions.iter().any(|one| one["type"] == name && one["status"] == "True");
        let is_observed = status["observedGeneration"].as_i64() == object.metadata.generation;
        let is_current = is_observed && is_true("Ready") && !is_true("Reconciling") && !is_true("Stalled");
        let ready = conditions.iter().find(|one| one["type"] == "Ready").unwrap_or(&Value::Null);
        Self {
            is_current,
            retention: status["retention"]["summary"].as_str().unwrap_or_default().to_owned(),
            why_not: if is_current { String::new() } else { format!("{} {}", ready["reason"], ready["message"]) },
        }
    }
}
