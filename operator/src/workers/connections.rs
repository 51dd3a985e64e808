//! Workers over the `control` contract: one connection and one watch each, kept open; what a worker said last counts for half a minute.

use control::{
    Actual as Said, ActualBroker, ActualPipeline, Desired, DesiredBroker, DesiredPipeline, ObjectRef,
    grpc::{Client, ClientTls},
};
use crds::Kind;
use futures::{StreamExt, future::BoxFuture};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::Instant,
};

use super::{Actual, Address, Workers};

/// What a worker said counts for so long.
const COUNTS_FOR: Duration = Duration::from_secs(30);
/// One that was not heard of for so long is silent: a sign of life, and half as long again.
const SILENT_AFTER: Duration = control::grpc::HEARTBEAT.saturating_add(Duration::from_secs(5));
/// A connection that failed is tried again after this, and ever later up to the longest.
const AGAIN: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(2);

type Id = (Kind, ObjectRef);

struct Line {
    address: Address,
    client: watch::Receiver<Option<Client>>,
    said: Option<(Said, Instant)>,
    since: Instant,
    task: JoinHandle<()>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Default)]
struct State {
    lines: BTreeMap<Id, Line>,
}

/// Every worker that there is, by TLS with the certificates of one folder.
#[derive(Clone)]
pub struct Connections {
    certificates: PathBuf,
    /// One for all: each has a memory of sessions, of some 20 kB, and certificates of its own.
    tls: Arc<Mutex<Option<ClientTls>>>,
    state: Arc<Mutex<State>>,
    news: Arc<Notify>,
}

impl Connections {
    /// `certificates` is a folder with `ca.crt`, `tls.crt` and `tls.key`, which may come later than this.
    #[must_use]
    pub fn new(certificates: PathBuf) -> Self {
        Self { certificates, tls: Arc::default(), state: Arc::default(), news: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, id: &Id, address: &Address) -> Line {
        let (sender, client) = watch::channel(None);
        let task = tokio::spawn(self.clone().keep(id.clone(), address.clone(), sender));
        Line { address: address.clone(), client, said: None, since: Instant::now(), task }
    }

    /// Keeps one connection, and hears what comes over it.
    async fn keep(self, id: Id, address: Address, sender: watch::Sender<Option<Client>>) {
        let (mut again, mut told) = (AGAIN, String::new());
        loop {
            let trouble = match self.connect(&address).await {
                Err(trouble) => trouble,
                Ok(client) => {
                    sender.send_replace(Some(client.clone()));
                    let (trouble, has_heard) = self.hear(&id, &client).await;
                    sender.send_replace(None);
                    if has_heard {
                        again = AGAIN;
                    }
                    trouble
                }
            };
            if trouble != told {
                tracing::info!("{} {} at {}: {trouble}", id.0, id.1, address.address);
                told = trouble;
            }
            tokio::time::sleep(again).await;
            again = (again * 2).min(LONGEST);
        }
    }

    /// The certificates, which are there some time after the start, and are read again by themselves when they change.
    fn tls(&self) -> Result<ClientTls, String> {
        let mut known = self.tls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tls) = &*known {
            return Ok(tls.clone());
        }
        let tls = ClientTls::open(&self.certificates).map_err(|error| error.to_string())?;
        Ok(known.insert(tls).clone())
    }

    async fn connect(&self, address: &Address) -> Result<Client, String> {
        let tls = self.tls()?;
        Client::connect(&address.address, &address.server_name, &tls).await.map_err(|error| error.to_string())
    }

    /// Hears until the watch ends: why, and whether anything was heard.
    async fn hear(&self, id: &Id, client: &Client) -> (String, bool) {
        let mut has_heard = false;
        let mut watch = match client.watch().await {
            Ok(watch) => watch,
            Err(error) => return (error.to_string(), has_heard),
        };
        while let Some(said) = watch.next().await {
            match said {
                Ok(said) => {
                    has_heard = true;
                    self.note(id, said);
                }
                Err(error) => return (error.to_string(), has_heard),
            }
        }
        ("the watch ended".into(), has_heard)
    }

