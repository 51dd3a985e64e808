//! What a platform team does from the first day to the last, on two real nodes: install, apply, produce, consume, tier, lose a volume, upgrade,
//! uninstall, install again.

use streamwright_tests::{
    flights,
    installed::{Clients, Installed, NAMESPACE, PATIENCE, succeed, until_field},
    patience::until,
    platform::{self, INPUTS},
    results::{Oracle, Results},
};

#[test]
fn on_two_nodes_from_install_to_uninstall_and_back() {
    let (platform, flights) = (Oracle::of(&platform::example(), &platform::RESULTS), Oracle::of(&flights::example(), &flights::RESULTS));
    let Some(installed) = Installed::start() else { return };

    let _ = installed.helm(&["test", "streamwright", "--timeout", "3m"]);

    say("three tenants and their Cluster");
    installed.cluster.apply(&std::fs::read_to_string(platform::example().join("0-namespaces.yaml")).expect("the example has namespaces"));
    ["streaming", "shop", "fleet", "audit"].iter().for_each(|namespace| installed.put_credentials(namespace));
    installed.apply(&platform::example(), None);
    installed.wait_until_ready();
    let clients = installed.clients("streaming", "main");
    send(&clients);
    platform.compare(&clients, PATIENCE);
    for (topic, _) in INPUTS {
        assert!(clients.committed_inside(topic) == clients.committed(topic), "{topic}: the same from inside and from outside");
    }

    say("flights, its file put into the bucket");
    let _ = installed.cluster.kubectl(&["create", "namespace", "flights"]);
    installed.put_credentials("flights");
    installed.put_object(&flights::example().join("data/flights-2013.csv.gz"), "flights/files/flights/data/flights-2013.csv.gz");
    installed.apply(&flights::example(), Some("flights"));
    installed.cluster.wait(
        &["-n", "flights", "pipeline.streamwright.dev/load"],
        "jsonpath={.status.conditions[?(@.type==\"Ready\")].reason}=Finished",
        PATIENCE,
    );
    let of_flights = installed.clients("flights", "default");
    flights.compare(&of_flights, PATIENCE);
    until_field(&installed, ("flights", "statefulset/load-pipeline", ".spec.replicas"), |replicas| replicas == "0");

    say("cold data is in the bucket alone, and is read as before");
    assert!(!installed.objects("main").is_empty());
    let before = INPUTS.map(|(topic, _)| clients.committed(topic));
    for (namespace, policy, topic) in
        [("shop", "month", "shop.orders"), ("fleet", "week", "fleet.positions"), ("audit", "year", "audit.logins")]
    {
        let _ = installed.cluster.kubectl(&[
            "-n",
            namespace,
            "patch",
            "retentionpolicy",
            policy,
            "--type=merge",
            "-p",
            r#"{"spec":{"local":{"time":"1s"}}}"#,
        ]);
        until_field(&installed, (namespace, &format!("topic.streamwright.dev/{topic}"), ".status.storage.localBytes"), |bytes| {
            bytes == "0"
        });
        until_field(&installed, (namespace, &format!("topic.streamwright.dev/{topic}"), ".status.storage.objectBytes"), |bytes| {
            bytes != "0"
        });
    }
    assert!(INPUTS.map(|(topic, _)| clients.committed(topic)) == before, "what is cold is read as before");

    say("a volume is lost");
    until_field(&installed, ("streaming", "cluster.streamwright.dev/main", ".status.objectStore.bytesAtRisk"), |bytes| bytes == "0");
    lose_volume(&installed);
    platform.compare(&clients, PATIENCE);
    assert!(INPUTS.map(|(topic, _)| clients.committed(topic)) == before, "everything is back");

    say("another operator");
    let pods = installed.data_pods();
    installed.give_image("next");
    installed.upgrade(&["--set", "image.tag=next"]);
    settle(&installed, ("streaming", "main"));
    assert_eq!(installed.data_pods(), pods, "an upgrade restarts no broker and no pipeline");

    say("no operator, and one again");
    let _ = installed.helm(&["uninstall", "streamwright", "--wait"]);
    assert_eq!(installed.data_pods(), pods);
    assert!(INPUTS.map(|(topic, _)| clients.committed(topic)) == before, "brokers serve without an operator");

    say("one team's, with rights in its namespace alone");
    let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/streamwright");
    let install = ["install", "streamwright", chart, "--wait", "--timeout", "3m"];
    let _ = installed.helm(&[&install[..], &["--set", "crds.install=false", "--set", "watchNamespaces={flights}"]].concat());
    settle(&installed, ("flights", "default"));
    run_once_more(&installed);
    assert_eq!(installed.data_pods(), pods, "what is there is taken over, and what is elsewhere left alone");
    let _ = installed.helm(&["uninstall", "streamwright", "--wait"]);

    say("everybody's again");
    let _ = installed.helm(&install);
    settle(&installed, ("streaming", "main"));
    assert_eq!(installed.data_pods(), pods, "installing again takes over what is there");
    clients.send_inside(&["-t", "shop.orders", "-P", "-K", "\t"], "c1\t{}");
}

