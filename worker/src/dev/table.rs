//! The overview as a table for people: one pure function, for the live table and for `streamwright status`.

use crds::{ConditionStatus, ConditionType, Timestamp};

use super::{
    figures::{NOTHING, age, bytes, count, counted, seconds},
    grid::{self, Cell, Column},
    line::{Line, Style, Tone, wrapped},
    status::{Overview, PipelineLine, Progress, TopicLine},
    terminal::Size,
};

/// Width of a progress bar.
const BAR: usize = 24;
/// Fewer rows than this hold one line that sums up.
const ROWS_MIN: usize = 8;
/// Reasons for being ready.
const WELL: [&str; 5] = ["Available", "Suspended", "Idle", "Finished", ""];
/// Reasons for not being ready that pass by themselves.
const PASSING: [&str; 6] = ["Progressing", "Creating", "Altering", "Deleting", "Applying", "NotReconciled"];

const TOPICS: [Column; 6] = [
    Column { heading: "TOPIC", short: "TOPIC", is_number: false, rank: 0 },
    Column { heading: "PARTITIONS", short: "PARTS", is_number: true, rank: 3 },
    Column { heading: "OFFSETS", short: "OFFSETS", is_number: true, rank: 5 },
    Column { heading: "RECORDS/S", short: "REC/S", is_number: true, rank: 1 },
    Column { heading: "HOT", short: "HOT", is_number: true, rank: 2 },
    Column { heading: "SEALED", short: "SEALED", is_number: true, rank: 4 },
];

const PIPELINES: [Column; 7] = [
    Column { heading: "PIPELINE", short: "PIPELINE", is_number: false, rank: 0 },
    Column { heading: "STATE", short: "STATE", is_number: false, rank: 1 },
    Column { heading: "RECORDS/S", short: "REC/S", is_number: true, rank: 3 },
    Column { heading: "LAG", short: "LAG", is_number: true, rank: 2 },
    Column { heading: "WATERMARK", short: "WATERMARK", is_number: false, rank: 4 },
    Column { heading: "COMMIT", short: "COMMIT", is_number: true, rank: 5 },
    Column { heading: "CHECKPOINT", short: "CKPT", is_number: true, rank: 6 },
];

/// Topics, pipelines with their progress, and all that is not well, within `size`; what does not fit is counted.
pub(crate) fn render(overview: &Overview, now: Timestamp, size: Size, style: Style) -> Vec<Line> {
    let topics: Vec<&TopicLine> = overview.topics.iter().filter(|topic| !is_idle_dead_letters(topic)).collect();
    if size.rows < ROWS_MIN {
        return vec![summary(overview, topics.len()).clipped(size.columns)];
    }
    let notes = cut(notes(overview, size.columns), size.rows / 3, "");
    let rows: Vec<_> = topics.iter().map(|topic| topic_cells(topic)).collect();
    let (topic_heading, topics) = headed(grid::lines(&TOPICS, &rows, size.columns, style));
    let rows: Vec<_> = overview.pipelines.iter().map(|pipeline| pipeline_cells(pipeline, now)).collect();
    let (pipeline_heading, mut pipelines) = headed(grid::lines(&PIPELINES, &rows, size.columns, style));
    for (block, pipeline) in pipelines.iter_mut().zip(&overview.pipelines) {
        block.extend(bars(pipeline, size.columns, style));
    }
    let has_pipelines = !pipelines.is_empty();
    let around = if has_pipelines { 3 } else { 1 } + notes.len() + usize::from(!notes.is_empty());
    let wanted = [topics.len(), pipelines.iter().map(Vec::len).sum()];
    let [for_topics, for_pipelines] = shares(wanted, size.rows.saturating_sub(around));

    let mut lines = vec![topic_heading];
    lines.extend(cut(topics, for_topics, "topics "));
    if has_pipelines {
        lines.extend([Line::default(), pipeline_heading]);
        lines.extend(cut(pipelines, for_pipelines, "pipelines "));
    }
    if !notes.is_empty() {
        lines.push(Line::default());
        lines.extend(notes);
    }
    lines.into_iter().map(|line| line.clipped(size.columns)).collect()
}

/// The first line, and the others as blocks of their own.
fn headed(lines: Vec<Line>) -> (Line, Vec<Vec<Line>>) {
    let mut lines = lines.into_iter();
    let heading = lines.next().unwrap_or_default();
    (heading, lines.map(|line| vec![line]).collect())
}

/// Whole blocks, in at most `most` lines; where there are more, the last line counts them. Of the first block a part is better than nothing.
fn cut(blocks: Vec<Vec<Line>>, most: usize, what: &str) -> Vec<Line> {
    let all = blocks.iter().map(Vec::len).sum::<usize>();
    if all <= most {
        return blocks.into_iter().flatten().collect();
    }
    let room = most.saturating_sub(1);
    let (mut lines, mut left) = (Vec::new(), blocks.len());
    for mut block in blocks {
        if lines.is_empty() {
            block.truncate(room);
        }
        if block.is_empty() || lines.len() + block.len() > room {
            break;
        }
        lines.extend(block);
        left -= 1;
    }
    if left > 0 {
        lines.push(Line::of(Tone::Quiet, format!("and {left} more {what}in streamwright status")));
    }
    lines
}

