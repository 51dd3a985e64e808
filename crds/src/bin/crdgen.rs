//! Writes the custom resource definitions beside this crate's sources: `crdgen [FOLDER]`.

use std::{fs, path::PathBuf};
use streamwright_crds::definition;

fn main() -> std::io::Result<()> {
    let folder = std::env::args_os().nth(1).map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    for (name, text) in definition::files() {
        let path = folder.join(name);
        fs::write(&path, &text)?;
        println!("{} {} bytes", path.display(), text.len());
    }
    Ok(())
}
