//! Mirroring: the files of a zone's logs are made those of another zone. audit-store, section 7.

use std::collections::BTreeMap;
use std::io;

use super::log_state::FOLDER;
use super::zone::Zone;

/// The longest file of a log that is copied from zone to zone.
const MAX_COPIED: u64 = 8 * 1024 * 1024 * 1024;

/// From one zone to another.
pub(super) struct Mirror<'a> {
    source: &'a dyn Zone,
    zone: &'a dyn Zone,
    /// What is in the other zone and is nobody's: it is left there.
    strays: Vec<String>,
}

impl<'a> Mirror<'a> {
    /// Makes all logs' files the source's, byte by byte: after a crash a file may have its name and
    /// length and nothing else. Answers what is there besides.
    pub(super) fn logs(source: &'a dyn Zone, zone: &'a dyn Zone) -> io::Result<Vec<String>> {
        let mut mirror = Self {
            source,
            zone,
            strays: Vec::new(),
        };
        mirror.folder(FOLDER)?;
        Ok(mirror.strays)
    }

    fn folder(&mut self, folder: &str) -> io::Result<()> {
        let theirs: BTreeMap<String, Option<u64>> = self.source.list(folder)?.into_iter().collect();
        let ours: BTreeMap<String, Option<u64>> = self.zone.list(folder)?.into_iter().collect();
        for (name, length) in &ours {
            let same_kind = theirs
                .get(name)
                .is_some_and(|it| it.is_none() == length.is_none());
            if !same_kind {
                self.remove(folder, name, length.is_none())?;
            }
        }
        for (name, length) in &theirs {
            let path = format!("{folder}/{name}");
            if length.is_none() {
                self.folder(&path)?;
                continue;
            }
            let bytes = self.source.read(&path, MAX_COPIED)?.unwrap_or_default();
            let same_length = ours.get(name) == Some(length);
            if !same_length || self.zone.read(&path, MAX_COPIED)?.as_ref() != Some(&bytes) {
                self.zone.put(&path, &bytes)?;
            }
        }
        Ok(())
    }

    /// Removes what a store may have written, with all that is in it.
    fn remove(&mut self, folder: &str, name: &str, is_folder: bool) -> io::Result<()> {
        let path = format!("{folder}/{name}");
        if !is_written(folder, name) {
            self.strays.push(path);
            return Ok(());
        }
        if is_folder {
            for (name, length) in self.zone.list(&path)? {
                self.remove(&path, &name, length.is_none())?;
            }
        }
        self.zone.remove(&path)
    }
}

/// Whether a store gives this name in a folder of its logs.
fn is_written(folder: &str, name: &str) -> bool {
    const NAMES: [&str; 10] = [
        "anchors",
        "checkpoint",
        "checkpoints",
        "cosigned",
        "entries",
        "head",
        "ids",
        "origin",
        "payload",
        "tile",
    ];
    if folder == FOLDER {
        return name.len() == 32 && name.bytes().all(|it| it.is_ascii_hexdigit());
    }
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    let (number, rest) = name.split_once('.').unwrap_or((name, "p"));
    let number = number.strip_prefix('x').unwrap_or(number);
    NAMES.contains(&name) || digits(number) && (rest == "p" || digits(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_store_writes_is_told_from_what_it_does_not() {
        let log = "log/0123456789abcdef0123456789abcdef";
        assert!(is_written("log", "0123456789abcdef0123456789abcdef"));
        for name in ["head", "256", "x001", "067", "000.p", "3.256", "tile"] {
            assert!(is_written(log, name), "{name}");
        }
        assert!(!is_written("log", "evil"));
        for name in ["a", "17.tmp", "x", "000.p.1", "256-", ".p", "note.txt"] {
            assert!(!is_written(log, name), "{name}");
        }
    }
}
