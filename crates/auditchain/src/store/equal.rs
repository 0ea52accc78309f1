//! Making the zones equal to the one that has the history: audit-store, section 7.

use std::io;

use super::filling;
use super::history::{FOLDER, History, WalFile};
use super::mirror::Mirror;
use super::zone::Zone;

/// Makes a zone equal to the one that has the history. Whether that changed anything.
///
/// A zone that lags behind what the history has integrated says while it is filled that it is, and
/// is not used then: whatever is interrupted here is done again at the next opening. One that was
/// there to the last may be one of the few that have a batch: it is whole at each step, by its
/// frames or by its logs. The mark stays until the zone says which store it is of, too.
pub(super) fn equalise(
    (source, zone): (&dyn Zone, &dyn Zone),
    history: &History,
    theirs: Option<&History>,
    strays: &mut Vec<String>,
) -> io::Result<bool> {
    let mirror = Mirror { source, zone };
    let changed = theirs.is_none_or(|it| it.last != history.last || it.base != history.base);
    let was_there = |theirs: &&History| {
        theirs.last.0 == history.last.0 && theirs.last.1 >= history.base.sequence
    };
    match theirs {
        Some(theirs) if theirs.base == history.base => {
            write_frames(zone, history, Some(theirs))?;
            trim(zone, history, strays)?;
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
            mirror.copy(&|exists| exists || is_ahead)?;
            zone.settle()?;
            // What is wider is there: its own frames go on from that.
            strays.extend(mirror.remove_others()?);
            zone.settle()?;
            history.base.write(zone)?;
            trim(zone, history, strays)?;
        }
        _ => {
            filling::begin(zone, history.last)?;
            mirror.copy(&|_| false)?;
            strays.extend(mirror.remove_others()?);
            zone.settle()?;
            write_frames(zone, history, None)?;
            trim(zone, history, strays)?;
            history.base.write(zone)?;
        }
    }
    Ok(changed)
}

/// Writes the files of frames that are not there as they should be. If the store was not closed in
/// order, all of them: what was read may never have reached the disk, and no flush to come would
/// bring it there.
fn write_frames(zone: &dyn Zone, history: &History, theirs: Option<&History>) -> io::Result<()> {
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

/// Takes away what was cut off, before anything is written behind it. What is no file of frames is
/// left there.
fn trim(zone: &dyn Zone, history: &History, strays: &mut Vec<String>) -> io::Result<()> {
    for (name, length) in zone.list(FOLDER)? {
        let path = format!("{FOLDER}/{name}");
        let Some(first) = WalFile::first_of(&name).filter(|_| length.is_some()) else {
            strays.push(path);
            continue;
        };
        match history.files.iter().find(|file| file.first == first) {
            Some(file) if length == Some(file.bytes.len() as u64) => {}
            Some(file) => zone.replace(&path, &file.bytes)?,
            None => zone.remove(&path)?,
        }
    }
    zone.settle()
}

/// Readies the zone that has the history. It is not changed by that.
pub(super) fn own(
    zone: &dyn Zone,
    history: &History,
    strays: &mut Vec<String>,
) -> io::Result<bool> {
    if !history.is_closed {
        write_frames(zone, history, Some(history))?;
    }
    trim(zone, history, strays)?;
    Ok(false)
}
