//! `streamwright dev DIR`: every Topic and Pipeline of a folder in one process, driven as the operator drives them in a cluster.
//!
//! ```text
//! files --listing, manifests--> documents --objects (crds::admission)--> accepted objects --desired--> DesiredBroker, DesiredPipeline
//!                                                                              ^                            |
//!                                                                              '---- status <--- broker, pipelines
//! ```
//!
//! [`house::House::settle`] is the loop's body, about once a second and after every change. What it decides is durable before it is done.

mod accepted;
mod arguments;
mod check;
mod findings;
pub(crate) mod folder;
mod front;
mod house;
mod listing;
mod logging;
mod manifests;
mod objects;
mod pipelines;
mod planner;
mod port;
mod rates;
mod screen;
pub(crate) mod status;
mod stop;
pub(crate) mod table;
mod uid;

pub(crate) use arguments::Arguments;

use anyhow::Context;
use std::{
    convert::Infallible,
    io::{IsTerminal, Write},
    process::ExitCode,
    time::Duration,
};
use tokio::time::{MissedTickBehavior, interval};

use self::{folder::DataFolder, house::House, listing::Watch, manifests::Manifests, screen::Screen};

/// How often the files are looked at; a change counts when it was seen twice alike.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Looks at the files for each look at what runs.
const LOOKS_PER_SETTLING: u64 = 2;
/// Topics, pipelines and problems that the live table shows: it must fit a small terminal.
const LIVE_ROWS_MAX: usize = 8;

/// Runs until a signal says stop; or only checks.
///
/// # Errors
/// Where it cannot start. What goes wrong later is said in the log and in `status.json`, and nothing stops for it.
pub(crate) fn run(mut arguments: Arguments) -> anyhow::Result<ExitCode> {
    arguments.dir = arguments.dir.canonicalize().with_context(|| arguments.dir.display().to_string())?;
    if arguments.check {
        return check::run(&arguments);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    match runtime.block_on(serve(arguments))? {}
}

/// Comes back only where it cannot start: a stop ends the process.
async fn serve(arguments: Arguments) -> anyhow::Result<Infallible> {
    let mut stop = stop::on_signal().context("listen for signals")?;
    let screen = Screen::default();
    logging::start(arguments.log_format, screen.clone());
    let folder = DataFolder::open(&arguments.data_dir)?;
    let data_path = folder.path().to_owned();
    let list = || listing::list(&arguments.dir, &data_path);
    let mut house = House::open(arguments.dir.clone(), folder, arguments.listen).await?;
    let listing = list();
    house.take(Manifests::read(&arguments.dir, &listing));
    let mut watch = Watch::new(listing);
    house.settle().await?;
    say_what_is_ignored(&house);
    house.overview();
    print(&front::matter(&house));
    let is_live = std::io::stdout().is_terminal();
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for look in 1_u64.. {
        tokio::select! {
            _ = &mut stop => break,
            _ = looks.tick() => {}
        }
        let listing = list();
        let is_changed = watch.is_due(&listing);
        if is_changed {
            house.take(Manifests::read(&arguments.dir, &listing));
        }
        if !is_changed && !look.is_multiple_of(LOOKS_PER_SETTLING) {
            continue;
        }
        if let Err(error) = house.settle().await {
            tracing::error!("{error:#}; trying again");
        }
        let overview = house.overview();
        if is_live {
            screen.draw(table::render(overview, LIVE_ROWS_MAX));
        }
    }
    screen.finish();
    tracing::info!("stopping; once more ends it at once");
    house.stop().await
}

/// Prints to standard output. One that nobody reads any more is no reason to stop.
fn print(text: &str) {
    let mut output = std::io::stdout().lock();
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
}

/// One line each for what was found and has no meaning here.
fn say_what_is_ignored(house: &House) {
    let skipped = house.manifests().skipped;
    if skipped > 0 {
        tracing::info!("{skipped} objects of other kinds skipped");
    }
    let cluster = house.objects().iter().find(|one| one.kind == crds::Kind::Cluster);
    let Some(cluster) = cluster else { return };
    let written = house.manifests().find(cluster.kind, &cluster.name()).map(|placed| placed.document.object["spec"].clone());
    let fields: Vec<&str> = ["listeners", "storage", "pod", "replicas", "version", "objectStore"]
        .into_iter()
        .filter(|field| written.as_ref().is_some_and(|spec| !spec[field].is_null()))
        .collect();
    if !fields.is_empty() {
        tracing::info!("Cluster {}: {} have no meaning in dev: one broker, its data in this folder", cluster.name(), fields.join(", "));
    }
}
