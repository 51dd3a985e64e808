//! The objects as they passed the gate, with what an API server would add: uid, generation, creation and deletion time, status.

use control::ObjectRef;
use crds::{FieldPath, Kind, Time, Timestamp, admission};
use desired::{Place, Report, Status, World};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

use super::manifests::{Manifests, Placed, Problem, reference, shown};

/// Fields of status that only count and measure. They are not kept: `status.json` has the exact figures.
const TELEMETRY: [&str; 11] = [
    "storage",
    "objectStore",
    "brokers",
    "lag",
    "lagSeconds",
    "watermark",
    "lastCommitTime",
    "lastCheckpointTime",
    "stateBytes",
    "lateRows",
    "deadLetters",
];

/// An accepted object, and the file that declares it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Accepted {
    pub(crate) kind: Kind,
    pub(crate) file: PathBuf,
    pub(crate) object: Value,
}

impl Accepted {
    pub(crate) fn name(&self) -> ObjectRef {
        reference(&self.object)
    }

    fn is_leaving(&self) -> bool {
        !self.object["metadata"]["deletionTimestamp"].is_null()
    }

    fn is(&self, kind: Kind, name: &ObjectRef) -> bool {
        self.kind == kind && self.name() == *name
    }
}

/// Every accepted object, in the order in which the files declare them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Objects(Vec<Accepted>);

impl Objects {
    /// Each of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Accepted> {
        self.0.iter()
    }

    /// Takes over what the manifests declare: the gate for what is new or changed, a deletion for what is no longer there. An object that
    /// the gate refuses stays as it was accepted last; one whose file cannot be read stays too.
    pub(crate) fn take(&mut self, manifests: &Manifests, uid: &mut dyn FnMut() -> String, now: Timestamp) -> Vec<Problem> {
        let mut problems = second_clusters(manifests);
        let mut accepted = Vec::new();
        for (kind, name, placed) in &manifests.ours {
            let before = self.0.iter().position(|one| one.is(*kind, name)).map(|index| self.0.remove(index));
            let is_second = *kind == Kind::Cluster && !problems.is_empty();
            match before {
                // Made anew once it is gone.
                Some(before) if before.is_leaving() => accepted.push(before),
                Some(before) if is_second => accepted.push(before),
                None if is_second => {}
                before => match admit(*kind, placed, before.as_ref(), uid, now) {
                    Ok(object) => accepted.push(Accepted { kind: *kind, file: placed.file.clone(), object }),
                    Err(found) => {
                        problems.extend(found);
                        accepted.extend(before);
                    }
                },
            }
        }
        for mut absent in std::mem::take(&mut self.0) {
            if !absent.is_leaving() && !manifests.is_unread(&absent.file) {
                absent.object["metadata"]["deletionTimestamp"] = json!(Time(now));
            }
            accepted.push(absent);
        }
        self.0 = accepted;
        problems
    }

    /// Writes what is said of the objects into them, and lets those go that are gone. Tells whether any went.
    pub(crate) fn write(&mut self, reports: &[Report]) -> bool {
        for report in reports {
            if let Some(found) = self.0.iter_mut().find(|one| one.is(report.kind, &report.object)) {
                let mut status = match &report.status {
                    Status::Cluster(status) => json!(status),
                    Status::Topic(status) => json!(status),
                    Status::RetentionPolicy(status) => json!(status),
                    Status::Pipeline(status) => json!(status),
                };
                status.as_object_mut().into_iter().for_each(|fields| fields.retain(|field, _| !TELEMETRY.contains(&field.as_str())));
                found.object["status"] = status;
            }
        }
        let before = self.0.len();
        self.0.retain(|one| !reports.iter().any(|report| report.is_gone && one.is(report.kind, &report.object)));
        self.0.len() < before
    }

    /// The world, but for what runs. A Pipeline may read files of the folder that its manifest lies in.
    ///
    /// # Errors
    /// Where an object does not have the shape of its kind: it was damaged, or accepted by another version.
    pub(crate) fn world(&self, manifests: &Manifests) -> Result<World, serde_json::Error> {
        let mut world = World::empty(Place::Process { broker: fallback_cluster() });
        world.config_maps = manifests.config_map_data();
        world.namespaces = manifests.namespaces.clone();
        world.clusters = self.of(Kind::Cluster)?;
        world.policies = self.of(Kind::RetentionPolicy)?;
        world.topics = self.of(Kind::Topic)?;
        world.pipelines = self.of(Kind::Pipeline)?;
        for one in self.0.iter().filter(|one| one.kind == Kind::Pipeline) {
            let folder = one.file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            // A folder that is gone serves no files; the pipeline says so.
            world.files_roots.extend(folder.canonicalize().ok().map(|folder| (one.name(), folder)));
        }
        Ok(world)
    }

    fn of<T: DeserializeOwned>(&self, kind: Kind) -> Result<Vec<T>, serde_json::Error> {
        self.0.iter().filter(|one| one.kind == kind).map(|one| serde_json::from_value(one.object.clone())).collect()
    }

    /// The Cluster whose declaration the broker follows.
    pub(crate) fn cluster(&self) -> ObjectRef {
        let declared = self.0.iter().filter(|one| one.kind == Kind::Cluster).map(Accepted::name).min();
        declared.unwrap_or_else(fallback_cluster)
    }
}

