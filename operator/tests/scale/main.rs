//! The operator at scale, on a real API server (`KUBECONFIG`): thousands of Topics and Pipelines from nothing to `Ready`, at rest, after a restart,
//! and when the policy that all Topics name is edited. Workers are stubs that speak the `control` contract, since no pod runs here; the operator is
//! a process of its own, so that its memory and processor time are its own.
//!
//! `cargo test --features api-tier --test scale` is the small one, which asserts what does not depend on the machine: it converges, by a bounded
//! number of writes an object, and then writes nothing. `tests/benches/operator` is the large one: it prints what it took.

mod declared;
mod figures;
#[path = "../kubelet/mod.rs"]
mod kubelet;
mod measure;
mod operator;
mod sight;
mod stub;
mod table;

use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// The operator's own.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Measures the operator at scale.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,
    #[arg(long, default_value_t = 1000)]
    topics: usize,
    #[arg(long, default_value_t = 100)]
    pipelines: usize,
    /// How long it is watched at rest, in seconds.
    #[arg(long, default_value_t = 15)]
    rest_seconds: u64,
    /// Print the closing table, beside what the API server itself can do.
    #[arg(long)]
    table: bool,
}

#[derive(Subcommand)]
enum Role {
    /// The operator that is measured; started by this program.
    Operator {
        #[arg(long)]
        namespace: String,
        /// Where each worker is found, as JSON.
        #[arg(long)]
        places: PathBuf,
        /// Folder of the certificate by which workers know it.
        #[arg(long)]
        certificates: PathBuf,
    },
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match arguments.role {
        Some(Role::Operator { namespace, places, certificates }) => runtime.block_on(operator::run(namespace, &places, certificates)),
        None => {
            let size = measure::Size { topics: arguments.topics, pipelines: arguments.pipelines, rest_seconds: arguments.rest_seconds };
            runtime.block_on(measure::run(&size, arguments.table))?;
            // As the other test binaries close, so that `tests/run` counts it.
            println!("test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
            Ok(())
        }
    }
}
