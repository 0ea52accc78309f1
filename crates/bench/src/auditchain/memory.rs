//! What trees and stores take, in memory and on disk. Memory is the growth of a process of its own.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use strongroom_auditchain::store::{Store, log_folder};
use strongroom_auditchain::{Hash, Tree};

use super::durable::{OpenStore, bytes_below, open, open_zones};
use super::entries::{leaf, origin};
use crate::envelope::memory::status;
use crate::report::Report;

/// The entries of the tree.
const ENTRIES: usize = 1_000_000;

/// The entries of a log on disk.
const ON_DISK: u64 = 300_000;

/// The logs of a store.
const LOGS: usize = 2048;

/// The logs that are taken into tiles at a time.
const TOGETHER: usize = 128;

/// What a log holds before: the most hashes that a frontier of so few has.
const BEFORE: u64 = 255;

/// Measures an entry of the whole tree, a log of a store, and an entry's hashes on disk.
pub fn measure(report: &mut Report) -> Result<(), Box<dyn Error>> {
    let tree = of_a_new_process(Path::new("tree"))?;
    report.bytes_each("memory of an entry, whole tree, 1e6", tree, Some(66.0));
    hashes(report)?;
    let open = OpenStore::new(1)?;
    for first in (0..LOGS).step_by(TOGETHER) {
        append(&open.store, first..first + TOGETHER, 0..BEFORE)?;
    }
    let folder = open.close();
    let log = of_a_new_process(folder.path())?;
    report.bytes_each("memory of a log, tile mode", log, Some(1024.0));
    Ok(())
}

/// The bytes of tiles, and of the ranges of event ids beside them.
fn hashes(report: &mut Report) -> Result<(), Box<dyn Error>> {
    let open = OpenStore::new(1)?;
    append(&open.store, 0..1, 0..ON_DISK)?;
    let zone = open.zones.first().ok_or("no zone")?;
    let log = zone.join(log_folder(&origin(0)?));
    let tiles = log.join("tile");
    let hashes = bytes_below(&tiles)? - bytes_below(&tiles.join("entries"))?;
    let each = |bytes: u64| bytes as f64 / ON_DISK as f64;
    report.bytes_each("hashes of an entry on disk", each(hashes), Some(33.0));
    let ids = bytes_below(&log.join("ids"))?;
    report.bytes_each("event ids' ranges of an entry on disk", each(ids), None);
    let all = bytes_below(zone)?;
    report.bytes_each("all of an entry on disk", each(all), None);
    Ok(())
}

/// Appends entries to each of some logs, and takes them into tiles.
fn append(
    store: &Store,
    logs: std::ops::Range<usize>,
    entries: std::ops::Range<u64>,
) -> Result<(), Box<dyn Error>> {
    for log in logs {
        let origin = origin(log)?;
        let mut tickets = Vec::new();
        for number in entries.clone() {
            tickets.push(store.submit(&origin, leaf(number + 1)?, Vec::new())?);
            if tickets.len() == 4096 {
                for ticket in tickets.drain(..) {
                    ticket.wait()?;
                }
            }
        }
        for ticket in tickets {
            ticket.wait()?;
        }
    }
    Ok(store.integrate()?)
}

fn of_a_new_process(of: &Path) -> Result<f64, Box<dyn Error>> {
    let output = Command::new(env::current_exe()?)
        .arg("--chain-memory")
        .arg(of)
        .output()?;
    if !output.status.success() {
        return Err("memory was not measured in a process of its own".into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// The bytes that each entry or log takes in this process.
pub fn of_this_process(of: &Path) -> Result<f64, Box<dyn Error>> {
    if of == Path::new("tree") {
        return of_tree();
    }
    of_logs(of)
}

fn of_tree() -> Result<f64, Box<dyn Error>> {
    let mut tree = Tree::new();
    let piece = [Hash::EMPTY; 1000];
    let before = status("VmRSS:")?;
    for _ in 0..ENTRIES / piece.len() {
        tree.extend(&piece);
    }
    let grown = status("VmRSS:")?.saturating_sub(before);
    Ok(grown as f64 / tree.size() as f64)
}

/// Opens the logs of a store, few at a time, so that what they leave behind is used again: an
/// entry each, that is taken into tiles.
fn of_logs(folder: &Path) -> Result<f64, Box<dyn Error>> {
    let zones: Vec<PathBuf> = vec![folder.join("zone-0")];
    let store = open(&open_zones(&zones)?, &folder.join("signed"))?;
    let first = 2 * TOGETHER;
    let more = |first| append(&store, first..first + TOGETHER, BEFORE..BEFORE + 1);
    (0..first).step_by(TOGETHER).try_for_each(more)?;
    let before = status("VmRSS:")?;
    (first..LOGS).step_by(TOGETHER).try_for_each(more)?;
    let grown = status("VmRSS:")?.saturating_sub(before);
    Ok(grown as f64 / (LOGS - first) as f64)
}
