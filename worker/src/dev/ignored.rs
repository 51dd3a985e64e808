//! What stands in the manifests and has no meaning here: said in a line each, when it is first seen and when it changes.

use crds::Kind;

use super::{
    manifests::Manifests,
    objects::{Accepted, Objects},
};

/// Fields that mean pods, volumes and buckets, by kind.
const FIELDS: [(Kind, &[&str]); 2] =
    [(Kind::Cluster, &["listeners", "storage", "pod", "replicas", "version", "objectStore"]), (Kind::Pipeline, &["pod", "version"])];

/// What was said last.
#[derive(Debug, Default)]
pub(crate) struct Ignored(Vec<String>);

impl Ignored {
    /// What is there to be said now and was not said last.
    pub(crate) fn news(&mut self, manifests: &Manifests, objects: &Objects) -> Vec<String> {
        let now: Vec<String> = manifests.skipped().into_iter().chain(objects.iter().filter_map(|one| fields(one, manifests))).collect();
        let news = now.iter().filter(|line| !self.0.contains(line)).cloned().collect();
        self.0 = now;
        news
    }
}

fn fields(accepted: &Accepted, manifests: &Manifests) -> Option<String> {
    let (_, fields) = FIELDS.iter().find(|(kind, _)| *kind == accepted.kind)?;
    let placed = manifests.find(accepted.kind, &accepted.name())?;
    let is_written = |field: &&str| !placed.document.object["spec"][field].is_null();
    let written: Vec<&str> = fields.iter().copied().filter(is_written).collect();
    let have = if written.len() == 1 { "has" } else { "have" };
    let what = format!("{} {}: {} {have} no meaning in dev", accepted.kind, accepted.name(), written.join(", "));
    (!written.is_empty()).then(|| what + ": everything runs in this process, its data in this folder")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crds::Timestamp;
    use std::path::Path;

    #[test]
    fn what_is_ignored_is_said_once_and_again_when_it_changes() {
        let mut ignored = Ignored::default();
        let mut news = |text: &str| {
            let (mut manifests, mut objects) = (Manifests::default(), Objects::default());
            manifests.add_file(Path::new("a.yaml"), text);
            assert_eq!(objects.take(&manifests, &mut || "1c9e04d7".into(), Timestamp::UNIX_EPOCH), []);
            ignored.news(&manifests, &objects)
        };
        let cluster = "apiVersion: streamwright.dev/v1alpha1\nkind: Cluster\nmetadata: {name: main}\nspec: {replicas: 1, version: 0.1.0}\n";
        let service = "---\napiVersion: v1\nkind: Service\n";
        let said =
            "Cluster default/main: replicas, version have no meaning in dev: everything runs in this process, its data in this folder";
        assert_eq!(news(cluster), [said]);
        assert_eq!(news(cluster), [""; 0]);
        assert_eq!(news(&(cluster.to_owned() + service)), ["1 object of no kind of ours skipped: v1 Service (1)"]);
        let more = cluster.to_owned() + service + service + "---\napiVersion: apps/v1\nkind: Deployment\n";
        assert_eq!(news(&more), ["3 objects of no kind of ours skipped: apps/v1 Deployment (1), v1 Service (2)"]);
        assert_eq!(news(""), [""; 0]);
    }
}
