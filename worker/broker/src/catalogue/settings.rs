//! The topic settings that clients know by Kafka's names: which there are, what they must look like, and which of them we obey.

use control::{Cleanup, ConfigEntry, Retention};
use units::{ByteCount, DurationMs};

/// A setting, as DescribeConfigs shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) name: &'static str,
    pub(crate) default: &'static str,
    pub(crate) kind: Kind,
    /// What it does here, in a sentence.
    pub(crate) documentation: &'static str,
}

/// What a value must look like, with the code of Kafka's `ConfigType` that DescribeConfigs answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Whole { min: i64 },
    Between { min: i64, max: i64 },
    OneOf(&'static [&'static str]),
    Share,
    Flag,
}

impl Kind {
    /// Kafka's `DescribeConfigs` type code.
    pub(crate) fn code(self) -> i8 {
        match self {
            Self::Flag => 1,
            Self::OneOf(_) => 2,
            Self::Whole { .. } | Self::Between { .. } => 5,
            Self::Share => 6,
        }
    }

    fn refuses(self, value: &str) -> Option<String> {
        match self {
            Self::Whole { min } => match value.parse::<i64>() {
                Ok(number) if number >= min => None,
                _ => Some(format!("a whole number of at least {min}")),
            },
            Self::Between { min, max } => match value.parse::<i64>() {
                Ok(number) if (min..=max).contains(&number) => None,
                _ => Some(format!("a whole number from {min} to {max}")),
            },
            Self::OneOf(values) => (!values.contains(&value)).then(|| format!("one of {}", values.join(", "))),
            Self::Share => (!value.parse::<f64>().is_ok_and(|share| (0.0..=1.0).contains(&share))).then(|| "a number from 0 to 1".into()),
            Self::Flag => (!matches!(value, "true" | "false")).then(|| "true or false".into()),
        }
    }
}

/// The largest batch that any topic may ask for: what the log takes at once.
const MESSAGE_BYTES_MAX: i64 = 12 << 20;
const NO_EFFECT: &str = "Accepted for clients that set it; the log has no files per partition, so it changes nothing.";

macro_rules! known {
    ($($name:literal = $default:literal, $kind:expr, $documentation:expr;)*) => {
        &[$(Known { name: $name, default: $default, kind: $kind, documentation: $documentation }),*]
    };
}

/// Every setting a topic may have. Retention and cleanup are kept in [`Retention`], the rest in the topic's `config`.
const KNOWN: &[Known] = known! {
    "cleanup.policy" = "delete", Kind::OneOf(&["delete"]), "How old data goes. This version deletes by age and size; it does not compact.";
    "compression.type" = "producer", Kind::OneOf(&["producer"]), "Batches are kept as the producer compressed them.";
    "delete.retention.ms" = "86400000", Kind::Whole { min: 0 }, NO_EFFECT;
    "file.delete.delay.ms" = "60000", Kind::Whole { min: 0 }, NO_EFFECT;
    "flush.messages" = "1", Kind::Whole { min: 1 }, "Every acknowledged batch is durable; this cannot be weakened.";
    "flush.ms" = "0", Kind::Whole { min: 0 }, "Every acknowledged batch is durable; this cannot be weakened.";
    "index.interval.bytes" = "4096", Kind::Whole { min: 0 }, NO_EFFECT;
    "local.retention.bytes" = "-2", Kind::Whole { min: -2 }, "Bytes of a partition kept on the volume; -2 is as much as there is room for.";
    "local.retention.ms" = "-2", Kind::Whole { min: -2 }, "Age up to which records are kept on the volume; -2 is as long as there is room.";
    "max.compaction.lag.ms" = "9223372036854775807", Kind::Whole { min: 1 }, NO_EFFECT;
    "max.message.bytes" = "1048588", Kind::Between { min: 0, max: MESSAGE_BYTES_MAX }, "The largest batch that is accepted, in bytes as it is sent.";
    "message.timestamp.type" = "CreateTime", Kind::OneOf(&["CreateTime", "LogAppendTime"]), "Whose clock stamps the records: the producer's or the broker's.";
    "min.cleanable.dirty.ratio" = "0.5", Kind::Share, NO_EFFECT;
    "min.compaction.lag.ms" = "0", Kind::Whole { min: 0 }, NO_EFFECT;
    "min.insync.replicas" = "1", Kind::OneOf(&["1"]), "There is one copy on the volume and one in the object store; acks=all waits for the durable one.";
    "preallocate" = "false", Kind::Flag, NO_EFFECT;
    "retention.bytes" = "-1", Kind::Whole { min: -1 }, "Bytes of a partition that are kept in all; -1 is without bound.";
    "retention.ms" = "604800000", Kind::Whole { min: -1 }, "Age up to which records are kept at all; -1 is without bound.";
    "segment.bytes" = "1073741824", Kind::Whole { min: 14 }, NO_EFFECT;
    "segment.index.bytes" = "10485760", Kind::Whole { min: 4 }, NO_EFFECT;
    "segment.jitter.ms" = "0", Kind::Whole { min: 0 }, NO_EFFECT;
    "segment.ms" = "604800000", Kind::Whole { min: 1 }, NO_EFFECT;
    "unclean.leader.election.enable" = "false", Kind::OneOf(&["false"]), "There is no unclean election.";
};

/// The setting of this name.
pub(crate) fn known_setting(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}

