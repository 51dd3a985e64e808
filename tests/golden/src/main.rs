//! `oracle FILE [FOLDER]`: prints the rows of an oracle file as sorted JSON lines; FOLDER is where its tables are.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (file, folder) = match arguments.as_slice() {
        [file] if !file.starts_with('-') => (file, None),
        [file, folder] if !file.starts_with('-') => (file, Some(Path::new(folder))),
        _ => {
            eprintln!("usage: oracle FILE [FOLDER]");
            return ExitCode::from(2);
        }
    };
    match streamwright_golden::run(Path::new(file), folder) {
        Ok(lines) => print(&lines),
        Err(error) => {
            eprintln!("{file}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A reader that has seen enough is no failure.
fn print(lines: &[String]) -> ExitCode {
    let mut output = std::io::stdout().lock();
    for line in lines {
        if writeln!(output, "{line}").is_err() {
            return ExitCode::SUCCESS;
        }
    }
    ExitCode::SUCCESS
}
