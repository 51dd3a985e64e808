//! Ports that are opened, told anew and closed while the broker runs; with TLS and without.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use control::{DesiredBroker, DesiredListener};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ClientConnection, StreamOwned, pki_types::ServerName};
use streamwright_broker::{BrokerConfig, ClientChanges};
use units::DurationMs;
use wire::{DescribeClusterRequest, FindCoordinatorRequest, MetadataRequest, MetadataResponse};

use crate::kit::{Peer, Served, desired};

const PATIENCE: Duration = Duration::from_secs(20);

/// A broker as it runs in a pod: no port of its own.
fn pod() -> Served {
    Served::start_with(|config| BrokerConfig {
        listen: None,
        listen_host: Some("127.0.0.1".parse().expect("an address")),
        tls_folder: Some(config.folder.with_file_name("tls")),
        client_changes: ClientChanges::Proposed,
        ..config
    })
}

fn listener(name: &str, port: u16, advertised_host: &str) -> DesiredListener {
    DesiredListener { name: name.into(), port, advertised_host: advertised_host.into(), advertised_port: 0, tls: None }
}

fn with(generation: u64, listeners: &[DesiredListener]) -> DesiredBroker {
    DesiredBroker { listeners: listeners.to_vec(), ..desired(generation) }
}

/// Where a listener listens: on loopback, at the port that it tells clients, since the tests advertise no other.
fn place(served: &Served, name: &str) -> SocketAddr {
    let actual = served.broker().actual();
    let told = actual.listeners.iter().find(|listener| listener.name == name).unwrap_or_else(|| panic!("{name} is open: {actual:#?}"));
    let port = told.address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    SocketAddr::new("127.0.0.1".parse().expect("an address"), port)
}

