//! The ports that are open: one of the broker's own configuration, and those that are desired, opened and closed while it runs.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use control::{DesiredListener, Listener};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::task::TaskTracker;

use crate::{
    listener,
    port::{Advertised, Port},
    shared::Shared,
};

/// Every port of a broker. One per broker.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    /// Held for the whole of a change.
    changing: tokio::sync::Mutex<()>,
    now: Mutex<Now>,
    /// Of all ports, also of those that have closed.
    connections: Mutex<Vec<TaskTracker>>,
}

#[derive(Debug, Default)]
struct Now {
    fixed: Option<Arc<Port>>,
    open: BTreeMap<String, Open>,
    wanted: Vec<DesiredListener>,
    problems: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Open {
    wanted: DesiredListener,
    port: Arc<Port>,
    bound: u16,
    accepting: JoinHandle<()>,
}

impl Open {
    /// Whether it need not be closed to become `wanted`.
    fn can_become(&self, wanted: &DesiredListener) -> bool {
        self.wanted.port == wanted.port && self.wanted.tls == wanted.tls
    }
}

impl Listeners {
    /// Serves on the port of the broker's own configuration.
    pub(crate) fn serve_fixed(&self, socket: TcpListener, port: Arc<Port>, shared: &Arc<Shared>) {
        self.now().fixed = Some(Arc::clone(&port));
        tokio::spawn(listener::run(socket, port, Arc::clone(shared), self.tracker()));
    }

    /// Goes towards these ports and no others. What cannot be opened is a problem that is told, and is tried again by [`Listeners::retry`].
    pub(crate) async fn follow(&self, wanted: Vec<DesiredListener>, shared: &Arc<Shared>) {
        let _changing = self.changing.lock().await;
        self.now().wanted = wanted;
        self.settle(shared).await;
    }

    /// Tries again what could not be opened.
    pub(crate) async fn retry(&self, shared: &Arc<Shared>) {
        let _changing = self.changing.lock().await;
        if !self.now().problems.is_empty() {
            self.settle(shared).await;
        }
    }

    async fn settle(&self, shared: &Arc<Shared>) {
        let wanted = self.now().wanted.clone();
        let closing: Vec<(String, Open)> = {
            let is_wanted = |name: &str, open: &Open| wanted.iter().any(|wanted| wanted.name == *name && open.can_become(wanted));
            self.now().open.extract_if(.., |name, open| !is_wanted(name, open)).collect()
        };
        for (name, open) in closing {
            open.port.stop.cancel();
            // The port is free when it has ended, at once: another listener may be waiting for it.
            let _ = open.accepting.await;
            tracing::info!(listener = name, port = open.bound, "a listener is closed");
        }
        let mut problems = BTreeMap::new();
        for wanted in wanted {
            if let Err(problem) = self.open(&wanted, shared) {
                problems.insert(wanted.name, problem);
            }
        }
        let mut now = self.now();
        for (name, problem) in problems.iter().filter(|(name, problem)| now.problems.get(*name) != Some(problem)) {
            tracing::error!(listener = name, "{problem}");
        }
        now.problems = problems;
    }

    /// Opens one, or tells its clients something else where it is open.
    fn open(&self, wanted: &DesiredListener, shared: &Arc<Shared>) -> Result<(), String> {
        if shared.stop.is_cancelled() {
            return Ok(());
        }
        let mut now = self.now();
        if let Some(open) = now.open.get_mut(&wanted.name) {
            open.port.advertise(advertised(wanted, open.bound));
            open.wanted = wanted.clone();
            return Ok(());
        }
        let tls = match (&wanted.tls, &shared.config.tls_folder) {
            (None, _) => None,
            (Some(name), Some(folder)) if is_folder_name(name) => {
                Some(tls::Server::open(&folder.join(name)).map_err(|reason| reason.to_string())?)
            }
            (Some(name), Some(_)) => return Err(format!("{name:?} is not the name of a folder")),
            (Some(_), None) => return Err("TLS is wanted, and this broker was given no folder of certificates".into()),
        };
        let socket = bind(shared.config.listen_host, wanted.port).map_err(|reason| format!("listen on port {}: {reason}", wanted.port))?;
        let bound = socket.local_addr().map_err(|reason| reason.to_string())?.port();
        let port = Arc::new(Port::new(&wanted.name, advertised(wanted, bound), tls, shared.stop.child_token()));
        let accepting = tokio::spawn(listener::run(socket, Arc::clone(&port), Arc::clone(shared), self.tracker()));
        let with = if wanted.tls.is_some() { "with TLS" } else { "in plain text" };
        tracing::info!(listener = wanted.name, port = bound, "a listener is open, {with}");
        now.open.insert(wanted.name.clone(), Open { wanted: wanted.clone(), port, bound, accepting });
        Ok(())
    }

    /// What is open, and what clients are told there.
    pub(crate) fn actual(&self) -> Vec<Listener> {
        let now = self.now();
        let told = |port: &Port| {
            let advertised = port.advertised();
            Listener { name: port.name.clone(), address: format!("{}:{}", advertised.host, advertised.port) }
        };
        now.fixed.iter().map(|port| told(port)).chain(now.open.values().map(|open| told(&open.port))).collect()
    }

    /// What is not as desired: ports that are not open, and certificates that were replaced by ones that cannot be used.
    pub(crate) fn problems(&self) -> BTreeMap<String, String> {
        let now = self.now();
        let stale = now.open.iter().filter_map(|(name, open)| Some((name.clone(), open.port.tls.as_ref()?.problem()?)));
        stale.chain(now.problems.clone()).collect()
    }

    /// Another number whenever [`Listeners::actual`] or [`Listeners::problems`] change.
    pub(crate) fn revision(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.actual().iter().for_each(|listener| (&listener.name, &listener.address).hash(&mut hasher));
        self.problems().hash(&mut hasher);
        hasher.finish()
    }

    /// Waits until every connection has ended; the ports must have been stopped.
    pub(crate) async fn ended(&self) {
        let connections = std::mem::take(&mut *self.connections.lock().unwrap_or_else(PoisonError::into_inner));
        for connections in connections {
            connections.close();
            connections.wait().await;
        }
    }

    fn tracker(&self) -> TaskTracker {
        let tracker = TaskTracker::new();
        let mut all = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|one| !one.is_closed() || !one.is_empty());
        all.push(tracker.clone());
        tracker
    }

    fn now(&self) -> std::sync::MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn advertised(wanted: &DesiredListener, bound: u16) -> Advertised {
    let port = if wanted.advertised_port == 0 { bound } else { wanted.advertised_port };
    Advertised { host: wanted.advertised_host.clone(), port }
}

/// One name, no way out of the folder it lies in.
fn is_folder_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0'])
}

/// Every address of the machine where none is given: of both families, or of IPv4 alone where there is no other.
fn bind(host: Option<IpAddr>, port: u16) -> io::Result<TcpListener> {
    if let Some(host) = host {
        return listener::bind(SocketAddr::new(host, port));
    }
    match listener::bind(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)) {
        Err(reason) if reason.kind() != io::ErrorKind::AddrInUse => listener::bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port)),
        bound => bound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tls_folder_is_one_below_the_brokers_own() {
        for (name, is_one) in [("outside", true), ("", false), (".", false), ("..", false), ("../other", false), ("a/b", false)] {
            assert_eq!(is_folder_name(name), is_one, "{name:?}");
        }
    }
}