/// The name that the broker goes by where there is no Cluster manifest.
fn fallback_cluster() -> ObjectRef {
    ObjectRef { namespace: "default".into(), name: "default".into() }
}

/// There is one broker, so two Clusters are refused, each naming the other's file.
fn second_clusters(manifests: &Manifests) -> Vec<Problem> {
    let clusters: Vec<_> = manifests.ours.iter().filter(|(kind, ..)| *kind == Kind::Cluster).map(|(.., placed)| placed).collect();
    let [first, others @ ..] = clusters.as_slice() else { return Vec::new() };
    let one = |placed: &&Placed, other: &Placed| {
        let message = format!("dev runs one broker, and {} declares a Cluster too: take one of them away", shown(&other.file).display());
        placed.problem(&FieldPath::root(), None, message, true)
    };
    let of_first = others.first().map(|other| one(first, other));
    of_first.into_iter().chain(others.iter().map(|placed| one(placed, first))).collect()
}

fn admit(
    kind: Kind,
    placed: &Placed,
    before: Option<&Accepted>,
    uid: &mut dyn FnMut() -> String,
    now: Timestamp,
) -> Result<Value, Vec<Problem>> {
    let old = before.map(|before| &before.object);
    let mut new = admission::admit(kind, placed.document.object.clone(), old).map_err(|violations| {
        let problem = |violation: admission::Violation| match violation.is_about_name {
            true => placed.problem_with_name(&violation.path, violation.message),
            false => placed.problem(&violation.path, None, violation.message, true),
        };
        violations.into_iter().map(problem).collect::<Vec<_>>()
    })?;
    let generation = old.map_or(1, |old| old["metadata"]["generation"].as_i64().unwrap_or(1) + i64::from(old["spec"] != new["spec"]));
    let born = old.map_or_else(
        || (json!(uid()), json!(Time(now))),
        |old| (old["metadata"]["uid"].clone(), old["metadata"]["creationTimestamp"].clone()),
    );
    new["metadata"]["namespace"] = json!(reference(&new).namespace);
    new["metadata"]["generation"] = json!(generation);
    (new["metadata"]["uid"], new["metadata"]["creationTimestamp"]) = born;
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dev::listing::Found;

    const TOPIC: &str = "apiVersion: streamwright.dev/v1alpha1\nkind: Topic\nmetadata: {name: orders}\nspec: {partitions: 2}\n";
    const CLUSTER: &str = "apiVersion: streamwright.dev/v1alpha1\nkind: Cluster\nmetadata: {name: main}\nspec: {}\n";

    struct Desk {
        objects: Objects,
        births: u32,
    }

    impl Desk {
        fn new() -> Self {
            Self { objects: Objects::default(), births: 0 }
        }

        fn take(&mut self, files: &[(&str, &str)]) -> Vec<String> {
            let mut manifests = Manifests::default();
            files.iter().for_each(|(file, text)| manifests.add_file(Path::new(file), text));
            let births = &mut self.births;
            let mut uid = || {
                *births += 1;
                format!("{births:08x}")
            };
            let found = self.objects.take(&manifests, &mut uid, Timestamp::UNIX_EPOCH);
            manifests.problems.into_iter().chain(found).map(|problem| problem.to_string()).collect()
        }

        fn field(&self, field: &str) -> Value {
            self.objects.iter().next().unwrap().object["metadata"][field].clone()
        }
    }

    #[test]
    fn an_object_keeps_its_uid_and_counts_its_changes() {
        let mut desk = Desk::new();
        assert_eq!(desk.take(&[("a.yaml", TOPIC)]), [""; 0]);
        assert_eq!((desk.field("uid"), desk.field("generation")), (json!("00000001"), json!(1)));
        desk.take(&[("b.yaml", TOPIC)]);
        assert_eq!(desk.field("generation"), json!(1), "another file is no change");
        desk.take(&[("b.yaml", &TOPIC.replace('2', "3"))]);
        assert_eq!((desk.field("uid"), desk.field("generation")), (json!("00000001"), json!(2)));
    }

    #[test]
    fn what_the_gate_refuses_stays_as_it_was_and_is_placed() {
        let mut desk = Desk::new();
        desk.take(&[("a.yaml", TOPIC)]);
        let said = desk.take(&[("a.yaml", &TOPIC.replace("partitions: 2", "partitions: 1"))]);
        assert_eq!(said.len(), 1);
        assert!(said[0].starts_with("a.yaml:4:"), "{said:?}");
        assert_eq!(desk.objects.iter().next().unwrap().object["spec"]["partitions"], json!(2));
    }

    #[test]
    fn a_manifest_that_is_gone_is_a_deletion_but_one_in_a_broken_file_is_not() {
        let mut desk = Desk::new();
        desk.take(&[("a.yaml", TOPIC)]);
        let said = desk.take(&[("a.yaml", "kind: [")]);
        assert!(said[0].starts_with("a.yaml:2:"), "{said:?}");
        assert_eq!(desk.field("deletionTimestamp"), Value::Null);
        desk.take(&[]);
        assert_eq!(desk.field("deletionTimestamp"), json!("1970-01-01T00:00:00Z"));
        desk.take(&[("a.yaml", TOPIC)]);
        assert!(!desk.field("deletionTimestamp").is_null(), "it is made anew only once it is gone");
    }

    #[test]
    fn what_a_folder_that_cannot_be_looked_into_declared_is_not_gone() {
        let mut desk = Desk::new();
        desk.take(&[("below/a.yaml", TOPIC)]);
        let found = Found { unknown: vec![("below".into(), "Permission denied".into())], ..Found::default() };
        let manifests = Manifests::read(Path::new("."), &Ok(found));
        assert_eq!(manifests.problems[0].to_string(), "below: cannot be looked at: Permission denied");
        desk.objects.take(&manifests, &mut String::new, Timestamp::UNIX_EPOCH);
        assert_eq!(desk.field("deletionTimestamp"), Value::Null);
    }

    #[test]
    fn a_config_map_that_is_there_twice_is_named() {
        let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: sql}\ndata: {a: x}\n";
        let said = Desk::new().take(&[("a.yaml", text), ("b.yaml", text)]);
        assert_eq!(said, ["b.yaml:3:18: ConfigMap default/sql: metadata.name: is declared in a.yaml already; the first one counts"]);
    }

    #[test]
    fn two_clusters_are_refused_naming_both_files() {
        let mut desk = Desk::new();
        let said = desk.take(&[("a.yaml", CLUSTER), ("b.yaml", &CLUSTER.replace("main", "other"))]);
        assert!(said[0].starts_with("a.yaml:") && said[0].contains("b.yaml declares"), "{said:?}");
        assert!(said[1].starts_with("b.yaml:") && said[1].contains("a.yaml declares"), "{said:?}");
        assert_eq!(desk.objects.iter().count(), 0);
    }
}
