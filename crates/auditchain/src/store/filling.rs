//! The mark of a zone that is being filled from another: audit-store, section 7.

use std::io;

use super::zone::{Zone, ZoneRead};

const PATH: &str = "filling";
const LABEL: &str = "strongroom.dev/audit-filling/v1";

/// The longest mark.
const MAX_BYTES: u64 = 256;

/// From here on the zone is not used. All that it holds is in the history up to this epoch and
/// sequence.
pub(super) fn begin(zone: &dyn Zone, (epoch, sequence): (u64, u64)) -> io::Result<()> {
    let text = format!("{LABEL}\nepoch {epoch}\nsequence {sequence}\n");
    zone.replace(PATH, text.as_bytes())
}

pub(super) fn end(zone: &dyn Zone) -> io::Result<()> {
    zone.settle()?;
    zone.remove(PATH)?;
    zone.settle()
}

/// Up to where it was to be filled, if it was not to its end.
pub(super) fn read(zone: &dyn ZoneRead) -> io::Result<Option<(u64, u64)>> {
    let Some(bytes) = zone.read(PATH, MAX_BYTES)? else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.split_terminator('\n').skip(1);
    let mut number = |key| lines.next()?.strip_prefix(key)?.parse().ok();
    let numbers = number("epoch ").zip(number("sequence "));
    // A mark that cannot be read says nothing of what the zone held.
    Ok(Some(numbers.unwrap_or((u64::MAX, u64::MAX))))
}