/// The tenants' own programs: the last of their records comes from inside, all others from outside.
fn send(clients: &Clients<'_>) {
    for (topic, file) in INPUTS {
        let input = std::fs::read_to_string(platform::example().join("data").join(file)).expect("the example has its inputs");
        let (most, last) = input.trim_end().rsplit_once('\n').expect("there is more than one line");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("most");
        std::fs::write(&path, most).expect("a file can be written");
        let _ = succeed(clients.outside().args(["-t", topic, "-P", "-K", "\t", "-l"]).arg(&path));
        clients.send_inside(&["-t", topic, "-P", "-K", "\t"], last);
    }
}

/// Deletes the claim of the broker and its pod, and returns when another one serves.
fn lose_volume(installed: &Installed) {
    let of_claim = || installed.field("streaming", "pvc/data-main-broker-0", ".metadata.uid");
    let claim = of_claim();
    let _ = installed.cluster.kubectl(&["-n", "streaming", "delete", "pvc", "data-main-broker-0", "--wait=false"]);
    let _ = installed.cluster.kubectl(&["-n", "streaming", "delete", "pod", "main-broker-0"]);
    until("another volume", PATIENCE, || {
        let uid =
            installed.cluster.try_kubectl(&["-n", "streaming", "get", "pvc", "data-main-broker-0", "-o", "jsonpath={.metadata.uid}"], "");
        uid.is_ok_and(|uid| uid != claim).then_some(())
    });
    until_field(installed, ("streaming", "cluster.streamwright.dev/main", ".status.brokers[0].incarnation"), |incarnation| {
        incarnation != "1"
    });
    installed.wait_until_ready();
}

/// Returns when the operator has looked at everything: when it says that a Topic made now, on a Cluster of its namespace, is Ready.
fn settle(installed: &Installed, (namespace, cluster): (&str, &str)) {
    installed.cluster.apply(&format!(
        "apiVersion: streamwright.dev/v1alpha1\nkind: Topic\nmetadata: {{name: settled, namespace: {namespace}}}\n\
         spec: {{clusterRef: {{name: {cluster}}}, deletionPolicy: Delete, partitions: 1}}\n"
    ));
    installed.cluster.wait(&["-n", namespace, "topic.streamwright.dev/settled"], "condition=Ready", PATIENCE);
    let _ = installed.cluster.kubectl(&["-n", namespace, "delete", "topic.streamwright.dev", "settled"]);
    installed.wait_until_ready();
}

/// A Pipeline more, from its objects to its end: what the operator makes and takes away, it may.
fn run_once_more(installed: &Installed) {
    installed.cluster.apply(
        "apiVersion: streamwright.dev/v1alpha1\nkind: Pipeline\nmetadata: {name: once-more, namespace: flights}\n\
         spec: {query: 'INSERT INTO `late-departures` SELECT carrier, flight, origin, dest, departed, delay FROM flights WHERE delay > 100000'}\n",
    );
    installed.cluster.wait(&["-n", "flights", "pipeline.streamwright.dev/once-more"], "condition=Ready", PATIENCE);
    let _ = installed.cluster.kubectl(&["-n", "flights", "delete", "pipeline.streamwright.dev", "once-more", "--timeout=120s"]);
    until("its pod is gone", PATIENCE, || installed.data_pods().iter().all(|(pod, _)| !pod.contains("once-more")).then_some(()));
}

fn say(step: &str) {
    eprintln!("- {step} ({NAMESPACE})");
}
