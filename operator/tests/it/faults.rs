//! Every call of every lifecycle fails once, in every way in turn; the operator dies after each single write. It always comes to the same rest: no
//! orphan, nothing deleted twice, no topic lost, and written no more.

use crds::Kind;
use operator::resource::{Key, Resource};
use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use crate::{
    fake::Fault,
    kit::World,
    lifecycle::{CLUSTER, PIPELINE, TOPICS},
};

/// One stage of a life: what a user does.
type Stage = fn(&World);

/// Up, changed in every way that matters, and down again.
const STAGES: &[Stage] = &[
    |world| {
        world.apply(CLUSTER);
        world.apply(TOPICS);
        world.apply(PIPELINE);
    },
    |world| {
        world.apply(&TOPICS.replace("partitions: 6", "partitions: 8").replace("time: 720h", "time: 900h"));
        world.apply(&PIPELINE.replace("STATE sum", "STATE other, upgrade: {allowStateLoss: true}"));
    },
    |world| {
        world.apply(&CLUSTER.replace("spec: {", "spec: {listeners: [{name: internal, port: 9092}], "));
        world.apply(&PIPELINE.replace(
            "query: FROM orders INTO totals STATE sum",
            "suspend: true, query: FROM orders INTO totals STATE other, upgrade: {allowStateLoss: true}",
        ));
    },
    |world| {
        world.delete(Kind::Pipeline, "sums");
        world.delete(Kind::Topic, "totals");
        world.delete(Kind::Topic, "orders");
    },
];

/// What a world at rest is, as far as a user can tell.
#[derive(Debug, PartialEq, Eq)]
struct Rest {
    ready: Vec<String>,
    objects: Vec<String>,
    topics: Vec<String>,
    deleted: Vec<String>,
}

fn rest(world: &World) -> Rest {
    let keys = world.fake.user(|store| store.objects.keys().cloned().collect::<Vec<Key>>());
    let ready = |key: &Key| Some(format!("{key} {}", world.ready(key.resource.ours()?, &format!("{}/{}", key.namespace, key.name))));
    // Layouts hold uids, which differ with the order of births.
    let plain = |topic: String| {
        if topic.starts_with("_sw.") {
            topic.split('.').take(3).chain(topic.rsplit('.').take(1)).collect::<Vec<_>>().join(".")
        } else {
            topic
        }
    };
    Rest {
        ready: keys.iter().filter_map(ready).collect(),
        objects: keys.iter().filter(|key| key.resource != Resource::Event).map(ToString::to_string).collect(),
        topics: world.workers.topics("default").into_iter().map(plain).collect(),
        deleted: world.workers.deleted().into_iter().map(plain).collect(),
    }
}

/// Lives a whole life. Gives what each stage came to, and how many calls, writes and words it took.
async fn live(prepare: impl FnOnce(&World)) -> (World, Vec<Rest>) {
    let mut world = World::new();
    prepare(&world);
    let mut rests = Vec::new();
    for stage in STAGES {
        stage(&world);
        world.rest().await;
        rests.push(rest(&world));
    }
    let deaths: Vec<_> = world.fake.user(|store| store.deaths.clone());
    let once: BTreeSet<_> = deaths.iter().map(|(_, uid)| uid.clone()).collect();
    assert_eq!(deaths.len(), once.len(), "an object died twice: {deaths:?}");
    (world, rests)
}

fn check(expected: &[Rest], found: &[Rest], what: &str) {
    for (stage, (expected, found)) in expected.iter().zip(found).enumerate() {
        let mut found_deleted = found.deleted.clone();
        let mut expected_deleted = expected.deleted.clone();
        found_deleted.sort();
        expected_deleted.sort();
        assert_eq!(
            (&expected.ready, &expected.objects, &expected.topics),
            (&found.ready, &found.objects, &found.topics),
            "stage {stage}: {what}"
        );
        assert_eq!(expected_deleted, found_deleted, "stage {stage}: {what}");
    }
}

/// Lives `lives` lives, each on a paused clock of its own, on every core: those of one core follow each other.
fn on_every_core(lives: usize, one: impl AsyncFn(usize) + Sync) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let one = &one;
    std::thread::scope(|scope| {
        for first in 0..cores {
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
                runtime.block_on(async {
                    for life in (first..lives).step_by(cores) {
                        one(life).await;
                    }
                });
            });
        }
    });
}

/// A whole life without a fault, on a paused clock.
fn undisturbed() -> (World, Vec<Rest>) {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime").block_on(live(|_| {}))
}

#[test]
fn every_call_fails_once() {
    let (world, expected) = undisturbed();
    assert_eq!(
        expected[0].ready.iter().filter(|ready| ready.ends_with("True/Available")).count(),
        expected[0].ready.len(),
        "{expected:#?}"
    );
    let calls = world.fake.state().calls.len();
    drop(world);
    assert!(calls > 60, "only {calls} calls: the lifecycle has become too small to say anything");
    let faults = [Fault::Code(409), Fault::Code(429), Fault::Code(500), Fault::Silence, Fault::Lost, Fault::Stale];
    // Each call in one way, and the ways in turn; with SW_EVERY_FAULT each call in every way, which takes minutes.
    let is_thorough = std::env::var_os("SW_EVERY_FAULT").is_some();
    let struck = AtomicUsize::new(0);
    let lives = AtomicUsize::new(0);
    on_every_core(calls, async |call| {
        for (index, fault) in faults.iter().enumerate().filter(|(index, _)| is_thorough || index % faults.len() == call % faults.len()) {
            let (world, found) = live(|world| world.fake.state().fault = Some((call, *fault))).await;
            let what = world.fake.state().struck.clone();
            struck.fetch_add(usize::from(what.is_some()), Ordering::Relaxed);
            lives.fetch_add(1, Ordering::Relaxed);
            check(&expected, &found, &format!("{fault:?} ({index}) at call {call}: {what:?}"));
        }
    });
    let (struck, lives) = (struck.into_inner(), lives.into_inner());
    assert!(struck * 10 > lives * 9, "struck {struck} of {lives} lives");
}

#[test]
fn the_operator_dies_after_each_single_write() {
    let (world, expected) = undisturbed();
    let writes = world.fake.writes();
    drop(world);
    on_every_core(writes, async |write| {
        let (world, found) = live(|world| world.fake.state().fault_in_writes = Some((write, Fault::Death))).await;
        let what = world.fake.state().struck.clone();
        assert_eq!(world.lives, 1 + usize::from(what.is_some()));
        check(&expected, &found, &format!("death after write {write}: {what:?}"));
    });
}

#[tokio::test(start_paused = true)]
async fn every_word_to_a_worker_is_lost_once() {
    let (world, expected) = live(|_| {}).await;
    let words = world.workers.words();
    drop(world);
    for word in 0..words {
        let (_world, found) = live(|world| world.workers.lose(word)).await;
        check(&expected, &found, &format!("word {word} was lost"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_world_at_rest_is_written_no_more_at_any_stage() {
    let mut world = World::new();
    for stage in STAGES {
        stage(&world);
        world.rest().await;
        let before = (world.fake.writes(), world.workers.words());
        tokio::time::sleep(Duration::from_secs(1800)).await;
        assert_eq!(before, (world.fake.writes(), world.workers.words()), "{:#?}", world.last_writes());
    }
}
