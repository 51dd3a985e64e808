//! The process's own identity: each source in a process of its own, since the environment is one's own too.

use crate::kit::{config, key};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    process::Command,
};
use store::{ObjectStore, S3Config, S3Credentials, S3Store};
use streamwright_tests_s3::Server;

const ENDPOINT: &str = "SW_S3_ENDPOINT";

/// Plays in the child: reads one object with whatever identity the process has.
#[test]
fn a_child_reads_with_its_own_identity() {
    let Ok(endpoint) = std::env::var(ENDPOINT) else { return };
    let config =
        S3Config { endpoint: Some(endpoint), force_path_style: true, credentials: S3Credentials::Chain, ..S3Config::of_bucket("streams") };
    assert_eq!(S3Store::open(config).unwrap().get(&key("secret")).unwrap().bytes, "read");
}

/// Runs the child against `server` with this environment and no other of Amazon's.
fn child(server: &Server, environment: &[(&str, &str)]) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "identity::a_child_reads_with_its_own_identity", "--nocapture"]);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        command.env_remove(name);
    }
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_CONFIG_FILE", "/dev/null").env(ENDPOINT, server.endpoint());
    let output = command.envs(environment.iter().copied()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

fn server() -> Server {
    let server = Server::start();
    server.put("secret", "read");
    server
}

#[test]
fn the_environment_says_who_we_are() {
    let server = server();
    child(&server, &[("AWS_ACCESS_KEY_ID", server.access_key_id()), ("AWS_SECRET_ACCESS_KEY", server.secret_access_key())]);
}

#[test]
fn a_profile_of_the_shared_file_says_who_we_are() {
    let (server, folder) = (server(), tempfile::tempdir().unwrap());
    let file = folder.path().join("credentials");
    let (id, secret) = (server.access_key_id(), server.secret_access_key());
    std::fs::write(&file, format!("[streams]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n")).unwrap();
    child(&server, &[("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap()), ("AWS_PROFILE", "streams")]);
}

/// A service account's token is exchanged for credentials at the token service, as pods on Amazon's Kubernetes do.
#[test]
fn a_web_identity_says_who_we_are() {
    let (server, folder) = (server(), tempfile::tempdir().unwrap());
    let token = folder.path().join("token");
    std::fs::write(&token, "the-token-of-the-pod").unwrap();
    let exchange = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", exchange.local_addr().unwrap());
    let (id, secret) = (server.access_key_id().to_owned(), server.secret_access_key().to_owned());
    let asked = std::thread::spawn(move || exchange_token(&exchange, &id, &secret));
    child(
        &server,
        &[
            ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
            ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/streams"),
            ("AWS_ENDPOINT_URL_STS", &url),
        ],
    );
    let asked = asked.join().unwrap();
    assert!(asked.contains("Action=AssumeRoleWithWebIdentity") && asked.contains("the-token-of-the-pod"), "{asked}");
}

/// Answers one request for credentials; gives its body.
fn exchange_token(listener: &TcpListener, id: &str, secret: &str) -> String {
    let (socket, _) = listener.accept().unwrap();
    let mut socket = BufReader::new(socket);
    let mut len = 0;
    loop {
        let mut line = String::new();
        socket.read_line(&mut line).unwrap();
        match line.trim_end().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", text)) => len = text.parse().unwrap(),
            None if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; len];
    socket.read_exact(&mut body).unwrap();
    let answer = format!(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleWithWebIdentityResult>\
         <AssumedRoleUser><AssumedRoleId>R:s</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/streams/s</Arn></AssumedRoleUser>\
         <Credentials><AccessKeyId>{id}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey><SessionToken>session</SessionToken>\
         <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
         <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></AssumeRoleWithWebIdentityResponse>"
    );
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.len());
    socket.get_mut().write_all((head + &answer).as_bytes()).unwrap();
    String::from_utf8(body).unwrap()
}

/// What the other tests use does not depend on the environment.
#[test]
fn keys_and_folders_ask_no_environment() {
    let server = server();
    let config = S3Config { prefix: String::new(), ..config(&server) };
    assert_eq!(S3Store::open(config).unwrap().get(&key("secret")).unwrap().bytes, "read");
}
