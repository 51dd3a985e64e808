//! Keeps the house in order: the arrows between crates, a `//!` on every module, fresh resource definitions, and no path of any machine in
//! any file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Which of our crates each crate may depend on (`units` is free to all but itself). Dev-dependencies are not held.
const ARROWS: &[(&str, &[&str])] = &[
    ("units", &[]),
    ("records", &[]),
    ("wire", &["records"]),
    ("store", &[]),
    ("log", &["records", "store"]),
    ("coordinators", &[]),
    ("sql", &[]),
    ("crds", &[]),
    ("desired", &["crds", "sql", "control"]),
    ("tls", &[]),
    ("control", &["tls"]),
    ("operator", &["crds", "desired", "control"]),
    ("broker", &["log", "coordinators", "wire", "control", "records", "store", "tls"]),
    ("client", &["wire", "records", "tls"]),
    ("flow", &["sql"]),
    ("state", &["store"]),
    ("commit", &[]),
    ("pipeline", &["client", "commit", "flow", "state", "sql", "control", "store", "records", "tls"]),
    (
        "streamwright",
        &[
            "store",
            "log",
            "broker",
            "pipeline",
            "client",
            "control",
            "desired",
            "crds",
            "sql",
            "records",
            "wire",
            "coordinators",
            "flow",
            "state",
            "commit",
            "tls",
        ],
    ),
];

/// Crates in which tokio may be used; in `control` only behind its feature `grpc`, in `store` behind `s3`.
const TOKIO: &[&str] = &["broker", "client", "control", "operator", "pipeline", "store", "streamwright"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").into()
}

/// Every file that git would keep, below the workspace root.
fn files() -> Vec<PathBuf> {
    let listed = std::process::Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git lists the files");
    assert!(listed.status.success(), "git ls-files failed: {}", String::from_utf8_lossy(&listed.stderr));
    let names = String::from_utf8(listed.stdout).expect("file names are UTF-8");
    names.lines().map(|name| root().join(name)).filter(|path| path.is_file()).collect()
}

/// The names under `[dependencies]` of a manifest, as code writes them.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut inside = false;
    let mut found = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.trim() == "[dependencies]";
        } else if inside && let Some(name) = line.split(['.', '=', ' ']).next().filter(|name| !name.is_empty() && !name.starts_with('#')) {
            found.insert(name.into());
        }
    }
    found
}

fn package_name(manifest: &str) -> String {
    let line = manifest.lines().find(|line| line.starts_with("name = ")).expect("a manifest names its package");
    let name = line.trim_start_matches("name = ").trim_matches('"');
    name.strip_prefix("streamwright-").unwrap_or(name).into()
}

#[test]
fn crates_depend_on_each_other_only_along_the_arrows_of_the_design() {
    let arrows: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let mut wrong = Vec::new();
    for path in files().iter().filter(|path| path.ends_with("Cargo.toml") && !path.starts_with(root().join("tests"))) {
        let manifest = fs::read_to_string(path).expect("a manifest is text");
        if !manifest.contains("[package]") {
            continue;
        }
        let name = package_name(&manifest);
        let Some(allowed) = arrows.get(name.as_str()) else {
            wrong.push(format!("{name}: not in the table of arrows"));
            continue;
        };
        for dependency in dependencies(&manifest) {
            let ours = arrows.contains_key(dependency.as_str());
            if ours && dependency != "units" && !allowed.contains(&dependency.as_str()) {
                wrong.push(format!("{name} -> {dependency}"));
            }
            if dependency.starts_with("tokio") && !TOKIO.contains(&name.as_str()) {
                wrong.push(format!("{name} uses {dependency}"));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that the design does not have: {wrong:#?}");
}

#[test]
fn every_module_says_what_it_is() {
    let silent: Vec<_> = files()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter(|path| !fs::read_to_string(path).expect("source is UTF-8").starts_with("//!"))
        .collect();
    assert!(silent.is_empty(), "modules without a leading `//!`: {silent:#?}");
}

#[test]
fn the_definitions_beside_the_types_are_what_the_types_give() {
    let folder = root().join("crds");
    let written = crds::definition::files();
    for (name, text) in &written {
        let path = folder.join(name);
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == *text, "{} is stale: run `cargo run -p streamwright-crds --bin crdgen`", path.display());
    }
    let is_yaml = |path: &PathBuf| path.parent() == Some(&folder) && path.extension().is_some_and(|extension| extension == "yaml");
    let committed: BTreeSet<_> = files().into_iter().filter(is_yaml).collect();
    assert_eq!(committed, written.iter().map(|(name, _)| folder.join(name)).collect(), "every definition belongs to a kind");
}

#[test]
fn no_file_names_a_path_of_a_machine() {
    // Put together from halves, so that this file does not name them either.
    let needles: Vec<String> =
        [("/wo", "rk/"), ("/ro", "ot/"), ("/fa", "rm/"), ("/home", "/")].iter().map(|(a, b)| format!("{a}{b}")).collect();
    let mut named = Vec::new();
    for path in files() {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for (index, line) in text.lines().enumerate() {
            if needles.iter().any(|needle| line.contains(needle.as_str())) {
                named.push(format!("{}:{}", path.strip_prefix(root()).unwrap_or(&path).display(), index + 1));
            }
        }
    }
    assert!(named.is_empty(), "paths of a machine: {named:#?}");
}
