//! Mirroring: the files of a zone's logs are made those of another zone. audit-store, section 7.

use std::collections::BTreeMap;
use std::io;

use super::log_state::FOLDER;
use super::zone::Zone;

/// The longest file of a log that is copied from zone to zone.
const MAX_COPIED: u64 = 8 * 1024 * 1024 * 1024;

/// From one zone to another.
pub(super) struct Mirror<'a> {
    pub(super) source: &'a dyn Zone,
    pub(super) zone: &'a dyn Zone,
}

impl Mirror<'_> {
    /// Gives the zone all files of the source's logs, byte by byte: after a crash a file may have its
    /// name and length and nothing else. Those of which `at_once` says so, by whether the zone has
    /// the name, are on disk before they have it.
    pub(super) fn copy(&self, at_once: &dyn Fn(bool) -> bool) -> io::Result<()> {
        self.copy_folder(FOLDER, at_once)
    }

    /// Removes what the source does not have; answers what is there besides and is nobody's.
    pub(super) fn remove_others(&self) -> io::Result<Vec<String>> {
        let mut strays = Vec::new();
        self.remove_from(FOLDER, &mut strays)?;
        Ok(strays)
    }

    fn copy_folder(&self, folder: &str, at_once: &dyn Fn(bool) -> bool) -> io::Result<()> {
        let ours: BTreeMap<String, Option<u64>> = self.zone.list(folder)?.into_iter().collect();
        for (name, length) in self.source.list(folder)? {
            let path = format!("{folder}/{name}");
            let before = ours.get(&name);
            if before.is_some_and(|before| before.is_none() != length.is_none()) {
                // A file where there is to be a folder, or a folder for a file.
                self.remove(folder, &name, length.is_some(), &mut Vec::new())?;
            }
            if length.is_none() {
                self.copy_folder(&path, at_once)?;
                continue;
            }
            let bytes = self.source.read(&path, MAX_COPIED)?.unwrap_or_default();
            let same_length = before == Some(&length);
            if same_length && self.zone.read(&path, MAX_COPIED)?.as_ref() == Some(&bytes) {
                continue;
            }
            if at_once(before.is_some()) {
                self.zone.replace(&path, &bytes)?;
            } else {
                self.zone.put(&path, &bytes)?;
            }
        }
        Ok(())
    }

    fn remove_from(&self, folder: &str, strays: &mut Vec<String>) -> io::Result<()> {
        let theirs: BTreeMap<String, Option<u64>> = self.source.list(folder)?.into_iter().collect();
        for (name, length) in self.zone.list(folder)? {
            match theirs.get(&name) {
                None => self.remove(folder, &name, length.is_none(), strays)?,
                Some(None) => self.remove_from(&format!("{folder}/{name}"), strays)?,
                Some(Some(_)) => {}
            }
        }
        Ok(())
    }

    /// Removes what a store may have written, with all that is in it.
    fn remove(
        &self,
        folder: &str,
        name: &str,
        is_folder: bool,
        strays: &mut Vec<String>,
    ) -> io::Result<()> {
        let path = format!("{folder}/{name}");
        if !is_written(folder, name) {
            strays.push(path);
            return Ok(());
        }
        if is_folder {
            for (name, length) in self.zone.list(&path)? {
                self.remove(&path, &name, length.is_none(), strays)?;
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
