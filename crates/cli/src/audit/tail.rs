//! `tail`.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde_json::{Value, json};
use strongroom::auditchain::store::log_folder;
use strongroom::auditchain::{EntryBundle, Hash, Leaf, TileKind, TilePath};

use super::files::{Files, Where};
use crate::failure::Failure;
use crate::output;

pub(super) const HELP: &str = "\
Prints the entries that the newest checkpoint covers, each as one JSON object on a line: its index,
its leaf hash, the event and the leaf in base64. With --follow it goes on with those that later
checkpoints cover, until it is stopped. Nothing is verified: `strongroom audit verify` does that.

Examples:
  strongroom audit tail --log /a/zone --origin audit.example.com/t/acme --from 1000 --follow
  strongroom audit tail --log export.tar";

/// How long to wait before looking again.
const EVERY: Duration = Duration::from_millis(500);

/// The longest entry bundle.
const MAX_BUNDLE: u64 = 256 * (2 + 65_535);

#[derive(Args)]
pub(crate) struct Tail {
    #[command(flatten)]
    of: Where,
    /// Begin with this entry
    #[arg(long, value_name = "INDEX", default_value = "0")]
    from: u64,
    /// Go on as the log grows
    #[arg(long)]
    follow: bool,
}

pub(super) fn run(tail: &Tail) -> Result<(), Failure> {
    let files = Files::open(&tail.of.log, tail.of.origin.as_ref())?;
    let mut next = tail.from;
    loop {
        match files.checkpoint(None) {
            Ok((_, checkpoint)) => {
                while next < checkpoint.size {
                    next = print(&files, next, checkpoint.size)?;
                }
            }
            // A log that is followed may have no checkpoint yet.
            Err(failure) if !tail.follow => return Err(failure),
            Err(_) => {}
        }
        if !tail.follow {
            return Ok(());
        }
        std::thread::sleep(EVERY);
    }
}

/// Prints the entries of one bundle from an index on; the index after the last.
fn print(files: &Files, from: u64, size: u64) -> Result<u64, Failure> {
    let number = from / 256;
    let folder = log_folder(&files.origin);
    let missing = || Failure::unusable(format!("the bundle of entry {from} is missing"));
    let path = TilePath::in_tree(TileKind::Entries, number, size).ok_or_else(missing)?;
    // The log may have grown meanwhile, and the wider bundle taken this one's place.
    let names = files.zone.list(&format!("{folder}/{}.p", path.full()));
    let widths = names.map_err(Failure::unusable)?;
    let widths = widths.iter().filter_map(|(name, _)| name.parse().ok());
    let mut widths: Vec<u16> = widths.filter(|width| *width >= path.width()).collect();
    widths.push(256);
    widths.sort_unstable();
    for width in widths {
        let Ok(wider) = TilePath::new(TileKind::Entries, number, width) else {
            continue;
        };
        let read = files.zone.read(&format!("{folder}/{wider}"), MAX_BUNDLE);
        let Some(bytes) = read.map_err(Failure::unusable)? else {
            continue;
        };
        let bundle = EntryBundle::parse(&bytes, width).map_err(Failure::refused)?;
        let end = number * 256 + u64::from(path.width());
        let mut lines = String::new();
        for (entry, index) in bundle.entries().zip(number * 256..end) {
            if index >= from {
                let event = Leaf::decode(entry).map_or(Value::Null, |event| event.to_json());
                let line = json!({
                    "index": index.to_string(),
                    "leaf_hash": Hash::of_leaf(entry).to_string(),
                    "event": event,
                    "leaf": STANDARD.encode(entry),
                });
                lines.push_str(&format!("{line}\n"));
            }
        }
        output::write(lines.as_bytes())?;
        return Ok(end);
    }
    Err(missing())
}
