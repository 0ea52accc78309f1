//! Argon2 hashes as they are stored, and the bounds within which they are checked.

use std::str::FromStr;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// What one hash costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory, in KiB.
    pub memory: u32,
    /// How often the memory is passed over.
    pub passes: u32,
    /// How many lanes it has.
    pub lanes: u32,
}

/// Why a stored text is no argon2 hash, or none that is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoredArgonError {
    /// The text is not of the form `$argon2id$v=19$m=65536,t=3,p=4$salt$tag`.
    #[error("stored hash: malformed")]
    Malformed,
    /// The variant is not argon2id, argon2i or argon2d, or the version neither 16 nor 19.
    #[error("stored hash: unknown variant or version")]
    Variant,
    /// Checking it would cost too much, or the cost is none that argon2 has.
    #[error("stored hash: its cost is out of bounds")]
    Cost,
    /// The salt has not 8 to 64 bytes, or the tag not 16 to 64.
    #[error("stored hash: salt or tag of a wrong length")]
    Length,
}

/// A stored hash.
#[derive(Clone)]
pub(crate) struct ArgonHash {
    algorithm: Algorithm,
    version: Version,
    pub(crate) cost: Cost,
    pub(crate) salt: Vec<u8>,
    pub(crate) tag: Vec<u8>,
}

/// There is not enough memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutOfMemory;

impl Cost {
    /// RFC 9106, section 4, first recommended option: 2 GiB, one pass, 4 lanes.
    pub const RFC_9106_FIRST: Self = Self {
        memory: 2 * 1024 * 1024,
        passes: 1,
        lanes: 4,
    };

    /// RFC 9106, section 4, second recommended option: 64 MiB, 3 passes, 4 lanes.
    pub const RFC_9106_SECOND: Self = Self {
        memory: 64 * 1024,
        passes: 3,
        lanes: 4,
    };

    /// Up to here a stored hash is checked, whoever wrote it: 256 MiB, and 1 GiB in all passes.
    pub(crate) const fn is_bounded(&self) -> bool {
        let written = (self.memory as u64).saturating_mul(self.passes as u64);
        self.is_possible() && self.memory <= 256 * 1024 && written <= 1024 * 1024
    }

    /// Whether argon2 has such a cost, with at most 16 passes and 16 lanes.
    pub(crate) const fn is_possible(&self) -> bool {
        matches!(self.passes, 1..=16)
            && matches!(self.lanes, 1..=16)
            && self.memory >= 8 * self.lanes
            && self.memory <= Self::RFC_9106_FIRST.memory
    }

    /// Whether this costs no more than another in any way.
    #[cfg(feature = "password")]
    pub(crate) const fn is_at_most(&self, other: &Self) -> bool {
        self.memory <= other.memory && self.passes <= other.passes && self.lanes <= other.lanes
    }
}

impl ArgonHash {
    /// Whether a text is the one that was hashed; in constant time once the tag is made. The cost
    /// must have been looked at.
    pub(crate) fn matches(&self, text: &[u8]) -> Result<bool, OutOfMemory> {
        let mut tag = Zeroizing::new(vec![0; self.tag.len()]);
        self.fill(text, &mut tag)?;
        Ok(tag.as_slice().ct_eq(&self.tag).into())
    }

    /// Hashes by argon2id.
    #[cfg(feature = "password")]
    pub(crate) fn make(text: &[u8], salt: &[u8; 16], cost: Cost) -> Result<Self, OutOfMemory> {
        let mut made = Self {
            algorithm: Algorithm::Argon2id,
            version: Version::V0x13,
            cost,
            salt: salt.to_vec(),
            tag: Vec::new(),
        };
        let mut tag = vec![0; 32];
        made.fill(text, &mut tag)?;
        made.tag = tag;
        Ok(made)
    }

    /// Whether it was made as passwords are hashed now.
    #[cfg(feature = "password")]
    pub(crate) fn is_made_with(&self, cost: &Cost) -> bool {
        self.algorithm == Algorithm::Argon2id
            && self.version == Version::V0x13
            && self.cost == *cost
            && self.salt.len() >= 16
            && self.tag.len() >= 32
    }

    fn fill(&self, text: &[u8], tag: &mut [u8]) -> Result<(), OutOfMemory> {
        let Cost {
            memory,
            passes,
            lanes,
        } = self.cost;
        let params = Params::new(memory, passes, lanes, Some(tag.len()));
        let params = params.map_err(|_| OutOfMemory)?;
        Argon2::new(self.algorithm, self.version, params)
            .hash_password_into(text, &self.salt, tag)
            .map_err(|_| OutOfMemory)
    }
}

