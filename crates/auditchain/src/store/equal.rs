//! Making the zones equal to the one that has the history: audit-store, section 7.

use std::collections::BTreeMap;
use std::io;

use super::filling;
use super::history::{FOLDER, History, WalFile};
use super::zone::Zone;

/// The folder of logs.
const LOGS: &str = "log";

/// The longest file of a log that is copied from zone to zone.
const MAX_COPIED: u64 = 8 * 1024 * 1024 * 1024;

/// Makes a zone equal to the one that has the history. Whether that changed anything.
///
/// A zone that lags behind what the history has integrated says while it is filled that it is, and
/// is not used then: whatever is interrupted here is done again at the next opening. One that was
/// there to the last may be one of the few that have a batch: it is whole at each step, by its
/// frames or by its logs.
pub(super) fn equalise(
    source: &dyn Zone,
    history: &History,
    zone: &dyn Zone,
    theirs: Option<&History>,
) -> io::Result<bool> {
    let changed = theirs.is_none_or(|it| it.last != history.last || it.base != history.base);
    let was_there = |theirs: &&History| {
        theirs.last.0 == history.last.0 && theirs.last.1 >= history.base.sequence
    };
    match theirs {
        Some(theirs) if theirs.base == history.base => {
            write_frames(zone, history, Some(theirs))?;
            trim(zone, history)?;
        }
        Some(theirs) if was_there(&theirs) => {
            write_frames(zone, history, Some(theirs))?;
            let is_ahead = theirs.base.sequence > history.base.sequence;
            if is_ahead {
                // Its logs are about to be what they were then.
                history.base.write(zone)?;
            }
            // What has its name already must not be torn: the frames may not bring it back. Where
            // the logs go back, that is so of what they went on from too.
            copy(source, zone, LOGS, &|exists| exists || is_ahead)?;
            zone.settle()?;
            // What is wider is there: its own frames go on from that.
            remove_others(source, zone, LOGS)?;
            zone.settle()?;
            history.base.write(zone)?;
            trim(zone, history)?;
        }
        _ => {
            filling::begin(zone, history.last)?;
            copy(source, zone, LOGS, &|_| false)?;
            remove_others(source, zone, LOGS)?;
            zone.settle()?;
            write_frames(zone, history, None)?;
            trim(zone, history)?;
            history.base.write(zone)?;
            filling::end(zone)?;
        }
    }
    Ok(changed)
}

/// Writes the files of frames that are not there as they should be. If the store was not closed in
/// order, all of them: what was read may never have reached the disk, and no flush to come would
/// bring it there.
pub(super) fn write_frames(
    zone: &dyn Zone,
    history: &History,
    theirs: Option<&History>,
) -> io::Result<()> {
    let is_sure = history.is_closed && theirs.is_some_and(|theirs| theirs.is_closed);
    for file in &history.files {
        let has = theirs.and_then(|theirs| theirs.files.iter().find(|it| it.first == file.first));
        if has != Some(file) || !is_sure {
            zone.replace(&WalFile::path(file.first), &file.bytes)?;
        }
    }
    if !is_sure && theirs.is_some_and(|theirs| theirs.base == history.base) {
        history.base.write(zone)?;
    }
    Ok(())
}

/// Takes away what was cut off, before anything is written behind it.
pub(super) fn trim(zone: &dyn Zone, history: &History) -> io::Result<()> {
    for (name, length) in zone.list(FOLDER)? {
        let path = format!("{FOLDER}/{name}");
        let known = history
            .files
            .iter()
            .find(|file| WalFile::path(file.first) == path);
        match known {
            Some(file) if length == Some(file.bytes.len() as u64) => {}
            Some(file) => zone.replace(&path, &file.bytes)?,
            None => zone.remove(&path)?,
        }
    }
    zone.settle()
}

/// Gives a zone the files of another's folder, byte by byte: after a crash a file may have its name
/// and length and nothing else. Those of which `at_once` says so, by whether there was a file of the
/// name, are on disk before they have it.
fn copy(
    source: &dyn Zone,
    zone: &dyn Zone,
    folder: &str,
    at_once: &dyn Fn(bool) -> bool,
) -> io::Result<()> {
    let ours: BTreeMap<String, Option<u64>> = zone.list(folder)?.into_iter().collect();
    for (name, length) in source.list(folder)? {
        let path = format!("{folder}/{name}");
        if length.is_none() {
            copy(source, zone, &path, at_once)?;
            continue;
        }
        let bytes = source.read(&path, MAX_COPIED)?.unwrap_or_default();
        let before = ours.get(&name);
        if before == Some(&length) && zone.read(&path, MAX_COPIED)?.as_ref() == Some(&bytes) {
            continue;
        }
        if at_once(before.is_some()) {
            zone.replace(&path, &bytes)?;
        } else {
            zone.put(&path, &bytes)?;
        }
    }
    Ok(())
}

/// Removes what another zone's folder does not have.
fn remove_others(source: &dyn Zone, zone: &dyn Zone, folder: &str) -> io::Result<()> {
    let theirs: BTreeMap<String, Option<u64>> = source.list(folder)?.into_iter().collect();
    for (name, length) in zone.list(folder)? {
        let path = format!("{folder}/{name}");
        match (theirs.get(&name), length) {
            (None, _) => remove_all(zone, &path)?,
            (Some(None), None) => remove_others(source, zone, &path)?,
            (Some(_), _) => {}
        }
    }
    Ok(())
}

fn remove_all(zone: &dyn Zone, path: &str) -> io::Result<()> {
    let within = zone.list(path).unwrap_or_default();
    for (name, _) in &within {
        remove_all(zone, &format!("{path}/{name}"))?;
    }
    if within.is_empty() {
        zone.remove(path)?;
    }
    Ok(())
}
