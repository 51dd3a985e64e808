//! The real Kafka clients under `tests/clients`, each behind the same three calls.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// One client; `tests/clients/README.md` says what its calls do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KafkaClient {
    /// kcat (librdkafka), by its own command line.
    Kcat,
    /// confluent-kafka for Python (librdkafka).
    Confluent,
    /// kafka-python.
    KafkaPython,
    /// franz-go.
    Franz,
    /// kafkajs.
    KafkaJs,
    /// The console tools of Apache Kafka.
    Java,
}

impl KafkaClient {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Kcat, Self::Confluent, Self::KafkaPython, Self::Franz, Self::KafkaJs, Self::Java];

    /// The codecs that the client can write as it comes.
    #[must_use]
    pub fn codecs(self) -> &'static [&'static str] {
        match self {
            Self::KafkaJs => &["none", "gzip"],
            _ => &["none", "gzip", "snappy", "lz4", "zstd"],
        }
    }

    /// Makes `topic` by CreateTopics of franz-go.
    ///
    /// # Panics
    /// Where it is refused.
    pub fn create_topic(bootstrap: &str, topic: &str, partitions: u32) {
        run(Self::Franz.program().args(["create", bootstrap, topic, &partitions.to_string()]), "");
    }

    /// Produces `PREFIX-0 …` to `topic`; on return all are acknowledged.
    ///
    /// # Panics
    /// Where the client fails.
    pub fn produce(self, bootstrap: &str, topic: &str, count: usize, codec: &str, prefix: &str) {
        let count_text = count.to_string();
        let mut command = match self {
            Self::Kcat => {
                let mut command = Command::new("kcat");
                command.args(["-b", bootstrap, "-t", topic, "-P", "-K", ":", "-z", codec]);
                command
            }
            Self::Java => {
                let mut command = java("org.apache.kafka.tools.ConsoleProducer");
                command.args(["--bootstrap-server", bootstrap, "--topic", topic, "--compression-codec", codec]);
                command.args(["--reader-property", "parse.key=true", "--reader-property", "key.separator=:"]);
                command
            }
            _ => {
                let mut command = self.program();
                command.args(["produce", bootstrap, topic, &count_text, codec, prefix]);
                command
            }
        };
        let input: String = match self {
            Self::Kcat | Self::Java => (0..count).map(|index| format!("{prefix}-{}:{prefix}-{index}\n", index % 10)).collect(),
            _ => String::new(),
        };
        run(&mut command, &input);
    }

    /// The values of `count` records of `topic`, read as a member of `group` from the earliest offset.
    ///
    /// # Panics
    /// Where the client fails or does not get as many.
    #[must_use]
    pub fn consume(self, bootstrap: &str, topic: &str, group: &str, count: usize) -> Vec<String> {
        let count_text = count.to_string();
        let mut command = match self {
            Self::Kcat => {
                let mut command = Command::new("kcat");
                command.args([
                    "-b",
                    bootstrap,
                    "-q",
                    "-c",
                    &count_text,
                    "-X",
                    "auto.offset.reset=earliest",
                    "-f",
                    "%s\n",
                    "-G",
                    group,
                    topic,
                ]);
                command
            }
            Self::Java => {
                let mut command = java("org.apache.kafka.tools.consumer.ConsoleConsumer");
                command.args(["--bootstrap-server", bootstrap, "--topic", topic, "--group", group, "--from-beginning"]);
                command.args(["--max-messages", &count_text, "--timeout-ms", "60000"]);
                command
            }
            _ => {
                let mut command = self.program();
                command.args(["consume", bootstrap, topic, group, &count_text]);
                command
            }
        };
        run(&mut command, "").lines().map(String::from).collect()
    }

    /// The same records as [`produce`](Self::produce) in one transaction, committed or aborted.
    ///
    /// # Panics
    /// Where the client fails, or has no transactions on its command line (kcat, the console tools).
    pub fn transact(self, bootstrap: &str, topic: &str, transactional_id: &str, count: usize, commit: bool, prefix: &str) {
        let outcome = if commit { "commit" } else { "abort" };
        run(self.program().args(["transact", bootstrap, topic, transactional_id, &count.to_string(), outcome, prefix]), "");
    }

    fn program(self) -> Command {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
        match self {
            Self::Confluent => python(&sources.join("python/confluent.py")),
            Self::KafkaPython => python(&sources.join("python/kafka_python.py")),
            Self::Franz => Command::new(cache().join("franz")),
            Self::KafkaJs => {
                let mut command = Command::new("node");
                command.arg(sources.join("kafkajs/main.js")).env("NODE_PATH", cache().join("kafkajs/node_modules"));
                command
            }
            Self::Kcat | Self::Java => unreachable!("driven by its own command line"),
        }
    }
}

/// Where `tests/clients/setup` put the clients.
///
/// # Panics
/// Where it was not run.
#[must_use]
pub fn cache() -> PathBuf {
    let root = std::env::var_os("STREAMWRIGHT_CACHE")
        .map_or_else(|| PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache/streamwright"), PathBuf::from);
    let clients = root.join("clients");
    assert!(clients.is_dir(), "no Kafka clients in {}: run tests/clients/setup", clients.display());
    clients
}

fn python(script: &Path) -> Command {
    let mut command = Command::new(cache().join("venv/bin/python"));
    command.arg(script);
    command
}

/// A main class of Apache Kafka's tools.
#[must_use]
pub fn java(main: &str) -> Command {
    let mut command = Command::new("java");
    command.args(["-Xmx256m", "-cp", &format!("{}/*", cache().join("kafka/libs").display()), main]);
    command
}

/// Runs a client with `input` on its standard input and gives what it printed.
fn run(command: &mut Command, input: &str) -> String {
    use std::io::Write;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|reason| panic!("{command:?}: {reason}"));
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("a client can be waited for");
    let _ = writer.join();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {errors}{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).expect("values are text")
}