    /// Takes over what a worker says, unless it is of something else than it should be.
    fn note(&self, id: &Id, said: Said) {
        let is_its_own = match (&said, id.0) {
            (Said::Broker(_), Kind::Cluster) => true,
            (Said::Pipeline(actual), Kind::Pipeline) => actual.pipeline == id.1,
            _ => false,
        };
        let mut state = self.state();
        let Some(line) = state.lines.get_mut(id).filter(|_| is_its_own) else { return };
        let is_news = line.said.as_ref().is_none_or(|(before, _)| *before != said);
        line.said = Some((said, Instant::now()));
        drop(state);
        if is_news {
            self.news.notify_one();
        }
    }

    fn push(&self, id: Id, desired: Desired) -> BoxFuture<'static, Result<(), String>> {
        let connections = self.clone();
        Box::pin(async move {
            let client = connections.state().lines.get(&id).and_then(|line| line.client.borrow().clone());
            let client = client.ok_or("there is no connection")?;
            let said = client.push(desired).await.map_err(|error| error.to_string())?;
            connections.note(&id, said);
            Ok(())
        })
    }
}

impl Workers for Connections {
    fn follow(&self, workers: BTreeMap<Id, Address>) {
        let mut state = self.state();
        state.lines.retain(|id, line| workers.get(id) == Some(&line.address));
        let missing: Vec<_> = workers.iter().filter(|(id, _)| !state.lines.contains_key(*id)).collect();
        for (id, address) in missing {
            let line = self.open(id, address);
            state.lines.insert(id.clone(), line);
        }
    }

    fn actual(&self) -> Actual {
        let mut actual = Actual::default();
        let state = self.state();
        let fresh = |line: &Line| line.said.as_ref().filter(|(_, at)| at.elapsed() < COUNTS_FOR).map(|(said, _)| said.clone());
        for ((_, name), said) in state.lines.iter().filter_map(|(id, line)| Some((id, fresh(line)?))) {
            match said {
                Said::Broker(broker) => drop::<Option<ActualBroker>>(actual.brokers.insert(name.clone(), broker)),
                Said::Pipeline(pipeline) => drop::<Option<ActualPipeline>>(actual.pipelines.insert(name.clone(), pipeline)),
            }
        }
        actual
    }

    fn is_silent(&self, kind: Kind, worker: &ObjectRef) -> bool {
        let state = self.state();
        let line = state.lines.get(&(kind, worker.clone()));
        line.is_some_and(|line| line.said.as_ref().map_or(line.since, |(_, at)| *at).elapsed() >= SILENT_AFTER)
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.news.notified())
    }

    fn push_broker(&self, cluster: ObjectRef, desired: DesiredBroker) -> BoxFuture<'static, Result<(), String>> {
        self.push((Kind::Cluster, cluster), Desired::Broker(desired))
    }

    fn push_pipeline(&self, pipeline: ObjectRef, desired: DesiredPipeline) -> BoxFuture<'static, Result<(), String>> {
        self.push((Kind::Pipeline, pipeline), Desired::Pipeline(desired))
    }
}

#[cfg(test)]
mod tests {
    use units::{BrokerId, Incarnation};

    use super::*;

    /// Nobody is at the address, and there are no certificates.
    #[tokio::test(start_paused = true)]
    async fn one_that_is_not_heard_of_is_silent_after_more_than_a_sign_of_life_and_not_before() {
        let connections = Connections::new("/nowhere".into());
        let name = ObjectRef { namespace: "air".into(), name: "main".into() };
        let address = Address { address: "127.0.0.1:1".into(), server_name: "localhost".into() };
        let id = (Kind::Cluster, name.clone());
        let follow = || connections.follow(BTreeMap::from([(id.clone(), address.clone())]));
        let is_silent = || connections.is_silent(Kind::Cluster, &name);
        assert!(!is_silent(), "nobody tries");
        follow();
        assert!(!is_silent(), "there was no time for an answer");
        tokio::time::advance(SILENT_AFTER - Duration::from_millis(1)).await;
        assert!(!is_silent());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(is_silent());
        follow();
        assert!(is_silent(), "it is no other line");
        connections.note(&id, Said::Broker(ActualBroker::new(BrokerId(0), Incarnation(1))));
        assert!(!is_silent(), "it spoke");
        tokio::time::advance(SILENT_AFTER).await;
        assert!(is_silent());
    }
}
