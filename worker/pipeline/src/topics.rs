//! What a pipeline finds on the cluster before it runs: its topics, and whether those of its own are kept as they must be (rule 6).

use std::collections::{BTreeMap, BTreeSet};

use client::{Admin, ClientError, ConfigEntry};
use control::{DesiredPipeline, InternalTopic, PipelineProblem, PipelineReason};
use sql::Plan;
use units::TopicName;

use crate::program::topics_of;

/// Kafka's default of `max.message.bytes`, for a topic that does not say its own.
const BATCH_BYTES_DEFAULT: usize = 1_048_588;
/// What an internal topic must take in one batch: records of state are cut at less.
const OWN_BATCH_BYTES_MIN: usize = 1 << 20;
/// Settings that an internal topic must have, so that nothing goes from it but what its owner trims: each lost record would be lost state.
const OWN_SETTINGS: [(&str, &str); 3] = [("cleanup.policy", "delete"), ("retention.ms", "-1"), ("retention.bytes", "-1")];

/// Topics as they are.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Number of partitions.
    pub(crate) partitions: BTreeMap<TopicName, i32>,
    /// Largest batch that a topic takes, in bytes.
    batch_bytes: BTreeMap<TopicName, usize>,
}

impl Found {
    /// Largest batch that a topic takes, in bytes.
    pub(crate) fn batch_bytes_max(&self, topic: &TopicName) -> usize {
        self.batch_bytes.get(topic).copied().unwrap_or(BATCH_BYTES_DEFAULT)
    }
}

/// Looks at every topic that the pipeline reads, writes or keeps its state in.
///
/// # Errors
/// A topic is missing; an internal one is not as it must be, so that it could lose, or has lost, what is still needed; the cluster does not
/// answer.
pub(crate) async fn look(admin: &Admin, desired: &DesiredPipeline, plan: &Plan) -> Result<Found, PipelineProblem> {
    let mut found = Found::default();
    for topic in &desired.internal_topics {
        let count = count(admin, &topic.name).await?;
        let settings = settings(admin, &topic.name).await?;
        if let Some(message) = what_is_wrong(topic, count, &settings) {
            return Err(PipelineProblem { reason: PipelineReason::DataLoss, message });
        }
        found.partitions.insert(topic.name.clone(), count);
    }
    let written: BTreeSet<&TopicName> = plan.sinks().map(|(_, sink)| &sink.table.topic).collect();
    for topic in topics_of(plan).into_iter().chain([desired.dead_letters.clone()]) {
        let count = count(admin, &topic).await?;
        if written.contains(&topic) {
            let bytes = value(&settings(admin, &topic).await?, "max.message.bytes").and_then(|bytes| bytes.parse().ok());
            found.batch_bytes.insert(topic.clone(), bytes.unwrap_or(BATCH_BYTES_DEFAULT));
        }
        found.partitions.insert(topic, count);
    }
    Ok(found)
}

async fn count(admin: &Admin, topic: &TopicName) -> Result<i32, PipelineProblem> {
    let found = admin.describe_topic(topic).await.map_err(not_ready)?;
    let missing = || PipelineProblem { reason: PipelineReason::TopicNotFound, message: format!("topic {topic} does not exist") };
    found.map(|found| i32::try_from(found.partitions.len()).unwrap_or(i32::MAX)).ok_or_else(missing)
}

async fn settings(admin: &Admin, topic: &TopicName) -> Result<Vec<ConfigEntry>, PipelineProblem> {
    admin.describe_configs(topic).await.map_err(not_ready)
}

/// A cluster that does not answer, or not in the way it should.
pub(crate) fn not_ready(error: ClientError) -> PipelineProblem {
    PipelineProblem { reason: PipelineReason::ClusterNotReady, message: error.to_string() }
}

fn value<'a>(settings: &'a [ConfigEntry], name: &str) -> Option<&'a str> {
    settings.iter().find(|entry| entry.name == name)?.value.as_deref()
}

/// Why state is not safe in an internal topic that is like this: the topic, what is wrong and what to do.
fn what_is_wrong(topic: &InternalTopic, partitions: i32, settings: &[ConfigEntry]) -> Option<String> {
    let InternalTopic { name, partitions: wanted, .. } = topic;
    if partitions != *wanted {
        return Some(format!("internal topic {name} has {partitions} partitions and must have {wanted}"));
    }
    let told = |setting: &str| value(settings, setting).unwrap_or("unknown").to_owned();
    let wrong = OWN_SETTINGS.iter().find(|(setting, must)| told(setting) != *must);
    if let Some((setting, must)) = wrong {
        let is = told(setting);
        return Some(format!("internal topic {name} has {setting}={is} and would lose state that is still needed: set it to {must}"));
    }
    let bytes = told("max.message.bytes");
    let is_enough = bytes.parse::<usize>().is_ok_and(|bytes| bytes >= OWN_BATCH_BYTES_MIN);
    (!is_enough).then(|| {
        format!(
            "internal topic {name} has max.message.bytes={bytes} and would refuse records of state: set it to {OWN_BATCH_BYTES_MIN} or more"
        )
    })
}

#[cfg(test)]
mod tests {
    use control::InternalUse;

    use super::*;

    fn wrong(partitions: i32, changed: &[(&str, Option<&str>)]) -> Option<String> {
        let name = TopicName::new("_sw.default.p.1c9e04d7-1-8.state").unwrap();
        let topic = InternalTopic { name, purpose: InternalUse::State, partitions: 8 };
        let good = OWN_SETTINGS.iter().copied().chain([("max.message.bytes", "1048588")]);
        let settings = good.map(|(name, good)| {
            let value = changed.iter().find(|(changed, _)| *changed == name).map_or(Some(good), |(_, value)| *value);
            ConfigEntry { name: name.into(), value: value.map(Into::into), is_of_topic: true }
        });
        what_is_wrong(&topic, partitions, &settings.collect::<Vec<_>>())
    }

    #[test]
    fn an_internal_topic_that_keeps_everything_is_taken() {
        assert_eq!(wrong(8, &[]), None);
        assert_eq!(wrong(8, &[("max.message.bytes", Some("1048576"))]), None);
    }

    #[test]
    fn one_that_could_lose_state_is_refused_by_name_with_what_to_do() {
        for (setting, value) in [
            ("cleanup.policy", Some("compact")),
            ("cleanup.policy", Some("compact,delete")),
            ("retention.ms", Some("604800000")),
            ("retention.bytes", Some("1073741824")),
            ("retention.ms", None),
            ("max.message.bytes", Some("1048575")),
        ] {
            let message = wrong(8, &[(setting, value)]).unwrap();
            assert!(message.contains("_sw.default.p.1c9e04d7-1-8.state") && message.contains(setting), "{message}");
            assert!(message.contains(&format!("{setting}={}", value.unwrap_or("unknown"))) && message.contains("set it to"), "{message}");
        }
        assert!(wrong(4, &[]).unwrap().contains("has 4 partitions and must have 8"));
    }
}
