//! The base: what was integrated when older frames were dropped, audit-store, section 6.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;

use super::checked::{with_sum, without_sum};
use super::history::{FOLDER, WalFile};
use super::zone::{Zone, ZoneRead};
use crate::Origin;

const PATH: &str = "base";
const LABEL: &str = "strongroom.dev/audit-base/v1";

/// The longest base, in bytes: a line for each log that is not signed yet.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// The last frame whose entries are in tiles, and what of them no checkpoint covers.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Base {
    pub(super) epoch: u64,
    pub(super) sequence: u64,
    /// The logs that grew since their last checkpoint.
    pub(super) unsigned: Vec<Origin>,
}

impl Base {
    pub(super) fn new((epoch, sequence): (u64, u64), unsigned: &BTreeSet<Origin>) -> Self {
        Self {
            epoch,
            sequence,
            unsigned: unsigned.iter().cloned().collect(),
        }
    }

    /// None: it is malformed. A zone without one has integrated nothing.
    pub(super) fn read(zone: &dyn ZoneRead) -> io::Result<Option<Self>> {
        let bytes = zone.read(PATH, MAX_BYTES)?;
        Ok(match bytes {
            None => Some(Self::default()),
            Some(bytes) => String::from_utf8(bytes).ok().and_then(|text| parse(&text)),
        })
    }

    pub(super) fn write(&self, zone: &dyn Zone) -> io::Result<()> {
        zone.replace(PATH, self.to_text().as_bytes())
    }

    /// Writes it once the zone has begun the file of frames that follows. Whether it has: one that
    /// lags behind keeps what it has.
    pub(super) fn advance(&self, zone: &dyn Zone) -> io::Result<bool> {
        let is_followed = zone
            .list(FOLDER)?
            .iter()
            .any(|(name, _)| self.is_followed_by(name));
        if is_followed {
            self.write(zone)?;
        }
        Ok(is_followed)
    }

    /// Whether this is the name of the file of frames that follows.
    pub(super) fn is_followed_by(&self, name: &str) -> bool {
        WalFile::first_of(name) == Some(self.sequence.saturating_add(1))
    }

    fn to_text(&self) -> String {
        let mut text = format!(
            "{LABEL}\nepoch {}\nsequence {}\n",
            self.epoch, self.sequence
        );
        for origin in &self.unsigned {
            let _ = writeln!(text, "unsigned {origin}");
        }
        with_sum(text)
    }
}

fn parse(text: &str) -> Option<Base> {
    let mut lines = without_sum(text)?.split_terminator('\n');
    if lines.next() != Some(LABEL) {
        return None;
    }
    let mut number = |key| lines.next()?.strip_prefix(key)?.parse().ok();
    let (epoch, sequence) = (number("epoch ")?, number("sequence ")?);
    let unsigned = lines
        .map(|line| line.strip_prefix("unsigned ")?.parse().ok())
        .collect::<Option<_>>()?;
    let base = Base {
        epoch,
        sequence,
        unsigned,
    };
    // One spelling: what is written again is the same text.
    (base.to_text() == text).then_some(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_has_one_spelling() {
        let base = Base {
            epoch: 3,
            sequence: 70,
            unsigned: vec![
                "example.com/a".parse().unwrap(),
                "example.com/b".parse().unwrap(),
            ],
        };
        let text = base.to_text();
        assert_eq!(parse(&text), Some(base));
        for (name, from, to) in [
            ("label", "v1", "v2"),
            ("number", "epoch 3", "epoch x"),
            ("leading zero", "epoch 3", "epoch 03"),
            ("missing", "sequence 70\n", ""),
            ("origin", "unsigned example.com/b", "unsigned example com"),
            ("key", "unsigned example.com/b", "signed example.com/b"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{name}");
            assert_eq!(parse(&changed), None, "{name}");
            let (changed, _) = changed.split_once("crc ").unwrap();
            assert_eq!(parse(&with_sum(changed.to_owned())), None, "{name}");
        }
        assert_eq!(parse(text.trim_end()), None, "cut off");
        assert_eq!(parse(text.split_once("crc ").unwrap().0), None, "no sum");
    }
}
