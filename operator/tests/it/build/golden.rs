//! Each file of `cases/` gives the file of its name in `golden/`. `UPDATE_GOLDEN=1` writes them; what changes in them changes in every cluster.

use std::{fs, path::Path};

use super::{checks, kit};

fn cases() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/build/cases");
    let mut cases: Vec<_> = fs::read_dir(folder)
        .expect("there are cases")
        .map(|entry| entry.expect("a case").path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(&path).expect("a case is text")))
        .collect();
    cases.sort();
    assert!(cases.len() >= 8, "cases are missing");
    cases
}

#[test]
fn objects_are_as_the_golden_files_have_them() {
    let mut wrong = Vec::new();
    for (name, manifests) in cases() {
        let documents: Vec<_> =
            kit::build_all(&manifests).0.iter().map(|object| serde_yaml::to_string(&object.to_value()).unwrap()).collect();
        let text = documents.join("---\n");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/build/golden").join(&name);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &text).expect("golden files can be written");
        } else if fs::read_to_string(&path).unwrap_or_default() != text {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "not as in tests/it/build/golden: {wrong:?}; run with UPDATE_GOLDEN=1 and read the difference");
}

#[test]
fn every_object_of_every_case_is_one_that_kubernetes_takes_and_we_want() {
    for (name, manifests) in cases() {
        let found: Vec<_> = kit::build_all(&manifests).0.iter().flat_map(checks::violations).collect();
        assert!(found.is_empty(), "{name}: {found:#?}");
    }
}

#[test]
fn building_twice_gives_the_same_and_no_two_objects_share_a_name() {
    for (name, manifests) in cases() {
        let objects = kit::build_all(&manifests);
        assert_eq!(objects, kit::build_all(&manifests), "{name}");
        let mut ids: Vec<_> =
            objects.0.iter().map(|object| (object.kind(), object.metadata().namespace.clone(), object.name().to_owned())).collect();
        ids.sort();
        let count = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), count, "{name}: two objects of one name");
    }
}

#[test]
fn pods_come_last_and_after_all_that_they_need() {
    for (name, manifests) in cases() {
        let kinds: Vec<_> = kit::build_all(&manifests).0.iter().map(|object| object.kind()).collect();
        let after_set = kinds.iter().position(|kind| *kind == "StatefulSet").map(|at| kinds.get(at + 1).copied());
        assert!(matches!(after_set, None | Some(None | Some("ServiceAccount" | "ConfigMap" | "Topic"))), "{name}: {kinds:?}");
    }
}
