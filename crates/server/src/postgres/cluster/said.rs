//! What PostgreSQL says of an attempt to start it.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// The most that is read of what was logged, in bytes: of its start, and of its end.
const START: u64 = 256 * 1024;
const END: u64 = 16 * 1024;

/// How many lines an error shows.
const LINES: usize = 5;

/// What it says while a predecessor holds the data: its server, or what a killed server left running.
const HELD: [&str; 2] = [
    "lock file \"postmaster.pid\" already exists",
    "pre-existing shared memory block",
];

/// What was logged since an attempt began, by it and by a predecessor: the log is one file, and a server
/// that stops says more lines than one that is refused.
pub(super) struct Said {
    start: String,
    end: String,
}

impl Said {
    /// What a log holds after its first `before` bytes; nothing when it cannot be read.
    pub(super) fn since(log: &Path, before: u64) -> Self {
        let length = std::fs::metadata(log).map_or(0, |log| log.len());
        let read = |from, most| read(log, from, most).unwrap_or_default();
        Self {
            start: read(before, START),
            end: read(length.saturating_sub(END).max(before), END),
        }
    }

    /// Whether a predecessor held the data.
    pub(super) fn is_held(&self) -> bool {
        is_held(&self.start)
    }
}

/// The last lines, in one; before them the one that says that a predecessor holds the data.
impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<&str> = self.end.lines().collect();
        let last = lines.get(lines.len().saturating_sub(LINES)..);
        let last = last.unwrap_or_default().join("; ");
        match self.start.lines().find(|line| is_held(line)) {
            Some(held) if !is_held(&last) => write!(f, "{held}; {last}"),
            _ => f.write_str(&last),
        }
    }
}

/// Whether a program says that a predecessor holds the data.
pub(super) fn is_held(said: &str) -> bool {
    HELD.iter().any(|text| said.contains(text))
}

fn read(log: &Path, from: u64, most: u64) -> io::Result<String> {
    let mut log = File::open(log)?;
    log.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    log.take(most).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
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
        let said = |text: &str, before: &str| {
            fs::write(&log, format!("{before}{text}")).unwrap();
            Said::since(&log, u64::try_from(before.len()).unwrap())
        };
        let refusal = "FATAL:  lock file \"postmaster.pid\" already exists\nHINT:  Is another\n";
        let stop = "LOG:  one\nLOG:  two\nLOG:  three\nLOG:  four\nLOG:  five\nLOG:  six\n";
        let last = "LOG:  two; LOG:  three; LOG:  four; LOG:  five; LOG:  six";

        let refused = said(&format!("{refusal}{stop}"), refusal);
        assert!(refused.is_held());
        assert_eq!(
            refused.to_string(),
            format!("FATAL:  lock file \"postmaster.pid\" already exists; {last}")
        );
        let refused = said(refusal, "");
        assert_eq!(refused.to_string(), refusal.trim().replace('\n', "; "));

        // What an earlier attempt met says nothing of this one.
        let other = said(stop, refusal);
        assert!(!other.is_held());
        assert_eq!(other.to_string(), last);

        // Of a log without end the end is shown.
        let long = said(&"LOG:  again\n".repeat(40_000), "");
        assert!(
            said(&format!("{}{stop}", long.start), "")
                .to_string()
                .ends_with("six")
        );

        fs::remove_file(&log).unwrap();
        assert!(!Said::since(&log, 0).is_held());
    }
}
