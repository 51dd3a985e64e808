//! Credentials from a folder that somebody else rotates.

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, error::CredentialsError, future},
};
use std::{
    fmt, fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Mutex,
};

/// Reads the folder of a mounted Secret whenever one of its files has changed. Asked before each request; looking whether
/// anything changed costs three `stat`s.
pub(super) struct FolderCredentials {
    folder: PathBuf,
    last: Mutex<Option<(Stamp, Credentials)>>,
}

/// What the files looked like when they were read.
type Stamp = [Option<(u64, u64, i64, i64, u64)>; 3];

const FILES: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

impl FolderCredentials {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, last: Mutex::new(None) }
    }

    /// What the folder holds now. Where it cannot be read (a rotation that is half done), what it held last.
    pub(super) fn current(&self) -> Result<Credentials, CredentialsError> {
        let mut last = self.last.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let now = self.stamp();
        if let Some((stamp, credentials)) = &*last
            && *stamp == now
        {
            return Ok(credentials.clone());
        }
        match (self.read_settled(), &*last) {
            (Ok((stamp, credentials)), _) => {
                *last = Some((stamp, credentials.clone()));
                Ok(credentials)
            }
            (Err(_), Some((_, credentials))) => Ok(credentials.clone()),
            (Err(error), None) => Err(CredentialsError::not_loaded(format!("read credentials in {}: {error}", self.folder.display()))),
        }
    }

    fn stamp(&self) -> Stamp {
        FILES.map(|name| fs::metadata(self.folder.join(name)).ok()).map(|metadata| {
            metadata.map(|metadata| (metadata.dev(), metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), metadata.len()))
        })
    }

    /// Reads the files, again where they changed meanwhile: an id and a key of two rotations belong to nobody.
    fn read_settled(&self) -> io::Result<(Stamp, Credentials)> {
        const READS_MAX: usize = 4;
        for _ in 0..READS_MAX {
            let before = self.stamp();
            let read = read(&self.folder);
            if self.stamp() == before {
                return read.map(|credentials| (before, credentials));
            }
        }
        Err(io::Error::other("the files keep changing"))
    }
}

impl ProvideCredentials for FolderCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(self.current())
    }
}

impl fmt::Debug for FolderCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FolderCredentials").field(&self.folder).finish()
    }
}

fn read(folder: &Path) -> io::Result<Credentials> {
    let [id, key, token] = FILES.map(|name| match fs::read_to_string(folder.join(name)) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io::Error::new(error.kind(), format!("{name}: {error}"))),
    });
    let missing = |name| io::Error::new(io::ErrorKind::NotFound, format!("{name} is missing or empty"));
    let (id, key) = (id?.ok_or_else(|| missing(FILES[0]))?, key?.ok_or_else(|| missing(FILES[1]))?);
    Ok(Credentials::new(id, key, token?, None, "folder"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, id: &str, key: &str) {
        fs::write(folder.join(FILES[0]), id).unwrap();
        fs::write(folder.join(FILES[1]), key).unwrap();
    }

    #[test]
    fn what_is_rotated_is_used_at_once() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "one\n", "first");
        let credentials = FolderCredentials::new(folder.path().into());
        assert_eq!(credentials.current().unwrap().access_key_id(), "one");
        write(folder.path(), "two and more", "second");
        fs::write(folder.path().join(FILES[2]), "token").unwrap();
        let now = credentials.current().unwrap();
        assert_eq!((now.access_key_id(), now.secret_access_key(), now.session_token()), ("two and more", "second", Some("token")));
    }

    #[test]
    fn a_secret_swapped_as_kubernetes_does_is_seen() {
        // A mounted Secret is links into a folder that is replaced by renaming a link.
        let root = tempfile::tempdir().unwrap();
        let link = |name: &str, to: &str| std::os::unix::fs::symlink(to, root.path().join(name)).unwrap();
        for (version, id) in [("..1", "old"), ("..2", "new")] {
            fs::create_dir(root.path().join(version)).unwrap();
            write(&root.path().join(version), id, id);
        }
        link("..data", "..1");
        FILES[..2].iter().for_each(|name| link(name, &format!("..data/{name}")));
        let credentials = FolderCredentials::new(root.path().into());
        assert_eq!(credentials.current().unwrap().access_key_id(), "old");
        link("..data_tmp", "..2");
        fs::rename(root.path().join("..data_tmp"), root.path().join("..data")).unwrap();
        assert_eq!(credentials.current().unwrap().access_key_id(), "new");
    }

    #[test]
    fn a_folder_without_keys_is_named_and_one_that_goes_away_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let credentials = FolderCredentials::new(folder.path().into());
        let said = std::error::Error::source(&credentials.current().unwrap_err()).unwrap().to_string();
        assert!(said.contains("AWS_ACCESS_KEY_ID is missing"), "{said}");
        write(folder.path(), "id", "key");
        credentials.current().unwrap();
        fs::remove_file(folder.path().join(FILES[0])).unwrap();
        assert_eq!(credentials.current().unwrap().access_key_id(), "id");
        assert!(!format!("{credentials:?}").contains("key\""));
    }
}
