//! `streamwright status`: what a `streamwright dev` says of itself, from its data folder.

use anyhow::Context;
use std::{path::PathBuf, process::ExitCode};

use crate::dev::{
    folder, print,
    status::{self, Overview},
    table,
    terminal::{self, Size},
};

/// Arguments of `streamwright status`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// The data folder.
    #[arg(long, default_value = ".streamwright")]
    data_dir: PathBuf,
    /// As a table for people, or as JSON.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    Table,
    Json,
}

/// Prints it. Exit code 1 where no process runs on the folder: what is printed is then how it was.
///
/// # Errors
/// Where there is no status.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let path = arguments.data_dir.join(status::FILE);
    let text = std::fs::read(&path).with_context(|| format!("{}: is there a streamwright dev with this --data-dir?", path.display()))?;
    let overview: Overview = serde_json::from_slice(&text).with_context(|| path.display().to_string())?;
    let is_running = folder::holder(&arguments.data_dir) == Some(overview.pid) && PathBuf::from(format!("/proc/{}", overview.pid)).exists();
    let text = match arguments.output {
        Output::Json => String::from_utf8_lossy(&text).into_owned() + "\n",
        Output::Table => {
            let (style, columns) = (terminal::style(), terminal::size().columns);
            let lines = table::render(&overview, crds::Timestamp::now(), Size { columns, ..Size::UNBOUNDED }, style);
            lines.iter().map(|line| line.painted(style) + "\n").collect()
        }
    };
    print(&text);
    if !is_running {
        eprintln!("no process runs on {}: this is how it was", arguments.data_dir.display());
    }
    Ok(if is_running { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