impl FromStr for ArgonHash {
    type Err = StoredArgonError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        use StoredArgonError::{Cost as BadCost, Length, Malformed, Variant};
        if text.len() > 512 {
            return Err(Malformed);
        }
        let parts: Vec<&str> = text.split('$').collect();
        let (variant, version, cost, salt, tag) = match *parts.as_slice() {
            ["", variant, version, cost, salt, tag] => (variant, version, cost, salt, tag),
            // Before version 19 the version was not written.
            ["", variant, cost, salt, tag] => (variant, "v=16", cost, salt, tag),
            _ => return Err(Malformed),
        };
        let algorithm = match variant {
            "argon2id" => Algorithm::Argon2id,
            "argon2i" => Algorithm::Argon2i,
            "argon2d" => Algorithm::Argon2d,
            _ => return Err(Variant),
        };
        let version = match version {
            "v=19" => Version::V0x13,
            "v=16" => Version::V0x10,
            _ => return Err(Variant),
        };
        let mut costs = cost.split(',');
        let mut cost = |name: &str| number(costs.next()?.strip_prefix(name)?);
        let cost = Cost {
            memory: cost("m=").ok_or(Malformed)?,
            passes: cost("t=").ok_or(Malformed)?,
            lanes: cost("p=").ok_or(Malformed)?,
        };
        if costs.next().is_some() {
            return Err(Malformed);
        }
        if !cost.is_possible() {
            return Err(BadCost);
        }
        let salt = STANDARD_NO_PAD.decode(salt).map_err(|_| Malformed)?;
        let tag = STANDARD_NO_PAD.decode(tag).map_err(|_| Malformed)?;
        if !(8..=64).contains(&salt.len()) || !(16..=64).contains(&tag.len()) {
            return Err(Length);
        }
        Ok(Self {
            algorithm,
            version,
            cost,
            salt,
            tag,
        })
    }
}

/// A decimal number without sign and leading zeros.
fn number(text: &str) -> Option<u32> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    is_plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stored_rejections() {
        use StoredArgonError::{Cost, Length, Malformed, Variant};
        let tag = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let good = format!("$argon2id$v=19$m=64,t=3,p=4$AAAAAAAAAAAAAAAAAAAAAA${tag}");
        assert!(good.parse::<ArgonHash>().is_ok());
        for (name, from, to, error) in [
            ("no first dollar", "$argon2id", "argon2id", Malformed),
            ("another variant", "argon2id", "argon2ix", Variant),
            ("upper case", "argon2id", "Argon2id", Variant),
            ("scrypt", "argon2id", "scrypt", Variant),
            ("version 20", "v=19", "v=20", Variant),
            ("version without v", "v=19", "19", Variant),
            ("a seventh part", "$AAAA", "$$AAAA", Malformed),
            ("no memory", "m=64,", "", Malformed),
            ("another order", "m=64,t=3", "t=3,m=64", Malformed),
            ("a key id", "p=4", "p=4,keyid=AA", Malformed),
            ("a sign", "m=64", "m=+64", Malformed),
            ("a leading zero", "m=64", "m=064", Malformed),
            ("no number", "m=64", "m=", Malformed),
            ("beyond 32 bits", "m=64", "m=4294967296", Malformed),
            ("4 TiB", "m=64", "m=4294967295", Cost),
            ("over 2 GiB", "m=64", "m=2097153", Cost),
            ("less than 8 KiB a lane", "m=64", "m=31", Cost),
            ("no passes", "t=3", "t=0", Malformed),
            ("17 passes", "t=3", "t=17", Cost),
            ("17 lanes", "m=64,t=3,p=4", "m=640,t=3,p=17", Cost),
            ("padding", tag, &format!("{tag}="), Malformed),
            (
                "url alphabet",
                tag,
                &tag.replacen("AAA", "-_A", 1),
                Malformed,
            ),
            (
                "trailing bits",
                tag,
                &format!("{}B", "A".repeat(42)),
                Malformed,
            ),
            ("a short tag", tag, "AAAAAAAAAAAAAAAAAAAA", Length),
            (
                "a short salt",
                "$AAAAAAAAAAAAAAAAAAAAAA$",
                "$AAAAAAAA$",
                Length,
            ),
            ("a line feed", tag, &format!("{tag}\n"), Malformed),
            ("far too long", tag, &"A".repeat(2000), Malformed),
        ] {
            let refused = good.replacen(from, to, 1).parse::<ArgonHash>().err();
            assert_eq!(refused, Some(error), "{name}");
        }
    }

    #[test]
    fn what_a_planted_row_may_cost() {
        let cost = |memory, passes, lanes| Cost {
            memory,
            passes,
            lanes,
        };
        for bounded in [
            Cost::RFC_9106_SECOND,
            cost(256 * 1024, 4, 16),
            cost(64 * 1024, 16, 1),
            cost(8, 1, 1),
        ] {
            assert!(bounded.is_bounded(), "{bounded:?}");
        }
        for refused in [
            Cost::RFC_9106_FIRST,
            cost(256 * 1024 + 1, 1, 1),
            cost(256 * 1024, 5, 1),
            cost(64 * 1024, 17, 1),
            cost(64 * 1024, 1, 17),
            cost(u32::MAX, u32::MAX, u32::MAX / 8),
            cost(7, 1, 1),
            cost(8, 0, 1),
            cost(8, 1, 0),
        ] {
            assert!(!refused.is_bounded(), "{refused:?}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in r"(\$argon2id?\$v=19\$m=[0-9]{1,6},t=[0-9],p=[0-9]\$)?.{0,60}") {
            let _ = text.parse::<ArgonHash>();
        }
    }
}
