//! `down` leaves nothing of a cluster on the machine, after a whole `up` and after half of one.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use streamwright_tests::cluster::script;

use crate::until;

/// What the machine has of a cluster, each as a line.
fn traces(home: &Path, id: &str) -> Vec<String> {
    let mut found = Vec::new();
    let home_text = home.to_str().expect("a folder's name is text");
    found.extend(home.exists().then(|| format!("folder {home_text}")));
    let network = Command::new("ip").args(["netns", "list"]).output().expect("ip can be run");
    let prefix = format!("sw{id}-");
    found.extend(
        String::from_utf8_lossy(&network.stdout).lines().filter(|line| line.starts_with(&prefix)).map(|line| format!("network {line}")),
    );
    // Of every mount namespace: a mount lives as long as anybody is in its namespace.
    for process in fs::read_dir("/proc").expect("/proc can be read").flatten() {
        let process = process.path();
        let read = |name: &str| fs::read(process.join(name)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        let about = [read("mounts"), read("environ").replace('\0', "\n"), read("cmdline").replace('\0', "\n"), read("cgroup")];
        let is_of_it = |line: &&str| line.contains(home_text) || line.contains(&format!("/sw{id}/")) || line.contains(&prefix);
        let line = about.iter().flat_map(|text| text.lines()).find(is_of_it).map(|line| format!("{}: {line}", process.display()));
        found.extend(line.filter(|_| process.join("exe").exists() && process != Path::new(&format!("/proc/{}", std::process::id()))));
    }
    let mut groups = vec![PathBuf::from("/sys/fs/cgroup")];
    groups.extend(fs::read_dir("/sys/fs/cgroup").expect("control groups can be read").flatten().map(|entry| entry.path()));
    found.extend(
        groups.iter().map(|group| group.join(format!("sw{id}"))).filter(|group| group.exists()).map(|group| group.display().to_string()),
    );
    found
}

/// What a kubelet or a runtime would leave or change outside a cluster's own folder.
fn machine() -> Vec<String> {
    let settings = ["vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "net/ipv4/ip_forward"];
    let folders = [
        "/var/lib/kubelet",
        "/var/lib/cni",
        "/etc/cni/net.d",
        "/run/containerd",
        "/opt/containerd",
        "/opt/cni",
        "/var/log/pods",
        "/var/log/containers",
    ];
    let mut found: Vec<_> = folders.iter().map(|folder| format!("{folder}: {}", Path::new(folder).exists())).collect();
    found.extend(
        settings.iter().map(|name| format!("{name}: {}", fs::read_to_string(format!("/proc/sys/{name}")).unwrap_or_default().trim())),
    );
    let links = Command::new("ip").args(["-br", "link"]).output().expect("ip can be run");
    let links = String::from_utf8_lossy(&links.stdout).into_owned();
    found.extend(links.lines().filter_map(|line| line.split_whitespace().next()).map(|name| format!("link {name}")));
    found
}

fn run(name: &str, home: &Path, path: Option<&str>) -> Output {
    let mut command = Command::new(script(name));
    command.arg(home);
    command.envs(path.map(|path| ("PATH", path)));
    command.output().expect("a script of tests/cluster can be run")
}

fn can_have_nodes() -> bool {
    let check = Command::new(script("up")).arg("--check").output().expect("tests/cluster/up can be run");
    if !check.status.success() {
        let _ = std::io::Write::write_all(&mut std::io::stderr(), &check.stderr);
    }
    check.status.success()
}

fn id_of(home: &Path) -> String {
    let facts = fs::read_to_string(home.join("env")).expect("a cluster has its facts");
    facts.lines().find_map(|line| line.strip_prefix("id=")).expect("a cluster with nodes has a number").into()
}

#[test]
fn nothing_is_left_of_a_cluster_that_went_down_and_up_and_down_again() {
    if !can_have_nodes() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let home = folder.path().join("cluster");
    let before = machine();
    for _ in 0..2 {
        let up = run("up", &home, None);
        assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
        let id = id_of(&home);
        assert!(traces(&home, &id).len() > 10, "this test would not see them: {:#?}", traces(&home, &id));
        for _ in 0..2 {
            let down = run("down", &home, None);
            assert!(down.status.success(), "{}", String::from_utf8_lossy(&down.stderr));
            assert_eq!(traces(&home, &id), [""; 0]);
        }
    }
    assert_eq!(machine(), before);
}

#[test]
fn an_up_that_fails_half_way_cleans_up_after_itself() {
    if !can_have_nodes() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let home = folder.path().join("cluster");
    // An etcd that ends at once, when networks and nodes are there already.
    let broken = folder.path().join("etcd");
    fs::write(&broken, "#!/bin/sh\necho no etcd today\nexit 1\n").expect("a file can be written");
    fs::set_permissions(&broken, fs::Permissions::from_mode(0o755)).expect("it can be made a program");
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").expect("PATH is set"));
    let up = run("up", &home, Some(&path));
    let said = String::from_utf8_lossy(&up.stderr);
    assert!(!up.status.success() && said.contains("no etcd today"), "{said}");
    let is_log = |entry: fs::DirEntry| entry.file_name() == "logs" || entry.file_name() == "audit.log";
    assert!(fs::read_dir(&home).expect("the logs stay").flatten().all(is_log));
    fs::remove_dir_all(&home).expect("the logs can be removed");
    until(|| {
        let marked = format!("STREAMWRIGHT_CLUSTER_DIR={}", home.display());
        let processes = fs::read_dir("/proc").expect("/proc can be read").flatten();
        let is_marked = |entry: fs::DirEntry| {
            fs::read(entry.path().join("environ")).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(&marked))
        };
        (!processes.into_iter().any(is_marked)).then_some(())
    });
}