/// The settings that the broker itself obeys for each batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) max_message_bytes: usize,
    pub(crate) stamps_append_time: bool,
    /// The last record of each key stays, so each record needs one.
    pub(crate) compacts: bool,
}

impl Settings {
    pub(crate) fn of(retention: &Retention, config: &[ConfigEntry]) -> Self {
        let value = |name: &str| config.iter().find(|entry| entry.name == name).map(|entry| entry.value.as_str());
        Self {
            max_message_bytes: value("max.message.bytes").and_then(|text| text.parse().ok()).unwrap_or(1_048_588),
            stamps_append_time: value("message.timestamp.type") == Some("LogAppendTime"),
            compacts: retention.cleanup != Cleanup::Delete,
        }
    }
}

/// Why a setting is refused: INVALID_CONFIG with this sentence.
pub(crate) fn refusal(name: &str, value: &str) -> Option<String> {
    match known_setting(name) {
        None => Some(format!("topic setting {name} is not known; see DescribeConfigs for those that are")),
        Some(known) => {
            known.kind.refuses(value).map(|wanted| format!("topic setting {name} is {value}; it must be {wanted}. {}", known.documentation))
        }
    }
}

/// Sets `name` (checked by [`refusal`] before) to `value`, or back to its default with `None`.
pub(crate) fn set(retention: &mut Retention, config: &mut Vec<ConfigEntry>, name: &str, value: Option<&str>) {
    let number = value.and_then(|text| text.parse::<i64>().ok());
    let bounded = number.filter(|number| *number >= 0);
    match name {
        "cleanup.policy" => retention.cleanup = Cleanup::Delete,
        "retention.ms" => retention.total_time = if value.is_none() { Some(DurationMs(604_800_000)) } else { bounded.map(DurationMs) },
        "retention.bytes" => retention.total_size_per_partition = bounded.map(|bytes| ByteCount(bytes.unsigned_abs())),
        "local.retention.ms" => retention.local_time = bounded.map(DurationMs),
        "local.retention.bytes" => retention.local_size_per_partition = bounded.map(|bytes| ByteCount(bytes.unsigned_abs())),
        _ => {
            config.retain(|entry| entry.name != name);
            if let Some(value) = value.filter(|value| known_setting(name).is_none_or(|known| known.default != *value)) {
                config.push(ConfigEntry { name: name.into(), value: value.into() });
                config.sort();
            }
        }
    }
}

/// Every setting with its value in force, and whether that is the default.
pub(crate) fn described(retention: &Retention, config: &[ConfigEntry]) -> Vec<(&'static Known, String, bool)> {
    let number = |number: Option<i64>, absent: i64| number.unwrap_or(absent).to_string();
    let size = |size: Option<ByteCount>, absent: i64| number(size.map(|bytes| i64::try_from(bytes.0).unwrap_or(i64::MAX)), absent);
    let value = |known: &Known| match known.name {
        "cleanup.policy" => match retention.cleanup {
            Cleanup::Delete => "delete".into(),
            Cleanup::Compact => "compact".into(),
            Cleanup::CompactAndDelete => "compact,delete".into(),
        },
        "retention.ms" => number(retention.total_time.map(|time| time.0), -1),
        "retention.bytes" => size(retention.total_size_per_partition, -1),
        "local.retention.ms" => number(retention.local_time.map(|time| time.0), -2),
        "local.retention.bytes" => size(retention.local_size_per_partition, -2),
        name => config.iter().find(|entry| entry.name == name).map_or(known.default, |entry| &entry.value).to_owned(),
    };
    KNOWN.iter().map(|known| (known, value(known), value(known) == known.default)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value_that_is_accepted() {
        for known in KNOWN {
            assert_eq!(refusal(known.name, known.default), None, "{}", known.name);
        }
    }

    #[test]
    fn what_we_cannot_keep_is_refused_with_a_sentence() {
        for (name, value) in [
            ("cleanup.policy", "compact"),
            ("min.insync.replicas", "2"),
            ("max.message.bytes", "many"),
            ("max.message.bytes", "12582913"),
            ("no.such.setting", "1"),
        ] {
            assert!(refusal(name, value).is_some_and(|sentence| sentence.contains(name)), "{name}={value}");
        }
    }

    #[test]
    fn the_log_takes_every_batch_that_a_topic_may_ask_for() {
        let config = log::LogConfig::new(units::BrokerId(0), "any", "any");
        assert_eq!(i64::try_from(config.append_bytes_max()), Ok(MESSAGE_BYTES_MAX));
    }

    #[test]
    fn a_setting_is_described_as_it_was_set_and_forgotten_when_it_is_reset() {
        let (mut retention, mut config) = (Retention::default(), Vec::new());
        set(&mut retention, &mut config, "retention.ms", Some("1000"));
        set(&mut retention, &mut config, "max.message.bytes", Some("99"));
        let shown: Vec<_> = described(&retention, &config)
            .into_iter()
            .filter(|(_, _, is_default)| !is_default)
            .map(|(known, value, _)| (known.name, value))
            .collect();
        assert_eq!(shown, [("max.message.bytes", "99".into()), ("retention.ms", "1000".into())]);
        set(&mut retention, &mut config, "max.message.bytes", None);
        set(&mut retention, &mut config, "retention.ms", None);
        assert!(described(&retention, &config).iter().all(|(_, _, is_default)| *is_default));
    }
}
