//! Files of cases: what was expected stands beside the question. `SW_BLESS=1` writes what is answered now; read the difference before you commit it.

use std::path::{Path, PathBuf};

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it")
}

/// Compares an answer with the file beside the question.
pub fn expect(file: &Path, answer: &str) -> Result<(), String> {
    if std::env::var_os("SW_BLESS").is_some() {
        std::fs::write(file, answer).map_err(|error| format!("{}: {error}", file.display()))?;
        return Ok(());
    }
    let expected = std::fs::read_to_string(file).unwrap_or_default();
    if expected == answer {
        return Ok(());
    }
    Err(format!("{}\n--- expected\n{expected}\n--- answered\n{answer}", file.display()))
}
