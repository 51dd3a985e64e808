//! What is said of the volume that the data folder is on, when it does not take what is written.

use control::VolumeHealth;
use std::path::Path;

use super::manifests::shown;

/// The sentence for people; `None` where all is well. It names no numbers, so that it stays the same while they change.
pub(crate) fn problem(health: VolumeHealth, folder: &Path) -> Option<String> {
    let folder = shown(folder).display();
    match health {
        VolumeHealth::Healthy => None,
        VolumeHealth::Full => Some(format!(
            "the volume of {folder}/ is full: records are refused until there is room, and what is stored is served. \
             Free space on it, or shorten retention; it goes on by itself"
        )),
        VolumeHealth::Failed => Some(format!(
            "a write to the volume of {folder}/ failed: nothing is acknowledged any more, and what is stored is served. \
             See to the disk, then stop this and start it again"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_volume_is_named_with_what_to_do() {
        let said = |health| problem(health, Path::new("/a/data"));
        assert_eq!(said(VolumeHealth::Healthy), None);
        let full = said(VolumeHealth::Full).unwrap();
        assert!(full.starts_with("the volume of /a/data/ is full") && full.contains("Free space"), "{full}");
        assert!(said(VolumeHealth::Failed).unwrap().contains("start it again"));
    }
}
