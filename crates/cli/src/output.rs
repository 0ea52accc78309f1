//! What is written: standard output, and files that hold secrets.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

use crate::failure::Failure;

/// Whom the output is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// A reader, or a pipe of text.
    Text,
    /// A program.
    Json,
}

impl Output {
    pub(crate) const fn new(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }
}

/// Writes to standard output.
pub(crate) fn write(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    written.map_err(|error| Failure::unusable(format!("standard output: {error}")))
}

/// Creates a file that its owner alone can read; an existing one is left alone.
pub(crate) fn create_private(path: &Path, contents: &[u8]) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let created = options.open(path).and_then(|mut file| {
        file.write_all(contents)?;
        file.sync_all()
    });
    created.map_err(|error| Failure::unusable(format!("{}: {error}", path.display())))
}
