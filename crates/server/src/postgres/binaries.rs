//! Where PostgreSQL's programs are.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The oldest major version that the platform runs on (`security_invoker` views).
const OLDEST_MAJOR: u32 = 15;

/// The folder of one PostgreSQL installation's programs.
#[derive(Clone, Debug)]
pub struct Binaries {
    dir: PathBuf,
}

/// No usable PostgreSQL was found.
#[derive(Debug, thiserror::Error)]
#[error(
    "PostgreSQL 15 or later was not found in $PG_BIN, pg_config, /usr/lib/postgresql or $PATH: \
     run `apt-get install postgresql`, or set PG_BIN or DATABASE_URL"
)]
pub struct BinariesError;

impl Binaries {
    /// Looks in `$PG_BIN`, what `pg_config` says, `/usr/lib/postgresql` (highest version first)
    /// and `$PATH`, in this order.
    ///
    /// # Errors
    /// [`BinariesError`] when none holds a server of version 15 or later.
    pub fn find() -> Result<Self, BinariesError> {
        candidates()
            .into_iter()
            .find(|dir| usable(dir))
            .map(|dir| Self { dir })
            .ok_or(BinariesError)
    }

    /// The path of one program.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

fn candidates() -> Vec<PathBuf> {
    let mut dirs = Vec::new();
    if let Some(dir) = std::env::var_os("PG_BIN") {
        dirs.push(PathBuf::from(dir));
    }
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        dirs.push(PathBuf::from(
            String::from_utf8_lossy(&output.stdout).trim(),
        ));
    }
    let mut packaged: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let major = entry.file_name().to_str()?.parse().ok()?;
            Some((major, entry.path().join("bin")))
        })
        .collect();
    packaged.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
    dirs.extend(packaged.into_iter().map(|(_, dir)| dir));
    dirs.extend(std::env::split_paths(
        &std::env::var_os("PATH").unwrap_or_default(),
    ));
    dirs
}

fn usable(dir: &Path) -> bool {
    let Ok(output) = Command::new(dir.join("postgres")).arg("--version").output() else {
        return false;
    };
    // "postgres (PostgreSQL) 15.18 (Debian …)"
    let text = String::from_utf8_lossy(&output.stdout);
    let major = text
        .split_whitespace()
        .nth(2)
        .and_then(|version| version.split(|c: char| !c.is_ascii_digit()).next())
        .and_then(|major| major.parse::<u32>().ok());
    major.is_some_and(|major| major >= OLDEST_MAJOR) && dir.join("initdb").exists()
}
