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
pub(crate) mod arguments;
mod check;
mod figures;
mod findings;
pub(crate) mod folder;
mod front;
mod grid;
mod house;
mod ignored;
mod line;
mod listing;
mod live;
mod logging;
mod manifests;
mod objects;
mod pipelines;
mod planner;
mod port;
mod rates;
mod screen;
pub(crate) mod status;
pub(crate) mod table;
pub(crate) mod terminal;
mod uid;
mod volume;

pub(crate) use arguments::Arguments;

use anyhow::Context;
use std::{convert::Infallible, io::Write, process::ExitCode, time::Duration};
use tokio::time::{MissedTickBehavior, interval};

use crate::stop;

use self::{
    folder::DataFolder,
    house::House,
    ignored::Ignored,
    listing::{Listing, Watch},
    live::Live,
    manifests::Manifests,
    screen::Screen,
};

/// How often the files are looked at; a change counts when it was seen twice alike.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Looks at the files for each look at what runs.
const LOOKS_PER_SETTLING: u64 = 2;
/// Files that change while they are read at the start are read again so often.
const READS_MAX: usize = 10;

/// Runs until a signal says stop; or only checks.
///
/// # Errors
/// Where it cannot start. What goes wrong later is said in the log and in `status.json`, and nothing stops for it.
pub(crate) fn run(mut arguments: Arguments) -> anyhow::Result<ExitCode> {
    arguments.dir = arguments.dir.canonicalize().with_context(|| arguments.dir.display().to_string())?;
    let is_same = arguments.data_dir.canonicalize().is_ok_and(|data| data == arguments.dir);
    anyhow::ensure!(!is_same, "{}: manifests and data need a folder each; give another --data-dir", arguments.dir.display());
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
    let read = |listing: &Listing| Manifests::read(&arguments.dir, listing);
    let mut house = House::open(arguments.dir.clone(), folder, arguments.listen).await?;
    let mut watch = Watch::new(list());
    let mut ignored = Ignored::default();
    for reads_left in (0..READS_MAX).rev() {
        let listing = list();
        let manifests = read(&listing);
        // Of files that change all the time, what they said last.
        if list() == listing || reads_left == 0 {
            house.take(manifests);
            watch.take(listing);
            break;
        }
    }
    house.settle().await?;
    ignored.news(house.manifests(), house.objects()).iter().for_each(|line| tracing::info!("{line}"));
    house.overview();
    print(&front::matter(&house));
    let mut live = Live::start(arguments.log_format, screen)?;
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for look in 1_u64.. {
        tokio::select! {
            _ = &mut stop => break,
            () = live.resized() => {
                live.draw(house.overview());
                continue;
            }
            _ = looks.tick() => {}
        }
        let listing = list();
        let mut is_changed = watch.is_due(&listing);
        if is_changed {
            let manifests = read(&listing);
            is_changed = list() == listing;
            if is_changed {
                house.take(manifests);
                watch.take(listing);
                ignored.news(house.manifests(), house.objects()).iter().for_each(|line| tracing::info!("{line}"));
            }
        }
        if is_changed || look.is_multiple_of(LOOKS_PER_SETTLING) {
            house.settle_or_say().await;
            live.draw(house.overview());
        }
    }
    live.finish();
    tracing::info!("stopping; once more ends it at once");
    house.stop().await
}

/// Prints to standard output. One that nobody reads any more is no reason to stop.
pub(crate) fn print(text: &str) {
    let mut output = std::io::stdout().lock();
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
}
