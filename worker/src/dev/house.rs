//! Everything that runs, and the loop's one step: look at what is, decide with `desired`, keep the decision, do it, say it.

use anyhow::Context;
use broker::{Broker, BrokerConfig, StartError};
use control::{DesiredBroker, ObjectRef, TopicReason};
use crds::{Condition, ConditionStatus, ConditionType, Kind, Timestamp};
use desired::{Memory, Report, Resolved, World};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};
use store::{FolderStore, ObjectStore};
use units::{BrokerId, DurationMs};

use super::{
    accepted::{self, Kept},
    findings,
    folder::DataFolder,
    manifests::{Manifests, Problem, shown},
    objects::Objects,
    pipelines::Pipelines,
    planner::Remembering,
    port,
    rates::Rates,
    status::{self, Overview},
    uid, volume,
};

/// Steps after which a world that still moves is left for the next look.
const STEPS_MAX: usize = 16;

/// A broker, pipelines, and the objects that say what they shall do.
pub(crate) struct House {
    root: PathBuf,
    folder: DataFolder,
    broker: Broker,
    pipelines: Pipelines,
    manifests: Manifests,
    objects: Objects,
    memory: Memory,
    planner: Remembering,
    /// What the disk has.
    saved: Kept,
    applied: Option<DesiredBroker>,
    /// What the gate refused, and all that is wrong.
    refused: Vec<Problem>,
    problems: Vec<Problem>,
    /// What does not work by no fault of the manifests: a step that failed, a status that cannot be written, the volume. Said once each.
    troubles: [Trouble; 3],
    ready: BTreeMap<(Kind, ObjectRef), Condition>,
    rates: Rates,
    overview: Option<Overview>,
}

impl House {
    /// Recovers and serves what was accepted before; manifests are not looked at yet.
    ///
    /// # Errors
    /// Where the data belongs to another folder of manifests, is damaged, or the address cannot be listened on.
    pub(crate) async fn open(root: PathBuf, folder: DataFolder, listen: SocketAddr) -> anyhow::Result<Self> {
        let saved = accepted::read(folder.path())?.unwrap_or_default();
        if saved.manifests != root && saved.manifests.exists() {
            let (data, old) = (shown(folder.path()).display(), shown(&saved.manifests).display());
            anyhow::bail!("{data} has the data of {old}: give another --data-dir, or what {old} declares would be deleted");
        }
        let full = |error| explain_full(error, folder.path());
        let store: Arc<dyn ObjectStore> =
            Arc::new(FolderStore::open(folder.join("objects")).context("open the object store").map_err(full)?);
        let config =
            BrokerConfig { initial_rebalance_delay: DurationMs(0), ..BrokerConfig::new(BrokerId(0), folder.join("broker"), listen) };
        let broker = Broker::start(config, Arc::clone(&store)).await.map_err(explain).map_err(full)?;
        let pipelines = Pipelines::new(broker.address(), store);
        Ok(Self {
            root,
            folder,
            broker,
            pipelines,
            manifests: Manifests::unknown(),
            objects: saved.objects.clone(),
            memory: saved.memory.clone(),
            planner: Remembering::default(),
            saved,
            applied: None,
            refused: Vec::new(),
            problems: Vec::new(),
            troubles: Default::default(),
            ready: BTreeMap::new(),
            rates: Rates::default(),
            overview: None,
        })
    }

    /// Where Kafka clients find it.
    pub(crate) fn address(&self) -> SocketAddr {
        self.broker.address()
    }

    /// What is declared and accepted.
    pub(crate) fn objects(&self) -> &Objects {
        &self.objects
    }

    /// The manifests in force.
    pub(crate) fn manifests(&self) -> &Manifests {
        &self.manifests
    }

    /// The data folder.
    pub(crate) fn folder(&self) -> &DataFolder {
        &self.folder
    }

    /// Takes over manifests as they are now.
    pub(crate) fn take(&mut self, manifests: Manifests) {
        self.manifests = manifests;
        self.admit();
    }

    fn admit(&mut self) {
        self.refused = self.objects.take(&self.manifests, &mut uid::random, Timestamp::now());
    }

    /// Steps until nothing is left to decide, or as often as a world may take to come to rest; then says what is new. What held only in
    /// between is not said.
    ///
    /// # Errors
    /// Where the disk does not take a decision: nothing of it is done then, and the next call tries again.
    pub(crate) async fn settle(&mut self) -> anyhow::Result<()> {
        let mut reports = Vec::new();
        let mut outcome = Ok(false);
        for _ in 0..STEPS_MAX {
            outcome = self.step(&mut reports).await;
            if !matches!(outcome, Ok(false)) {
                break;
            }
        }
        self.say(&reports);
        outcome.map(drop)
    }

    /// The same, where an error is said, once, rather than given back.
    pub(crate) async fn settle_or_say(&mut self) {
        let failed = self.settle().await.err();
        self.troubles[0].note(failed.map(|error| format!("{error:#}")), "what failed works again");
    }

    /// One look, one decision, done. Tells whether nothing was left to decide.
    async fn step(&mut self, said: &mut Vec<Report>) -> anyhow::Result<bool> {
        let actual = self.broker.actual();
        let (generation, is_short) = (actual.generation, actual.problems.values().any(|one| one.reason == TopicReason::BrokerUnavailable));
        let world = World {
            brokers: BTreeMap::from([(self.objects.cluster(), actual)]),
            running: self.pipelines.actual(),
            ..self.objects.world(&self.manifests).context("accepted.json holds an object of another shape")?
        };
        let Resolved { brokers, pipelines, reports, memory, .. } = desired::resolve(&world, &self.memory, &self.planner, Timestamp::now());
        let some_went = self.objects.write(&reports);
        // An object that is gone is in no later report.
        said.retain(|report| report.is_gone);
        said.extend(reports);
        self.keep(memory.clone())?;
        let is_at_rest = memory == self.memory && !some_went;
        self.memory = memory;
        if let Some(desired) = brokers.into_values().next()
            && (self.applied.as_ref() != Some(&desired) || generation < desired.generation || is_short)
        {
            self.broker.apply(desired.clone()).await?;
            self.applied = Some(desired);
        }
        self.pipelines.follow(pipelines);
        if some_went {
            // What was on its way out may be declared anew.
            self.admit();
        }
        Ok(is_at_rest)
    }

