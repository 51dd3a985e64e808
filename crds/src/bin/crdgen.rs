//! Writes the custom resource definitions beside this crate's sources: `crdgen [FOLDER]`.

use std::{fs, path::PathBuf};
use streamwright_crds::{Kind, definition};

fn main() -> std::io::Result<()> {
    let folder = std::env::args_os().nth(1).map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    for kind in Kind::ALL {
        let path = folder.join(definition::file_name(*kind));
        let text = definition::yaml(*kind);
        fs::write(&path, &text)?;
        println!("{} {} bytes", path.display(), text.len());
    }
    Ok(())
}
