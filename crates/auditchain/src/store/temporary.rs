//! A file that has no name of its own yet.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// A file under a passing name; gone with this unless it was given one of its own.
pub(super) struct Temporary {
    /// None once it has its name.
    path: Option<PathBuf>,
}

impl Temporary {
    /// Writes a file under a name that nothing has. The file is handed out beside its name: there
    /// may be more names than a process may have files open.
    pub(super) fn write(path: PathBuf, bytes: &[u8]) -> io::Result<(Self, File)> {
        let mut file = private().create_new(true).open(&path)?;
        let temporary = Self { path: Some(path) };
        file.write_all(bytes)?;
        Ok((temporary, file))
    }

    /// Gives it its name, which may be another file's till then.
    pub(super) fn rename(mut self, to: &Path) -> io::Result<()> {
        if let Some(path) = &self.path {
            fs::rename(path, to)?;
        }
        self.path = None;
        Ok(())
    }

    /// Gives it its name, which nothing must have.
    pub(super) fn link(self, to: &Path) -> io::Result<()> {
        self.path
            .as_ref()
            .map_or(Ok(()), |path| fs::hard_link(path, to))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path);
        }
    }
}

/// How files are opened that nobody else is to read.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
