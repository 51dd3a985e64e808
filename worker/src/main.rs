//! The `streamwright` binary: `dev` runs a folder of manifests in one process, `status` shows how that goes; `broker` and `pipeline` are what
//! the operator runs in pods.

mod broker;
mod dev;
mod pipeline;
mod pod;
mod show;
mod stop;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Frames, groups and segments are a few megabytes each and die young: the system's allocator keeps twice what is in use of them, and pays
/// for every one with page faults.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Declared topics and exactly-once streaming SQL, spoken to with any Kafka client.
#[derive(Parser)]
#[command(name = "streamwright", version, about)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every Topic and Pipeline found in a folder, in this process.
    Dev(dev::Arguments),
    /// Show topics and pipelines of a `streamwright dev`, from its data folder.
    Status(show::Arguments),
    /// Run a broker, as the operator tells it: the process of a broker's pod.
    Broker(pod::Arguments),
    /// Run a pipeline's part, as the operator tells it: the process of a pipeline's pod.
    Pipeline(pod::Arguments),
}

fn main() -> ExitCode {
    let outcome = match CommandLine::parse().command {
        Command::Dev(arguments) => dev::run(arguments),
        Command::Status(arguments) => show::run(&arguments),
        Command::Broker(arguments) => broker::run(&arguments),
        Command::Pipeline(arguments) => pipeline::run(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
