//! Handshakes in memory, over folders that change: who is let in, and what a rotation changes.

use std::{
    fs,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::{ClientConnection, ServerConnection, pki_types::ServerName};
use streamwright_tls::{Client, Server, TlsError};

const PATIENCE: Duration = Duration::from_secs(20);

struct Ca(Issuer<'static, KeyPair>, String);

impl Ca {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let text = params.self_signed(&key).unwrap().pem();
        Self(Issuer::new(params, key), text)
    }

    /// Writes a certificate for `name` and its key into `folder`, and `trusted` as the CA.
    fn issue(&self, folder: &Path, name: &str, usage: ExtendedKeyUsagePurpose, trusted: &Self) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.extended_key_usages.push(usage);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        fs::write(folder.join("ca.crt"), &trusted.1).unwrap();
        fs::write(folder.join("tls.crt"), certificate.pem()).unwrap();
        fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
    }
}

use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};

const OPERATOR: &str = "streamwright-operator";

/// The handshake of both, and the server's certificate; or what one of them said.
fn shake(server: &Server, client: &Client, name: &'static str) -> Result<Vec<u8>, String> {
    let mut server = ServerConnection::new(server.config()).unwrap();
    let mut client = ClientConnection::new(client.config(), ServerName::try_from(name).unwrap()).unwrap();
    // In TLS 1.3 the client is done before the server has judged its certificate: only bytes that come through say that it was let in.
    client.writer().write_all(b"x").unwrap();
    let said = |error: rustls::Error| error.to_string();
    loop {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut from_client = &bytes[..];
        while !from_client.is_empty() {
            server.read_tls(&mut from_client).unwrap();
            if server.process_new_packets().map_err(said)?.plaintext_bytes_to_read() > 0 {
                return Ok(client.peer_certificates().unwrap()[0].to_vec());
            }
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut from_server = &bytes[..];
        while !from_server.is_empty() {
            client.read_tls(&mut from_server).unwrap();
            client.process_new_packets().map_err(said)?;
        }
    }
}

/// Tries until it is so; the folder is looked at once a second.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let from = Instant::now();
    while !is_so() {
        assert!(from.elapsed() < PATIENCE, "{what} did not come about");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

#[test]
fn only_the_one_who_may_speak_is_let_in() {
    let (ca, other) = (Ca::new(), Ca::new());
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    ca.issue(here.path(), "broker-0", ServerAuth, &ca);
    let server = Server::open_mutual(here.path(), OPERATOR, &[b"h2"]).unwrap();
    let dial = |issuer: &Ca, name: &str, usage, as_whom| {
        issuer.issue(there.path(), name, usage, &ca);
        shake(&server, &Client::open_mutual(there.path(), &[b"h2"]).unwrap(), as_whom)
    };
    dial(&ca, OPERATOR, ClientAuth, "broker-0").unwrap();
    let refused = |result: Result<Vec<u8>, String>, why: &str| {
        let said = result.expect_err(why);
        assert!(said.contains("certificate"), "{why}: {said}");
    };
    refused(dial(&other, OPERATOR, ClientAuth, "broker-0"), "a certificate of another CA");
    refused(dial(&ca, "streamwright-pipeline", ClientAuth, "broker-0"), "a certificate of our CA for somebody else");
    refused(dial(&ca, OPERATOR, ServerAuth, "broker-0"), "a certificate that is for servers only");
    refused(dial(&ca, OPERATOR, ClientAuth, "broker-1"), "a server that is not the one that was dialled");
    // No certificate at all.
    fs::remove_file(there.path().join("tls.crt")).unwrap();
    refused(shake(&server, &Client::open(there.path()).unwrap(), "broker-0"), "no certificate");
    assert!(matches!(Client::open_mutual(there.path(), &[]), Err(TlsError::Read { .. })));
}

#[test]
fn new_files_are_used_from_the_next_handshake_and_broken_ones_never() {
    let (ca, next) = (Ca::new(), Ca::new());
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    ca.issue(here.path(), "kafka", ServerAuth, &ca);
    fs::write(there.path().join("ca.crt"), ca.1.clone() + &next.1).unwrap();
    let (server, client) = (Server::open(here.path()).unwrap(), Client::open(there.path()).unwrap());
    let first = shake(&server, &client, "kafka").unwrap();
    next.issue(here.path(), "kafka", ServerAuth, &next);
    until("the new certificate", || shake(&server, &client, "kafka").unwrap() != first);
    let second = shake(&server, &client, "kafka").unwrap();
    // A key that is another certificate's, then no key at all.
    fs::write(here.path().join("tls.key"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    until("a problem", || server.problem().is_some_and(|problem| problem.contains("cannot be used")));
    fs::remove_file(here.path().join("tls.key")).unwrap();
    until("a problem that names the file", || server.problem().is_some_and(|problem| problem.contains("tls.key")));
    assert_eq!(shake(&server, &client, "kafka").unwrap(), second);
    ca.issue(here.path(), "kafka", ServerAuth, &ca);
    until("no problem", || server.problem().is_none());
    assert_ne!(shake(&server, &client, "kafka").unwrap(), second);
    // The client no longer trusts the old CA once its folder says so.
    fs::write(there.path().join("ca.crt"), &next.1).unwrap();
    until("a refusal", || shake(&server, &client, "kafka").is_err());
}

#[test]
fn what_cannot_be_used_is_said_with_its_path_and_without_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let said = || Server::open(folder.path()).unwrap_err().to_string();
    assert!(said().contains("tls.crt"));
    fs::write(folder.path().join("tls.crt"), "secret-marker").unwrap();
    assert!(said().contains("tls.crt") && !said().contains("secret-marker"), "{}", said());
    let ca = Ca::new();
    ca.issue(folder.path(), "kafka", ServerAuth, &ca);
    fs::write(folder.path().join("tls.key"), "secret-marker").unwrap();
    assert!(said().contains("tls.key") && !said().contains("secret-marker"), "{}", said());
}
