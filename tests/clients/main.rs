//! Every real Kafka client produces and consumes with default settings, in groups, with every codec, and reads what the others wrote.
//!
//! With `STREAMWRIGHT_BOOTSTRAP` set the same tests run against that Kafka, which is how they were shown to ask nothing special.

use std::{collections::BTreeSet, path::Path};
use streamwright_tests::{
    clients::KafkaClient::{self, Confluent, Franz, Kcat},
    server::Server,
};

const COUNT: usize = 200;

/// A broker for one test: ours, or the one that the environment names.
struct Broker {
    bootstrap: String,
    _server: Option<(Server, tempfile::TempDir)>,
}

impl Broker {
    fn start() -> Self {
        if let Ok(bootstrap) = std::env::var("STREAMWRIGHT_BOOTSTRAP") {
            return Self { bootstrap, _server: None };
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/manifests");
        let server = Server::start(&manifests, &folder.path().join("data"));
        Self { bootstrap: server.bootstrap.clone(), _server: Some((server, folder)) }
    }
}

fn expected(prefixes: &[String]) -> BTreeSet<String> {
    prefixes.iter().flat_map(|prefix| (0..COUNT).map(move |index| format!("{prefix}-{index}"))).collect()
}

/// A topic of three partitions with a name of its own.
fn new_topic(broker: &Broker, name: &str) -> String {
    let topic = unique(name);
    KafkaClient::create_topic(&broker.bootstrap, &topic, 3);
    topic
}

/// A name that no other test and no earlier run uses: an outside broker keeps its topics.
fn unique(name: &str) -> String {
    format!("{name}-{}-{:?}", std::process::id(), std::time::UNIX_EPOCH.elapsed().expect("time runs").as_millis())
}

#[test]
fn every_client_reads_every_codec_of_every_client() {
    let broker = Broker::start();
    let topic = new_topic(&broker, "crossed");
    let mut prefixes = Vec::new();
    for client in KafkaClient::ALL {
        for codec in client.codecs() {
            let prefix = format!("{client:?}-{codec}");
            client.produce(&broker.bootstrap, &topic, COUNT, codec, &prefix);
            prefixes.push(prefix);
        }
    }
    let wanted = expected(&prefixes);
    for client in KafkaClient::ALL.into_iter().filter(|client| *client != KafkaClient::KafkaJs) {
        let got = client.consume(&broker.bootstrap, &topic, &unique(&format!("{client:?}")), wanted.len());
        assert_eq!(got.len(), wanted.len(), "{client:?} read records twice");
        assert_eq!(got.into_iter().collect::<BTreeSet<_>>(), wanted, "{client:?} read other records than were written");
    }
}

#[test]
fn kafkajs_reads_what_it_can_decompress() {
    let broker = Broker::start();
    let topic = new_topic(&broker, "kafkajs");
    let prefixes = ["none".to_owned(), "gzip".to_owned()];
    for codec in &prefixes {
        Confluent.produce(&broker.bootstrap, &topic, COUNT, codec, codec);
    }
    let got = KafkaClient::KafkaJs.consume(&broker.bootstrap, &topic, &unique("kafkajs"), 2 * COUNT);
    assert_eq!(got.into_iter().collect::<BTreeSet<_>>(), expected(&prefixes));
}

#[test]
fn a_group_goes_on_where_it_committed() {
    let broker = Broker::start();
    for client in [Confluent, KafkaClient::KafkaPython, Franz, KafkaClient::KafkaJs, Kcat] {
        let (topic, group) = (new_topic(&broker, &format!("resumed-{client:?}")), unique("group"));
        client.produce(&broker.bootstrap, &topic, COUNT, "none", "before");
        assert_eq!(client.consume(&broker.bootstrap, &topic, &group, COUNT).len(), COUNT);
        client.produce(&broker.bootstrap, &topic, COUNT, "none", "after");
        let got: BTreeSet<_> = client.consume(&broker.bootstrap, &topic, &group, COUNT).into_iter().collect();
        assert_eq!(got, expected(&["after".into()]), "{client:?} did not go on where it committed");
    }
}

#[test]
fn an_aborted_transaction_is_never_read_and_a_committed_one_is_read_whole() {
    let broker = Broker::start();
    for client in [Confluent, Franz, KafkaClient::KafkaJs, KafkaClient::KafkaPython] {
        let (topic, id) = (new_topic(&broker, &format!("transacted-{client:?}")), unique("id"));
        client.transact(&broker.bootstrap, &topic, &id, COUNT, false, "aborted");
        client.transact(&broker.bootstrap, &topic, &id, COUNT, true, "committed");
        let got = Confluent.consume(&broker.bootstrap, &topic, &unique("group"), COUNT);
        assert_eq!(got.into_iter().collect::<BTreeSet<_>>(), expected(&["committed".into()]), "{client:?}");
    }
}
