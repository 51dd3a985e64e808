//! What only a folder does: its files, their damage, and what dead writers leave. Racing and dying processes are in `tests/it`.

use super::*;
use std::path::PathBuf;

const OURS: WriteId = WriteId(1);

struct Folder {
    root: tempfile::TempDir,
    store: FolderStore,
}

fn folder() -> Folder {
    let root = tempfile::tempdir().unwrap();
    let store = FolderStore::open(root.path()).unwrap();
    Folder { root, store }
}

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

impl Folder {
    fn put(&self, text: &str) -> Version {
        self.store.put_if_absent(&key(text), Body::from(b"0123456789".as_slice()), OURS).unwrap()
    }

    fn file(&self, text: &str) -> PathBuf {
        self.root.path().join("objects").join(format!("{text}~"))
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.root.path().join(folder)) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

#[test]
fn damage_is_found_and_named() {
    let folder = folder();
    for at in [5, 20, Header::BYTES as usize + 3] {
        let text = format!("damaged/{at}");
        folder.put(&text);
        let mut bytes = fs::read(folder.file(&text)).unwrap();
        bytes[at] ^= 1;
        fs::write(folder.file(&text), bytes).unwrap();
        assert!(matches!(folder.store.get(&key(&text)), Err(StoreError::Corrupt { .. })), "byte {at}");
    }
    for len in [0, 10, Header::BYTES, Header::BYTES + 9] {
        let text = format!("cut/{len}");
        folder.put(&text);
        File::options().write(true).open(folder.file(&text)).unwrap().set_len(len).unwrap();
        assert!(matches!(folder.store.get(&key(&text)), Err(StoreError::Corrupt { .. })), "cut to {len}");
        assert!(matches!(folder.store.get_range(&key(&text), 0..1), Err(StoreError::Corrupt { .. })), "cut to {len}");
        assert!(matches!(folder.store.put_if_absent(&key(&text), Body::empty(), OURS), Err(PutError::Other(StoreError::Corrupt { .. }))));
    }
}

#[test]
fn nothing_unpublished_stays() {
    let folder = folder();
    let version = folder.put("a");
    assert!(folder.store.put_if_absent(&key("a"), Body::empty(), OURS).is_err());
    folder.store.put_if_match(&key("a"), Body::empty(), &version, OURS).unwrap();
    assert!(folder.store.put_if_match(&key("a"), Body::empty(), &version, OURS).is_err());
    let [writer] = &folder.names("writers")[..] else { panic!("one writer has one folder") };
    assert_eq!(folder.names(&format!("writers/{writer}")), ["lock"]);
    let Folder { root, store } = folder;
    drop(store);
    assert_eq!(fs::read_dir(root.path().join("writers")).unwrap().count(), 0);
}

#[test]
fn what_dead_writers_left_is_removed_and_what_living_ones_write_is_not() {
    let folder = folder();
    let dead = folder.root.path().join("writers/4711-dead");
    fs::create_dir(&dead).unwrap();
    fs::write(dead.join("lock"), "").unwrap();
    fs::write(dead.join("0"), "half an obj").unwrap();
    let [living] = &folder.names("writers").into_iter().filter(|name| !name.ends_with("dead")).collect::<Vec<_>>()[..] else { panic!() };
    let half = folder.root.path().join("writers").join(living).join("half");
    fs::write(&half, "being written").unwrap();

    let second = FolderStore::open(folder.root.path()).unwrap();
    assert!(!dead.exists());
    assert!(half.exists());
    assert_eq!(folder.names("writers").len(), 2);
    folder.put("a");
    assert_eq!(second.get(&key("a")).unwrap().bytes, "0123456789");
}

#[test]
fn emptied_folders_go_when_nobody_else_is_there() {
    let folder = folder();
    for text in ["a/b/c/1", "a/b/c/2", "a/x"] {
        folder.put(text);
    }
    folder.store.delete(&key("a/b/c/1")).unwrap();
    folder.store.delete(&key("a/b/c/2")).unwrap();
    let second = FolderStore::open(folder.root.path()).unwrap();
    assert_eq!(folder.names("objects/a/b"), ["c"], "somebody may be about to put into it");
    drop((second, folder.store));
    let third = FolderStore::open(folder.root.path()).unwrap();
    let left: Vec<_> = fs::read_dir(folder.root.path().join("objects/a")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["x~"]);
    third.put_if_absent(&key("a/b/c/1"), Body::empty(), OURS).unwrap();
}

#[test]
fn a_folder_of_something_else_or_of_a_later_format_is_refused() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("objects")).unwrap();
    let error = |error: StoreError| std::error::Error::source(&error).unwrap().to_string();
    assert!(error(FolderStore::open(root.path()).unwrap_err()).contains("not an object store"));
    fs::write(root.path().join("format"), "streamwright objects 2\n").unwrap();
    assert!(error(FolderStore::open(root.path()).unwrap_err()).contains("streamwright objects 2"));
}

#[test]
fn after_a_failed_sync_every_call_fails() {
    let folder = folder();
    folder.put("a");
    assert!(folder.store.folders.sync(Path::new("/proc/self/attr")).is_err(), "this folder cannot be synced");
    assert!(matches!(folder.store.get(&key("a")), Err(StoreError::Failed { .. })));
    assert!(matches!(folder.store.put_if_absent(&key("b"), Body::empty(), OURS), Err(PutError::Other(StoreError::Failed { .. }))));
    let again = FolderStore::open(folder.root.path()).unwrap();
    assert!(again.get(&key("a")).is_ok());
}

#[test]
fn files_that_are_not_ours_are_not_listed() {
    let folder = folder();
    folder.put("a/b");
    fs::write(folder.root.path().join("objects/a/notes.txt"), "").unwrap();
    fs::write(folder.root.path().join("objects/a/b c~"), "").unwrap();
    let listed = folder.store.list(&Prefix::all(), None, 10).unwrap();
    assert_eq!(listed, [Listed { key: key("a/b"), size: 10 }]);
}
