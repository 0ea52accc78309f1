//! What PostgreSQL says of an attempt to start it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// The most that is read of a log, in bytes: from where the attempt began.
const LONGEST: u64 = 256 * 1024;

/// How many lines an error shows.
const LINES: usize = 5;

/// What it says while a predecessor holds the data: its server, or what a killed server left running.
const HELD: [&str; 2] = [
    "lock file \"postmaster.pid\" already exists",
    "pre-existing shared memory block",
];

/// What was logged since an attempt began, by it and by a predecessor: a log is one file, and a server
/// that stops says more lines than one that is refused.
pub(super) struct Said(String);

impl Said {
    /// What a log holds after its first `before` bytes.
    pub(super) fn since(log: &Path, before: u64) -> Self {
        let said = || -> io::Result<String> {
            let mut log = File::open(log)?;
            log.seek(SeekFrom::Start(before))?;
            let mut bytes = Vec::new();
            log.take(LONGEST).read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        Self(said().unwrap_or_default())
    }

    /// Whether a predecessor held the data.
    pub(super) fn is_held(&self) -> bool {
        is_held(&self.0)
    }

    /// The last lines, in one.
    pub(super) fn end(&self) -> String {
        let lines: Vec<&str> = self.0.lines().collect();
        let end = lines.get(lines.len().saturating_sub(LINES)..);
        end.unwrap_or_default().join("; ")
    }
}

/// Whether a program says that a predecessor holds the data.
pub(super) fn is_held(said: &str) -> bool {
    HELD.iter().any(|text| said.contains(text))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_refusal_is_seen_before_what_a_predecessor_says_as_it_stops() {
        let process = std::process::id();
        let log = std::env::temp_dir().join(format!("strongroom-said-{process}"));
        let earlier = "FATAL:  lock file \"postmaster.pid\" already exists\n";
        let refusal = "FATAL:  lock file \"postmaster.pid\" already exists\nHINT:  Is another\n";
        let stop = "LOG:  one\nLOG:  two\nLOG:  three\nLOG:  four\nLOG:  five\nLOG:  six\n";
        let before = u64::try_from(earlier.len()).unwrap();

        fs::write(&log, format!("{earlier}{refusal}{stop}")).unwrap();
        let said = Said::since(&log, before);
        assert!(said.is_held());
        assert_eq!(
            said.end(),
            "LOG:  two; LOG:  three; LOG:  four; LOG:  five; LOG:  six"
        );

        // What an earlier attempt met says nothing of this one.
        fs::write(&log, format!("{earlier}{stop}")).unwrap();
        assert!(!Said::since(&log, before).is_held());
        fs::remove_file(&log).unwrap();
        assert!(!Said::since(&log, 0).is_held());
    }
}
