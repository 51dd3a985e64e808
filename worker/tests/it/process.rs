//! A process, its data folder, its port and its end.

use crate::kit::{Home, TOPIC, named, ready, streamwright, text};

#[test]
fn it_says_what_runs_and_a_line_that_works() {
    let home = Home::new(&[("a.yaml", TOPIC), ("b.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: other}\n")]);
    let mut dev = home.start();
    let address = dev.address().to_owned();
    assert_eq!(
        dev.front,
        [
            "topics     orders (2)".to_owned(),
            "pipelines  none".to_owned(),
            format!("kafka      {address}    data data/"),
            format!("try        kcat -b {address} -t orders -C -e -o beginning -c 5"),
        ]
    );
    dev.wait_for_line("1 object of no kind of ours skipped: v1 Service (1)");
    let status = dev.wait_for_status(|status| ready(status, "orders") == "True/Available");
    assert_eq!(named(&status, "topics", "orders")["partitions"], 2);
    let shown = streamwright(&["status", "--data-dir", "data"]).current_dir(home.path()).output().unwrap();
    assert!(shown.status.success());
    let is_orders = |line: &str| line.split_whitespace().take(2).eq(["orders", "2"]);
    assert!(text(&shown.stdout).lines().any(is_orders), "{}", text(&shown.stdout));
}

#[test]
fn sigkill_loses_neither_objects_nor_their_uids() {
    let home = Home::new(&[("a.yaml", TOPIC)]);
    let identity = |home: &Home| {
        let kept: serde_json::Value = serde_json::from_slice(&std::fs::read(home.path().join("data/accepted.json")).unwrap()).unwrap();
        let metadata = &kept["objects"][0]["object"]["metadata"];
        (metadata["uid"].clone(), metadata["creationTimestamp"].clone(), metadata["generation"].clone())
    };
    let dev = home.start();
    let first = dev.wait_for_status(|status| ready(status, "orders") == "True/Available");
    let before = identity(&home);
    dev.kill();
    let dev = home.start();
    let second = dev.wait_for_status(|status| ready(status, "orders") == "True/Available");
    assert_eq!(identity(&home), before);
    assert_eq!(second["clusterId"], first["clusterId"]);
    assert_eq!(second["incarnation"].as_u64(), first["incarnation"].as_u64().map(|incarnation| incarnation + 1));
    assert_eq!(named(&second, "objects", "orders")["conditions"], named(&first, "objects", "orders")["conditions"]);
}

#[test]
fn a_second_process_on_the_data_is_refused_naming_the_first() {
    let home = Home::new(&[("a.yaml", TOPIC)]);
    let dev = home.start();
    let second = home.run(&["--listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(text(&second.stderr).contains(&format!("in use by process {}", dev.pid())), "{}", text(&second.stderr));
}

#[test]
fn a_port_in_use_is_named_with_who_has_it() {
    let home = Home::new(&[("a.yaml", TOPIC)]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = home.run(&["--listen", &address]);
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    assert!(said.contains(&format!("{address} is in use by process {}", std::process::id())), "{said}");
}

#[test]
fn data_of_other_manifests_is_refused_and_kept() {
    let home = Home::new(&[("a.yaml", TOPIC)]);
    home.start().kill();
    std::fs::create_dir(home.path().join("others")).unwrap();
    let refused =
        streamwright(&["dev", "others", "--data-dir", "data", "--listen", "127.0.0.1:0"]).current_dir(home.path()).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("data has the data of manifests"), "{}", text(&refused.stderr));
    let dev = home.start();
    dev.wait_for_status(|status| ready(status, "orders") == "True/Available");
}

#[test]
fn each_signal_to_stop_ends_it_orderly() {
    for signal in ["INT", "TERM"] {
        let home = Home::new(&[("a.yaml", TOPIC)]);
        let mut dev = home.start();
        dev.signal(signal);
        assert_eq!(dev.wait().code(), Some(0), "SIG{signal}");
        let gone = streamwright(&["status", "--data-dir", "data"]).current_dir(home.path()).output().unwrap();
        assert_eq!(gone.status.code(), Some(1));
        assert!(text(&gone.stderr).contains("no process runs on data"), "{}", text(&gone.stderr));
    }
}

#[test]
fn the_second_signal_ends_it_at_once() {
    let home = Home::new(&[("a.yaml", TOPIC)]);
    let mut dev = home.start();
    // While it is stopped it acts on nothing, and signals of one kind are one: so one of each, and the orderly stop has no time.
    dev.signal("STOP");
    dev.signal("INT");
    dev.signal("TERM");
    dev.signal("CONT");
    assert_eq!(dev.wait().code(), Some(130));
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let refused = streamwright(&["dev", "absent"]).current_dir(tempfile::tempdir().unwrap().path()).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("absent"), "{}", text(&refused.stderr));
}

#[test]
fn a_log_that_nobody_reads_any_more_is_no_reason_to_stop() {
    let home = Home::new(&[("a.yaml", TOPIC)]);
    let mut dev = home.start();
    dev.stop_reading();
    for round in 0..3 {
        home.write("b.yaml", &format!("kind: [ # {round}"));
        dev.wait_for_status(|status| status["problems"].as_array().is_some_and(|problems| problems.len() == 1));
        home.write("b.yaml", "");
        dev.wait_for_status(|status| status["problems"].as_array().is_some_and(Vec::is_empty));
    }
}

#[test]
fn manifests_and_data_have_a_folder_each() {
    let home = Home::new(&[("a.yaml", TOPIC)]);
    let refused = streamwright(&["dev", "manifests", "--data-dir", "manifests", "--check"]).current_dir(home.path()).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("need a folder each"), "{}", text(&refused.stderr));
}

#[test]
fn data_below_the_manifests_is_not_taken_for_manifests() {
    let home = Home::new(&[("a.yaml", TOPIC)]);
    let below = ["dev", "manifests", "--data-dir", "manifests/data"];
    let run = |more: &[&str]| streamwright(&[&below, more].concat()).current_dir(home.path()).output().unwrap();
    let mut child = streamwright(&[&below[..], &["--listen", "127.0.0.1:0"]].concat())
        .current_dir(home.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let front = std::io::BufReader::new(child.stdout.take().unwrap());
    assert!(std::io::BufRead::lines(front).map_while(Result::ok).any(|line| line.starts_with("try")));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(home.path().join("manifests/data/accepted.json").exists());
    let checked = run(&["--check"]);
    assert_eq!(text(&checked.stdout), "1 object in 1 file: all is well\n", "{}", text(&checked.stderr));
}
