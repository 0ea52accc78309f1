//! Which store a zone is of, and which zone of it: audit-store, section 3.

use std::io;
use std::str::FromStr;

use super::checked::{with_sum, without_sum};
use super::zone::{Zone, ZoneRead};

/// The path of the text.
pub(super) const PATH: &str = "store";

const LABEL: &str = "strongroom.dev/audit-store/v1";

/// The longest text.
const MAX_BYTES: u64 = 1024;

/// The most zones that a store may have.
pub const MAX_ZONES: u8 = 7;

/// What a zone says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) store: [u8; 16],
    pub(super) zone: u8,
    pub(super) zones: u8,
    pub(super) quorum: u8,
}

impl Identity {
    /// None, if the zone is nobody's yet.
    pub(super) fn read(zone: &dyn ZoneRead) -> io::Result<Option<Self>> {
        let Some(bytes) = zone.read(PATH, MAX_BYTES)? else {
            return Ok(None);
        };
        let malformed = || io::Error::new(io::ErrorKind::InvalidData, "its identity is malformed");
        let text = String::from_utf8(bytes).map_err(|_| malformed())?;
        text.parse().map(Some).map_err(|()| malformed())
    }

    /// Nothing is written where it stands already.
    pub(super) fn write(self, zone: &dyn Zone) -> io::Result<()> {
        if matches!(Self::read(zone), Ok(Some(said)) if said == self) {
            return Ok(());
        }
        zone.replace(PATH, self.to_text().as_bytes())
    }

    pub(super) fn to_text(self) -> String {
        let store = u128::from_be_bytes(self.store);
        with_sum(format!(
            "{LABEL}\nstore {store:032x}\nzone {}\nzones {}\nquorum {}\n",
            self.zone, self.zones, self.quorum
        ))
    }
}

impl FromStr for Identity {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut lines = without_sum(text).ok_or(())?.split_terminator('\n');
        if lines.next() != Some(LABEL) {
            return Err(());
        }
        let mut value = |key| {
            let line = lines.next()?.strip_prefix(key)?;
            line.strip_prefix(' ')
        };
        let store = value("store").and_then(|hex| u128::from_str_radix(hex, 16).ok());
        let mut number = |key| value(key).and_then(|text| text.parse().ok());
        let (zone, zones, quorum) = (number("zone"), number("zones"), number("quorum"));
        let ((zone, zones), quorum) = zone.zip(zones).zip(quorum).ok_or(())?;
        let identity = Self {
            store: store.ok_or(())?.to_be_bytes(),
            zone,
            zones,
            quorum,
        };
        let fits =
            (1..=MAX_ZONES).contains(&zones) && zone < zones && (1..=zones).contains(&quorum);
        // One spelling: what is written again is the same text.
        if fits && identity.to_text() == text {
            Ok(identity)
        } else {
            Err(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_knows_what_it_is_of() {
        let identity = Identity {
            store: [0xab; 16],
            zone: 2,
            zones: 3,
            quorum: 2,
        };
        let text = identity.to_text();
        assert_eq!(text.parse(), Ok(identity));
        for (name, from, to) in [
            ("label", "v1", "v2"),
            ("store", "ababab", "abab"),
            ("upper case", "ababab", "ABABAB"),
            ("zone beyond", "zone 2", "zone 3"),
            ("no quorum", "quorum 2", "quorum 0"),
            ("quorum beyond", "quorum 2", "quorum 4"),
            ("too many", "zones 3", "zones 8"),
            ("a leading zero", "zone 2", "zone 02"),
            ("something more", "quorum 2\n", "quorum 2\n\n"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{name}");
            assert_eq!(changed.parse::<Identity>(), Err(()), "{name}");
            let (changed, _) = changed.split_once("crc ").unwrap();
            let changed = with_sum(changed.to_owned());
            assert_eq!(changed.parse::<Identity>(), Err(()), "{name}");
        }
        assert_eq!(text.trim_end().parse::<Identity>(), Err(()), "cut off");
    }
}
