//! A planning child, from both ends.

use desired::{Answer, InProcess, PlanError, Planned, Question};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{
    io::{self, BufRead, Write},
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout},
};

use super::Command;

/// How long one query may take, by the clock.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);
/// A child that was not asked for so long is ended.
pub(crate) const IDLE: Duration = Duration::from_secs(20);
/// Address space of a child, in bytes.
const MEMORY: u64 = 2 << 30;
/// Processor time of a child, in seconds: for one whose parent is gone and cannot end it.
const PROCESSOR_SECONDS: u64 = 300;

/// A child that runs.
pub(crate) struct Running {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

fn wrong(message: String) -> PlanError {
    PlanError { line: 1, column: 1, message, hint: None }
}

/// Has a question answered by the child, starting one where there is none: the plan, or what is wrong with the query. A child that fails is
/// ended; one that was not new gets no query blamed: that is asked again of a new one.
///
/// # Errors
/// A sentence, where the planner itself failed: the same query may do better another time.
pub(crate) async fn ask(
    command: &Command,
    slot: &mut Option<Running>,
    question: &Question,
) -> Result<Result<Planned, PlanError>, PlanError> {
    let failed = match slot.take() {
        None => None,
        Some(mut used) => match tokio::time::timeout(TIMEOUT, exchange(&mut used, question)).await {
            Ok(Ok(answer)) => {
                *slot = Some(used);
                return Ok(answer.outcome());
            }
            Ok(Err(_)) => None,
            Err(_) => Some(too_slow()),
        },
    };
    if let Some(failed) = failed {
        return Err(failed);
    }
    let mut new = start(command).map_err(|error| wrong(format!("the planner cannot be started: {error}")))?;
    match tokio::time::timeout(TIMEOUT, exchange(&mut new, question)).await {
        Ok(Ok(answer)) => {
            *slot = Some(new);
            Ok(answer.outcome())
        }
        Ok(Err(error)) => Err(wrong(format!("the planner failed on this query: {}", ending(new, &error).await))),
        // Dropping it kills it.
        Err(_) => Err(too_slow()),
    }
}

fn too_slow() -> PlanError {
    wrong(format!("planning this query takes longer than {} s: make it smaller", TIMEOUT.as_secs()))
}

fn start(command: &Command) -> io::Result<Running> {
    let mut child = tokio::process::Command::new(&command.program)
        .args(&command.arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let missing = || io::Error::other("it has no standard streams");
    let (input, output) = (child.stdin.take().ok_or_else(missing)?, child.stdout.take().ok_or_else(missing)?);
    Ok(Running { child, input, output: BufReader::new(output) })
}

async fn exchange(running: &mut Running, question: &Question) -> io::Result<Answer> {
    let mut line = serde_json::to_string(question)?;
    line.push('\n');
    running.input.write_all(line.as_bytes()).await?;
    running.input.flush().await?;
    let mut answer = String::new();
    if running.output.read_line(&mut answer).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_str(&answer)?)
}

/// How it ended, for the user: by its own limit of memory, or otherwise.
async fn ending(mut running: Running, error: &io::Error) -> String {
    drop(running.input);
    match tokio::time::timeout(Duration::from_secs(2), running.child.wait()).await {
        Ok(Ok(status)) => format!("it ended with {status}, perhaps for want of memory; make the query smaller"),
        _ => error.to_string(),
    }
}

/// The child's own life: limits first, then one question after another until there are none.
///
/// # Errors
/// Where the limits cannot be set, or the parent is gone.
pub fn serve() -> io::Result<()> {
    limit(Resource::As, MEMORY)?;
    limit(Resource::Cpu, PROCESSOR_SECONDS)?;
    limit(Resource::Core, 0)?;
    let (planner, mut output) = (InProcess::default(), io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let question: Question = serde_json::from_str(&line?)?;
        let mut answer = serde_json::to_string(&question.answer(&planner))?;
        answer.push('\n');
        output.write_all(answer.as_bytes())?;
        output.flush()?;
    }
    Ok(())
}

fn limit(resource: Resource, most: u64) -> io::Result<()> {
    let maximum = getrlimit(resource).maximum.map_or(most, |maximum| maximum.min(most));
    Ok(setrlimit(resource, Rlimit { current: Some(maximum), maximum: Some(maximum) })?)
}