fn told(peer: &mut Peer) -> Vec<(String, i32)> {
    let metadata: MetadataResponse = peer.ask(&MetadataRequest::default());
    let coordinator = peer.ask(&FindCoordinatorRequest { coordinator_keys: vec!["group".into()], ..Default::default() });
    let cluster = peer.ask(&DescribeClusterRequest { endpoint_type: 1, ..Default::default() });
    vec![
        (metadata.brokers[0].host.to_string(), metadata.brokers[0].port),
        (coordinator.coordinators[0].host.to_string(), coordinator.coordinators[0].port),
        (cluster.brokers[0].host.to_string(), cluster.brokers[0].port),
    ]
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let from = Instant::now();
    while !is_so() {
        assert!(from.elapsed() < PATIENCE, "{what}: it does not come about");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn clients_are_told_the_address_of_the_listener_they_came_in_by() {
    let served = pod();
    assert_eq!(served.broker().actual().listeners, []);
    served.apply(with(1, &[listener("internal", 0, "broker-0.brokers"), listener("outside", 0, "kafka.example.com")]));
    for (name, host) in [("internal", "broker-0.brokers"), ("outside", "kafka.example.com")] {
        let place = place(&served, name);
        let mut peer = Peer::connect(place);
        assert_eq!(told(&mut peer), vec![(host.to_owned(), i32::from(place.port())); 3], "{name}");
    }
}

#[test]
fn a_listener_is_told_anew_without_closing_and_closed_without_the_others() {
    let served = pod();
    let (first, other) = (listener("internal", 0, "old.example.com"), listener("outside", 0, "outside"));
    served.apply(with(1, &[first.clone(), other.clone()]));
    let (inside, outside) = (place(&served, "internal"), place(&served, "outside"));
    let (mut peer, mut leaving) = (Peer::connect(inside), Peer::connect(outside));
    told(&mut leaving);
    served.apply(with(2, &[DesiredListener { advertised_host: "new.example.com".into(), ..first }]));
    assert_eq!(told(&mut peer)[0].0, "new.example.com", "the connection that was open hears of it");
    assert!(leaving.receive_frame().is_none(), "a connection of a listener that closed is closed");
    assert!(TcpStream::connect(outside).is_err(), "nobody listens there");
    assert_eq!(served.broker().actual().listeners.len(), 1);
    // An older state changes nothing, and the last one is in force after a restart, with nobody there to say so.
    served.apply(with(1, &[other]));
    assert_eq!(served.broker().actual().listeners.len(), 1);
    let mut served = served;
    served.restart();
    let actual = served.broker().actual();
    assert_eq!((actual.generation, actual.listeners.len()), (2, 1));
    assert_eq!(told(&mut Peer::connect(place(&served, "internal")))[0].0, "new.example.com");
}

#[test]
fn a_port_that_is_taken_is_a_problem_until_it_is_free() {
    let served = pod();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let revision = served.broker().revision();
    served.apply(with(1, &[listener("outside", port, "outside"), listener("internal", 0, "inside")]));
    let actual = served.broker().actual();
    assert!(actual.listener_problems["outside"].contains(&port.to_string()), "{:?}", actual.listener_problems);
    assert_eq!(actual.listeners.len(), 1, "the other is open");
    assert_ne!(served.broker().revision(), revision);
    drop(taken);
    until("it opens by itself", || served.broker().actual().listener_problems.is_empty());
    told(&mut Peer::connect(place(&served, "outside")));
}

struct Ca(Issuer<'static, KeyPair>, String);

impl Ca {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let text = params.self_signed(&key).expect("a certificate").pem();
        Self(Issuer::new(params, key), text)
    }

    fn issue(&self, folder: &Path, name: &str) {
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new([name.to_owned()]).expect("a name").signed_by(&key, &self.0).expect("a certificate");
        fs::create_dir_all(folder).expect("a folder");
        fs::write(folder.join("tls.crt"), certificate.pem()).expect("a file");
        fs::write(folder.join("tls.key"), key.serialize_pem()).expect("a file");
    }

    /// What clients are given: whom to trust.
    fn trust(&self, folder: &Path) {
        fs::create_dir_all(folder).expect("a folder");
        fs::write(folder.join("ca.crt"), &self.1).expect("a file");
    }
}

type TlsStream = StreamOwned<ClientConnection, TcpStream>;

fn dial(ca: &Path, place: SocketAddr, name: &'static str) -> Result<TlsStream, String> {
    let client = tls::Client::open(ca).expect("a CA");
    let socket = TcpStream::connect(place).map_err(|reason| reason.to_string())?;
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let connection = ClientConnection::new(client.config(), ServerName::try_from(name).expect("a name")).expect("a client");
    let mut stream = StreamOwned::new(connection, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).map_err(|reason| reason.to_string())?;
    }
    Ok(stream)
}

fn ask_cluster(stream: &mut TlsStream) -> MetadataResponse {
    let frame = wire::encode_request(&MetadataRequest::default(), 12, 1, None).expect("it encodes");
    stream.write_all(&frame.into_bytes()).expect("the broker reads");
    let mut length = [0; 4];
    stream.read_exact(&mut length).expect("the broker answers");
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut frame).expect("the broker answers");
    wire::decode_response(frame.into(), 12).expect("it decodes").1
}

#[test]
fn tls_is_spoken_where_it_is_wanted_and_nothing_else_and_certificates_change_without_a_restart() {
    let served = pod();
    let (ca, folder, trusted) = (Ca::new(), served.folder().join("tls/outside"), served.folder().join("trusted"));
    ca.trust(&trusted);
    let secure = DesiredListener { tls: Some("outside".into()), ..listener("outside", 0, "kafka") };
    served.apply(with(1, std::slice::from_ref(&secure)));
    let problems = served.broker().actual().listener_problems;
    assert!(problems["outside"].contains("tls.crt"), "no certificates, no listener: {problems:?}");
    ca.issue(&folder, "kafka");
    until("it opens once the certificates are there", || served.broker().actual().listener_problems.is_empty());
    let place = place(&served, "outside");
    let mut stream = dial(&trusted, place, "kafka").expect("a handshake");
    assert_eq!(ask_cluster(&mut stream).brokers[0].host.to_string(), "kafka");
    assert!(dial(&trusted, place, "another").is_err(), "a name that the certificate does not have");
    // Plain text on that port gets nothing of Kafka.
    let mut plain = Peer::connect(place);
    plain.send(12, &MetadataRequest::default());
    let mut answer = Vec::new();
    let _ = plain.socket.read_to_end(&mut answer);
    assert!(answer.len() < 16 && answer.first().is_none_or(|first| *first == 21), "an alert at most: {answer:?}");
    // Another CA altogether.
    let next = Ca::new();
    next.issue(&folder, "kafka");
    next.trust(&trusted);
    until("the new certificate is shown", || dial(&trusted, place, "kafka").is_ok());
    assert_eq!(ask_cluster(&mut stream).brokers.len(), 1, "the connection that was open lives on");
    fs::write(folder.join("tls.key"), "half").expect("a file");
    until("broken files are said", || served.broker().actual().listener_problems.contains_key("outside"));
    dial(&trusted, place, "kafka").expect("what was in use is in use");
}

