//! `--check`: what would be said of the manifests, by a broker and pipelines that do at once what they are told.
//!
//! Where the data folder has objects of an earlier run, the new ones are checked against those: an edit that `dev` would refuse is found.

use anyhow::Context;
use control::{ActualBroker, ActualPipeline, ActualTopic, DesiredBroker, DesiredPipeline, Life, ObjectRef, Phase, Release};
use crds::Timestamp;
use desired::{Resolved, World};
use std::{collections::BTreeMap, process::ExitCode};
use units::{BrokerId, Incarnation, TopicId};

use super::{
    accepted::{self, Kept},
    arguments::Arguments,
    figures::counted,
    findings, listing,
    manifests::{Manifests, Problem},
    planner::Remembering,
    uid,
};

/// Rounds after which a world that still moves is a bug of ours.
const ROUNDS_MAX: usize = 16;

/// Checks, prints what is wrong to standard error and a summary to standard output.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let dir = &arguments.dir;
    let data = arguments.data_dir.canonicalize().unwrap_or_else(|_| arguments.data_dir.clone());
    let listing = Ok(listing::list(dir, &data).map_err(anyhow::Error::msg)?);
    let manifests = Manifests::read(dir, &listing);
    // What other manifests once declared says nothing about these.
    let kept = accepted::read(&arguments.data_dir)?.filter(|kept| kept.manifests == *dir).unwrap_or_default();
    let problems = check(&manifests, kept)?;
    for problem in &problems {
        eprintln!("{problem}");
    }
    let skipped = manifests.skipped().map(|skipped| skipped + "\n").unwrap_or_default();
    let verdict = if problems.is_empty() { "all is well".into() } else { counted(problems.len(), "problem") };
    let (objects, files) = (counted(manifests.ours.len(), "object"), counted(manifests.files, "file"));
    super::print(&format!("{skipped}{objects} in {files}: {verdict}\n"));
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Everything wrong with the manifests. A table that is missing counts too: there is nothing else that could still declare it.
pub(crate) fn check(manifests: &Manifests, kept: Kept) -> anyhow::Result<Vec<Problem>> {
    let now = Timestamp::now();
    let Kept { mut objects, mut memory, .. } = kept;
    let mut problems = manifests.problems.clone();
    problems.extend(objects.take(manifests, &mut uid::random, now));
    let planner = Remembering::default();
    let mut brokers: BTreeMap<ObjectRef, ActualBroker> = BTreeMap::new();
    let before = memory.brokers.values().next().cloned();
    let mut broker = obedient();
    before.iter().for_each(|desired| obey(&mut broker, desired));
    brokers.insert(objects.cluster(), broker);
    let mut running: BTreeMap<ObjectRef, ActualPipeline> =
        memory.pipelines.iter().map(|applied| (applied.desired.pipeline.clone(), follow(&applied.desired))).collect();
    for _ in 0..ROUNDS_MAX {
        let world = World { brokers: brokers.clone(), running: running.clone(), ..objects.world(manifests).context("accepted objects")? };
        let Resolved { brokers: desired, pipelines, reports, memory: decided, .. } = desired::resolve(&world, &memory, &planner, now);
        let is_at_rest =
            decided == memory && !objects.write(&reports) && brokers.values().eq(world.brokers.values()) && running == world.running;
        memory = decided;
        for (name, desired) in &desired {
            brokers.get_mut(name).into_iter().for_each(|broker| obey(broker, desired));
        }
        running = pipelines.iter().map(|desired| (desired.pipeline.clone(), follow(desired))).collect();
        if is_at_rest && running == world.running && brokers == world.brokers {
            problems.extend(findings::problems(&reports, manifests));
            problems.sort();
            problems.dedup();
            return Ok(problems);
        }
    }
    anyhow::bail!("the manifests do not come to rest: this is a bug")
}

/// A broker that just started.
fn obedient() -> ActualBroker {
    ActualBroker { cluster_id: "check".into(), ready: true, ..ActualBroker::new(BrokerId(0), Incarnation(1)) }
}

/// The broker does what it is told.
fn obey(broker: &mut ActualBroker, desired: &DesiredBroker) {
    broker.generation = desired.generation;
    for released in &desired.released {
        let is_it = |topic: &ActualTopic| topic.topic_id == released.topic_id;
        match released.release {
            Release::Delete => broker.topics.retain(|topic| !is_it(topic)),
            Release::Retain => {
                broker.topics.iter_mut().filter(|topic| is_it(topic)).for_each(|topic| topic.last_owner = topic.owner.take())
            }
        }
    }
    for wanted in &desired.topics {
        let had = broker.topics.iter().position(|topic| topic.name == wanted.name);
        let had = had.map(|index| broker.topics.remove(index));
        broker
            .topics
            .push(ActualTopic::new(wanted, wanted.topic_id.or(had.map(|had| had.topic_id)).unwrap_or_else(|| TopicId(uid::bytes()))));
    }
    broker.topics.sort_by(|left, right| left.name.cmp(&right.name));
}

/// A pipeline does what it is told.
fn follow(desired: &DesiredPipeline) -> ActualPipeline {
    let phase = match desired.life {
        Life::Run => Phase::Running,
        Life::Suspend => Phase::Suspended,
        Life::Drain | Life::Stop => Phase::Stopped,
    };
    ActualPipeline { generation: desired.generation, ..ActualPipeline::new(desired, phase) }
}
