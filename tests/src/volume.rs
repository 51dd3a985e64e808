//! A small volume of the test's own, which can be filled and freed.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

/// A file system in memory, for as long as this lives.
pub struct SmallVolume(PathBuf);

impl SmallVolume {
    /// Mounts it on a folder, which is made; `None` where this machine does not let us.
    ///
    /// # Panics
    /// Where the folder cannot be made.
    #[must_use]
    pub fn mount(at: &Path, megabytes: u32) -> Option<Self> {
        fs::create_dir_all(at).expect("the folder can be made");
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).status();
        mounted.is_ok_and(|status| status.success()).then(|| Self(at.into()))
    }

    /// Fills it to the last byte, with one file.
    ///
    /// # Panics
    /// Where the file cannot be made, or the volume does not become full.
    pub fn fill(&self) {
        let mut file = File::create(self.filler()).expect("the file can be made");
        for piece in [vec![0; 1 << 20], vec![0; 4 << 10]] {
            while file.write_all(&piece).is_ok() {}
        }
        assert!(file.write(&[0]).is_err(), "the volume takes more");
    }

    /// Gives the room back.
    ///
    /// # Panics
    /// Where the file is not there.
    pub fn free(&self) {
        fs::remove_file(self.filler()).expect("the file can be removed");
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for SmallVolume {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
