//! A folder on a disk that is full: a small tmpfs, where this machine lets us mount one.

use std::{path::Path, process::Command};
use streamwright_store::{Body, FolderStore, Key, ObjectStore, Prefix, PutError, StoreError, WriteIds};

/// A small file system of its own, for as long as this lives.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let at = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=512k", "tmpfs"]).arg(at.path()).status();
        mounted.is_ok_and(|status| status.success()).then(|| Self(at))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

fn body(byte: u8) -> Body {
    vec![byte; 50_000].into()
}

#[test]
fn a_full_disk_refuses_puts_by_name_and_harms_nothing() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("NOT TESTED: a full disk, since this machine does not let us mount a tmpfs");
        return;
    };
    let (store, ids) = (FolderStore::open(disk.path()).unwrap(), WriteIds::random());
    let mut made = Vec::new();
    let refused = loop {
        let name = format!("objects/{}", made.len());
        match store.put_if_absent(&key(&name), body(made.len() as u8), ids.next()) {
            Ok(version) => made.push(version),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, PutError::Other(StoreError::Full { .. })), "{refused:?}");
    assert!(made.len() >= 5, "{} objects fit", made.len());
    let replaced = store.put_if_match(&key("objects/0"), body(99), &made[0], ids.next());
    assert!(matches!(replaced, Err(PutError::Other(StoreError::Full { .. }))), "{replaced:?}");

    for (number, version) in made.iter().enumerate() {
        let object = store.get(&key(&format!("objects/{number}"))).unwrap();
        assert_eq!((object.bytes, &object.version), (body(number as u8).to_bytes(), version));
    }
    assert_eq!(store.list(&Prefix::all(), None, 100).unwrap().len(), made.len());

    // Room is made by deleting, which needs none, and what failed left none of its bytes behind.
    store.delete(&key("objects/0")).unwrap();
    store.put_if_match(&key("objects/1"), body(98), &made[1], ids.next()).unwrap();
    assert_eq!(store.get(&key("objects/1")).unwrap().bytes, body(98).to_bytes());
}
