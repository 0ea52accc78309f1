//! Sweeping: after a crash, partial files may be there that wider ones have superseded.

use std::io;

use super::head::Head;
use super::ids;
use super::log_state::log_folder;
use super::payloads;
use super::zone::Zone;
use crate::{Origin, TILE_WIDTH, TileKind, TilePath};

/// Removes the files of a log that are partial and not of its size, from `start` on.
pub(super) fn sweep(zone: &dyn Zone, origin: &Origin, start: u64) -> io::Result<()> {
    let log = log_folder(origin);
    let Some(head) = Head::newest(zone, &log)? else {
        return Ok(());
    };
    let size = head.frontier.size();
    keep(zone, &Head::folder(&log), |name| name == size.to_string())?;
    let bundles = size / u64::from(TILE_WIDTH);
    keep(zone, &ids::folder(&log), |name| ids::is_of(name, bundles))?;
    let mut level = 0;
    while size >> (8 * u32::from(level)) > 0 {
        let place = |size: u64| (size >> (8 * u32::from(level))) / u64::from(TILE_WIDTH);
        for index in place(start)..=place(size) {
            sweep_tile(zone, &log, TileKind::Hashes(level), (index, size))?;
            if level == 0 {
                sweep_tile(zone, &log, TileKind::Entries, (index, size))?;
            }
        }
        level += 1;
    }
    Ok(())
}

fn sweep_tile(
    zone: &dyn Zone,
    log: &str,
    kind: TileKind,
    (index, size): (u64, u64),
) -> io::Result<()> {
    let Ok(full) = TilePath::new(kind, index, TILE_WIDTH) else {
        return Ok(());
    };
    let kept = TilePath::in_tree(kind, index, size).filter(TilePath::is_partial);
    let kept = kept.map(|path| path.width().to_string());
    let is_kept = |name: &str| Some(name) == kept.as_deref();
    keep(zone, &format!("{log}/{full}.p"), is_kept)?;
    if kind == TileKind::Entries {
        keep(zone, &format!("{}.p", payloads::path(log, &full)), is_kept)?;
    }
    Ok(())
}

fn keep(zone: &dyn Zone, folder: &str, is_kept: impl Fn(&str) -> bool) -> io::Result<()> {
    for (name, _) in zone.list(folder)? {
        if !is_kept(&name) {
            zone.remove(&format!("{folder}/{name}"))?;
        }
    }
    Ok(())
}
