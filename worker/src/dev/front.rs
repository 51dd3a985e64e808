//! What is printed once at the start: what runs, where, and a line that works.

use crds::Kind;
use std::fmt::Write;

use super::{house::House, manifests::shown, objects::Accepted};

/// Names that are written out.
const NAMES_MAX: usize = 12;

/// Four lines; the one with `try` comes last, once everything before it is true.
pub(crate) fn matter(house: &House) -> String {
    let of =
        |kind: Kind| house.objects().iter().filter(move |one| one.kind == kind && one.object["metadata"]["deletionTimestamp"].is_null());
    let topics: Vec<String> = of(Kind::Topic).map(topic_name).collect();
    let sized = of(Kind::Topic).map(|topic| match topic.object["spec"]["partitions"].as_i64() {
        Some(partitions) => format!("{} ({partitions})", topic_name(topic)),
        None => topic_name(topic),
    });
    let pipelines: Vec<String> = of(Kind::Pipeline).map(|pipeline| pipeline.name().name).collect();
    let address = house.address();
    let mut text = String::new();
    let _ = writeln!(text, "topics     {}", none_or(sized.collect()));
    let _ = writeln!(text, "pipelines  {}", none_or(pipelines));
    let _ = writeln!(text, "kafka      {address}    data {}/", shown(house.folder().path()).display());
    let _ = match topics.first() {
        Some(topic) => writeln!(text, "try        kcat -b {address} -t {topic} -C -e -o beginning -c 5"),
        None => writeln!(text, "try        kcat -b {address} -L"),
    };
    text
}

fn none_or(mut names: Vec<String>) -> String {
    let more = names.len().saturating_sub(NAMES_MAX);
    names.truncate(NAMES_MAX);
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    if names.is_empty() { "none".into() } else { names.join("  ") }
}

/// Kafka's name of a Topic.
fn topic_name(topic: &Accepted) -> String {
    topic.object["spec"]["topicName"].as_str().map_or_else(|| topic.name().name, str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_names_are_counted_rather_than_written() {
        assert_eq!(none_or(Vec::new()), "none");
        assert_eq!(none_or(vec!["a".into(), "b".into()]), "a  b");
        assert_eq!(none_or(vec!["a".into(); 1000]), "a  ".repeat(NAMES_MAX) + "and 988 more");
    }
}