/// Rows for two lists that want so many: half each at least, and what one does not need the other has.
fn shares(wanted: [usize; 2], rows: usize) -> [usize; 2] {
    let half = rows / 2;
    let first = wanted[0].min(half.max(rows.saturating_sub(wanted[1])));
    [first, wanted[1].min(rows - first)]
}

/// A pipeline's topic for what it cannot read is of interest once there is something in it.
fn is_idle_dead_letters(topic: &TopicLine) -> bool {
    topic.offsets == 0 && topic.object.as_ref().is_some_and(|object| object.starts_with("Pipeline "))
}

fn topic_cells(topic: &TopicLine) -> Vec<Cell> {
    vec![
        named(&topic.namespace, &topic.name).into(),
        topic.partitions.to_string().into(),
        count(topic.offsets).into(),
        count(topic.records_per_second).into(),
        bytes(topic.hot_bytes).into(),
        bytes(topic.sealed_bytes).into(),
    ]
}

fn pipeline_cells(pipeline: &PipelineLine, now: Timestamp) -> Vec<Cell> {
    let ago = |time: &Option<String>| match time.as_deref().map(|time| age(time, now)) {
        Some(age) if age == "now" => Cell::from(age),
        Some(age) => Cell { long: format!("{age} ago"), short: age, tone: Tone::Plain },
        None => NOTHING.to_owned().into(),
    };
    let is_well = WELL.contains(&pipeline.reason.as_str()) || PASSING.contains(&pipeline.reason.as_str());
    let state = pipeline.phase.to_lowercase() + if is_well { "" } else { " !" };
    let tone = match pipeline.phase.as_str() {
        _ if !is_well => Tone::Bad,
        "Running" => Tone::Good,
        _ => Tone::Plain,
    };
    vec![
        named(&pipeline.namespace, &pipeline.name).into(),
        Cell { long: state.clone(), short: state, tone },
        count(pipeline.records_per_second).into(),
        pipeline.lag_seconds.map_or_else(|| NOTHING.into(), seconds).into(),
        pipeline.watermark.as_deref().map_or_else(|| NOTHING.to_owned().into(), watermark),
        ago(&pipeline.last_commit_time),
        ago(&pipeline.last_checkpoint_time),
    ]
}

/// Event time has no place: an RFC 3339 time without its zone, to the second or the minute.
fn watermark(time: &str) -> Cell {
    let to = |end: usize| time.get(..end).unwrap_or(time).replacen('T', " ", 1);
    Cell { long: to(19), short: to(16), tone: Tone::Plain }
}

fn named(namespace: &str, name: &str) -> String {
    if namespace == "default" { name.into() } else { format!("{namespace}/{name}") }
}

/// A bar for each bounded source that is still being read.
fn bars(pipeline: &PipelineLine, columns: usize, style: Style) -> Vec<Line> {
    let (full, empty) = if style.is_utf8 { ("█", "░") } else { ("#", "-") };
    let bar = |source: &Progress| {
        let (read, size) = source.read_bytes.zip(source.size_bytes.filter(|size| *size > 0)).filter(|_| !source.finished)?;
        let share = (read as f64 / size as f64).min(1.0);
        let done = (share * BAR as f64) as usize;
        let line = Line::of(Tone::Plain, format!("  {}  ", source.table))
            .with(Tone::Good, full.repeat(done))
            .with(Tone::Quiet, empty.repeat(BAR - done))
            .with(Tone::Plain, format!("  {:.0} %", (share * 100.0).floor()))
            .with(Tone::Quiet, format!("  {} of {}", bytes(read), bytes(size)));
        Some(line.clipped(columns))
    };
    pipeline.progress.iter().filter_map(bar).collect()
}

/// What is not well, each with a mark, wrapped: problems of manifests and of the volume, then objects that nothing of that speaks of.
fn notes(overview: &Overview, columns: usize) -> Vec<Vec<Line>> {
    let unwell = overview.objects.iter().filter_map(|object| {
        let ready = object.condition(ConditionType::Ready).filter(|ready| ready.status != ConditionStatus::True)?;
        let name = format!("{} {}/{}:", object.kind, object.namespace, object.name);
        let is_told = PASSING.contains(&ready.reason.as_str()) || overview.problems.iter().any(|problem| problem.contains(&name));
        (!is_told).then(|| format!("{name} {}: {}", ready.reason, ready.message))
    });
    let sentences = overview.problems.iter().cloned().chain(unwell);
    let block = |sentence: String| {
        let lines = wrapped(&sentence, columns.saturating_sub(2)).into_iter().enumerate();
        lines.map(|(index, text)| Line::of(Tone::Bad, if index == 0 { "! " } else { "  " }).with(Tone::Plain, text)).collect()
    };
    sentences.map(block).collect()
}

/// For a window too small for a table.
fn summary(overview: &Overview, topics: usize) -> Line {
    let running = overview.pipelines.iter().filter(|pipeline| matches!(pipeline.phase.as_str(), "Running" | "Finished")).count();
    let rate: u64 = overview.topics.iter().map(|topic| topic.records_per_second).sum();
    let pipelines = counted(overview.pipelines.len(), "pipeline");
    let text = format!("{running} of {pipelines} running, {}, {} records/s", counted(topics, "topic"), count(rate));
    match overview.problems.len() {
        0 => Line::of(Tone::Plain, text),
        problems => Line::of(Tone::Bad, "! ").with(Tone::Plain, format!("{}; {text}", counted(problems, "problem"))),
    }
}

#[cfg(test)]
mod tests;