#[test]
fn a_broker_without_certificates_does_not_listen_in_plain_text_instead() {
    let served = Served::start_with(|config| BrokerConfig { listen: None, listen_host: Some("127.0.0.1".parse().unwrap()), ..config });
    for name in ["outside", "../../etc"] {
        let wanted = DesiredListener { tls: Some(name.into()), ..listener("outside", 0, "kafka") };
        served.apply(with(served.broker().actual().generation + 1, &[wanted]));
        let actual = served.broker().actual();
        assert_eq!((actual.listeners.len(), actual.listener_problems.len()), (0, 1));
    }
}

#[test]
fn half_open_handshakes_do_not_keep_others_out_for_long() {
    let served = pod();
    let (ca, folder, trusted) = (Ca::new(), served.folder().join("tls/outside"), served.folder().join("trusted"));
    ca.issue(&folder, "kafka");
    ca.trust(&trusted);
    served.apply(with(1, &[DesiredListener { tls: Some("outside".into()), ..listener("outside", 0, "kafka") }]));
    let place = place(&served, "outside");
    // More than may shake hands at once, and none of them says a word.
    let silent: Vec<_> = (0..300).map(|_| TcpStream::connect(place).expect("it accepts")).collect();
    until("a client that speaks gets in once the silent ones are cut off", || dial(&trusted, place, "kafka").is_ok());
    until("the silent ones are counted", || served.broker().counted().handshakes_failed > 0);
    drop(silent);
}

#[test]
fn a_large_frame_that_comes_too_slowly_makes_room_for_others() {
    let served = Served::start_with(|config| BrokerConfig { request_budget_bytes: 1 << 20, ..config });
    let mut peer = served.peer();
    let topic = peer.create("orders", 1);
    // It claims all there is for a Produce, sends a head, and drips.
    let mut slow = served.peer();
    slow.socket.write_all(&(1_048_576_u32).to_be_bytes()).expect("the broker reads");
    slow.socket.write_all(&[0, 0, 0, 13]).expect("the broker reads");
    slow.socket.write_all(&[0; 20_000]).expect("the broker reads");
    let dripping = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let (drips, mut socket) = (Arc::clone(&dripping), slow.socket.try_clone().expect("a handle"));
    let drip = std::thread::spawn(move || {
        while drips.load(std::sync::atomic::Ordering::Relaxed) && socket.write_all(&[0]).is_ok() {
            std::thread::park_timeout(Duration::from_millis(100));
        }
    });
    let large = "x".repeat(200_000);
    // The first of these may come before the slow one has taken all there is.
    until("the slow one is cut off", || {
        let from = Instant::now();
        let written = peer.produce(topic, &crate::kit::Batch::of(&[&large]));
        assert_eq!(written.error_code, wire::ErrorCode::None);
        assert!(from.elapsed() < Duration::from_secs(15), "{:?}", from.elapsed());
        slow.is_closed()
    });
    dripping.store(false, std::sync::atomic::Ordering::Relaxed);
    drip.join().expect("the thread ends");
}

#[test]
fn a_request_other_than_produce_has_a_limit_of_its_own() {
    let served = Served::start_with(|config| BrokerConfig { connection_idle_max: DurationMs(600_000), ..config });
    let mut peer = served.peer();
    peer.socket.write_all(&(9_u32 << 20).to_be_bytes()).expect("the broker reads");
    // Metadata, in a version that is known, and the first of nine megabytes.
    let _ = peer.socket.write_all(&[&[0, 3, 0, 1, 0, 0, 0, 7, 0xff, 0xff][..], &[0; 20_000]].concat());
    assert!(peer.receive_frame().is_none());
}
