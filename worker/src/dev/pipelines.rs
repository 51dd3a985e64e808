//! The pipelines that run in this process: what they are told, and what they say.

use control::{ActualPipeline, DesiredPipeline, ObjectRef, Phase};
use pipeline::{Environment, Handle, Lanes, Runner};
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};
use store::ObjectStore;
use tokio::task::JoinSet;

/// How long a stop waits for last commits and checkpoints. A pipeline that takes longer goes on from its last commit at the next start.
const STOP_PATIENCE: Duration = Duration::from_secs(30);

/// Every pipeline that is to run, hold still or leave.
#[derive(Debug)]
pub(crate) struct Pipelines {
    environment: Environment,
    running: BTreeMap<ObjectRef, Running>,
    /// What each said last, once all were stopped.
    stopped: BTreeMap<ObjectRef, ActualPipeline>,
}

#[derive(Debug)]
struct Running {
    uid: String,
    handle: Handle,
}

impl Pipelines {
    /// None yet; they will find the broker at `address` and keep their checkpoints in `store`.
    pub(crate) fn new(address: SocketAddr, store: Arc<dyn ObjectStore>) -> Self {
        let environment = Environment { bootstrap: vec![address.to_string()], tls: None, store, lanes: Lanes::default(), ordinal: 0 };
        Self { environment, running: BTreeMap::new(), stopped: BTreeMap::new() }
    }

    /// Goes towards this: the whole truth, so that one that is missing ends at once.
    pub(crate) fn follow(&mut self, wanted: Vec<DesiredPipeline>) {
        let is_wanted = |name: &ObjectRef, uid: &str| wanted.iter().any(|desired| desired.pipeline == *name && desired.uid == uid);
        for (_, gone) in self.running.extract_if(.., |name, running| !is_wanted(name, &running.uid)) {
            tokio::spawn(gone.handle.stop(false));
        }
        for desired in wanted {
            match self.running.get(&desired.pipeline) {
                Some(running) => running.handle.update(desired),
                None => {
                    let (name, uid) = (desired.pipeline.clone(), desired.uid.clone());
                    let handle = Runner::start(desired, self.environment.clone());
                    self.running.insert(name, Running { uid, handle });
                }
            }
        }
    }

    /// What each says.
    pub(crate) fn actual(&self) -> BTreeMap<ObjectRef, ActualPipeline> {
        let running = self.running.iter().map(|(name, running)| (name.clone(), running.handle.status()));
        running.chain(self.stopped.clone()).collect()
    }

    /// Ends all of them, after a last commit and a checkpoint each.
    pub(crate) async fn stop(&mut self) {
        self.stopped = self.actual().into_iter().map(|(name, actual)| (name, ActualPipeline { phase: Phase::Stopped, ..actual })).collect();
        let mut stopping: JoinSet<()> = std::mem::take(&mut self.running).into_values().map(|running| running.handle.stop(true)).collect();
        let all = async { while stopping.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_PATIENCE, all).await.is_err() {
            tracing::warn!("{} pipelines did not end within {STOP_PATIENCE:?}; they go on from their last commit", stopping.len());
        }
    }
}
