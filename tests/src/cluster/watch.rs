//! Waiting by watching.

use serde_json::Value;
use std::{
    io::BufReader,
    process::{Child, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use super::Cluster;

/// A watch that ends with the value.
struct Watch(Child);

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Cluster {
    /// The first object that `kubectl get WHAT --watch` shows and that is as wanted; those that are there count.
    ///
    /// # Panics
    /// Where none is within `patience`; the last one seen is printed.
    #[must_use]
    pub fn watch_until(&self, what: &[&str], patience: Duration, wanted: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + patience;
        let mut last = Value::Null;
        // A watch may end before its time, as when the API server goes away: then there is another.
        while Instant::now() < until {
            let mut command = self.kubectl_command(&[&["get", "--watch", "-o", "json"], what].concat());
            let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("kubectl can be run");
            let objects = serde_json::Deserializer::from_reader(BufReader::new(child.stdout.take().expect("stdout is piped"))).into_iter();
            let watch = Watch(child);
            let (seen, objects_seen) = mpsc::channel();
            std::thread::spawn(move || objects.map_while(Result::<Value, _>::ok).all(|object| seen.send(object).is_ok()));
            while let Ok(object) = objects_seen.recv_timeout(until.saturating_duration_since(Instant::now())) {
                if wanted(&object) {
                    return object;
                }
                last = object;
            }
            drop(watch);
        }
        panic!("{what:?} did not get there within {patience:?}: {last:#}")
    }

    /// `kubectl wait`: returns once the condition holds.
    ///
    /// # Panics
    /// Where it does not within `patience`.
    pub fn wait(&self, what: &[&str], condition: &str, patience: Duration) {
        let (condition, timeout) = (format!("--for={condition}"), format!("--timeout={}s", patience.as_secs()));
        let _ = self.kubectl(&[&["wait", &condition, &timeout], what].concat());
    }
}