    /// Makes objects and decision durable, if they changed, before anything is done that rests on them.
    fn keep(&mut self, memory: Memory) -> anyhow::Result<()> {
        if self.saved.objects != self.objects || self.saved.memory != memory || self.saved.manifests != self.root {
            let kept = Kept { manifests: self.root.clone(), objects: self.objects.clone(), memory };
            accepted::write(&self.folder, &kept)?;
            self.saved = kept;
        }
        Ok(())
    }

    /// Log lines for what is new: problems, and objects that became ready or no longer are.
    fn say(&mut self, reports: &[Report]) {
        let mut problems = self.manifests.problems.clone();
        problems.extend(self.refused.iter().cloned());
        problems.extend(findings::problems(reports, &self.manifests));
        let known: BTreeSet<&Problem> = self.problems.iter().collect();
        for problem in problems.iter().filter(|problem| !known.contains(problem)) {
            if problem.is_error { tracing::error!("{problem}") } else { tracing::warn!("{problem}") }
        }
        if problems.is_empty() && !self.problems.is_empty() {
            tracing::info!("all manifests are well");
        }
        self.problems = problems;
        for report in reports {
            self.say_ready(report);
        }
    }

    fn say_ready(&mut self, report: &Report) {
        let key = (report.kind, report.object.clone());
        let Some(ready) = report.status.condition(ConditionType::Ready) else { return };
        let before = self.ready.insert(key, ready.clone());
        let is_new = before.as_ref().is_none_or(|before| (&before.reason, &before.message) != (&ready.reason, &ready.message));
        let was_unwell = before.is_some_and(|before| before.status != ConditionStatus::True);
        // Everything but a pipeline is expected to be well at once; what is wrong in a manifest was said with its place.
        let is_news = report.kind == Kind::Pipeline || was_unwell || ready.status != ConditionStatus::True;
        let is_told = is_new && is_news && report.findings.is_empty();
        if report.is_gone {
            tracing::info!("{} {}: gone", report.kind, report.object);
            self.ready.remove(&(report.kind, report.object.clone()));
        } else if is_told {
            tracing::info!("{} {}: {}: {}", report.kind, report.object, ready.reason, ready.message);
        }
    }

    /// What is, now; `status.json` is written if it differs from the last.
    pub(crate) fn overview(&mut self) -> &Overview {
        let broker = self.broker.actual();
        self.troubles[1].note(volume::problem(broker.storage.health, self.folder.path()), "the volume takes records again");
        let troubles = self.troubles.iter().filter_map(Trouble::text);
        let sources = status::Sources {
            manifests: &self.root,
            objects: &self.objects,
            broker: &broker,
            kafka: self.broker.address().to_string(),
            running: &self.pipelines.actual(),
            problems: troubles.chain(self.problems.iter().map(ToString::to_string)).collect(),
            now: Instant::now(),
        };
        let overview = Overview::of(sources, &mut self.rates);
        if self.overview.as_ref() != Some(&overview) {
            let text = serde_json::to_vec_pretty(&overview).expect("plain data has a JSON form");
            let written = self.folder.replace(status::FILE, &text);
            self.troubles[2].note(written.err().map(|error| error.to_string()), "status.json is written again");
        }
        self.overview.insert(overview)
    }

    /// Ends the process: last commits and checkpoints, then the broker is flushed and closed. All is durable then, so threads that still hold
    /// something are not waited for.
    pub(crate) async fn stop(mut self) -> ! {
        self.pipelines.stop().await;
        self.overview();
        let Self { broker, pipelines: _pipelines, folder: _folder, .. } = self;
        broker.shutdown().await;
        tracing::info!("stopped; the next start goes on from here");
        std::process::exit(0)
    }
}

/// Something that goes wrong again and again, and is said when it begins, when it becomes something else, and when it is over.
#[derive(Debug, Default)]
struct Trouble(Option<String>);

impl Trouble {
    fn note(&mut self, now: Option<String>, over: &str) {
        match (&self.0, &now) {
            (before, Some(text)) if before.as_ref() != Some(text) => tracing::error!("{text}"),
            (Some(_), None) => tracing::info!("{over}"),
            _ => {}
        }
        self.0 = now;
    }

    fn text(&self) -> Option<String> {
        self.0.clone()
    }
}

/// A port in use is named with who has it.
fn explain(error: StartError) -> anyhow::Error {
    match &error {
        StartError::Listen { address, source } if source.kind() == io::ErrorKind::AddrInUse => {
            let holder = port::holder(*address).map(|holder| format!(" by {holder}")).unwrap_or_default();
            anyhow::anyhow!("{address} is in use{holder}: stop it, or give another address with --listen (127.0.0.1:0 takes a free one)")
        }
        _ => error.into(),
    }
}

/// A full volume is named with what to do.
fn explain_full(error: anyhow::Error, folder: &Path) -> anyhow::Error {
    let is_full = |cause: &io::Error| matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    if !error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(is_full)) {
        return error;
    }
    let folder = shown(folder).display();
    anyhow::anyhow!("it cannot start, for the volume of {folder}/ is full. Free space on it; what is acknowledged is safe there")
}
