//! The tenant: an organisation whose data nobody else sees.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// Identifies one tenant (an organisation); a UUID that is never nil.
///
/// Its text form is the 36-character lower-case hyphenated UUID (RFC 9562, section 4) and nothing
/// else: braces, URNs, upper case and the 32-character form are refused, so that one tenant has
/// one spelling in tokens, claims and associated data.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(Uuid);

/// Why a text is not a tenant id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TenantIdError {
    /// The text is not a lower-case hyphenated UUID.
    #[error("tenant id: expected a lower-case hyphenated UUID")]
    Malformed,
    /// The nil UUID names nobody.
    #[error("tenant id: the nil UUID is not a tenant")]
    Nil,
}

impl TenantId {
    /// The platform itself, a tenant with a log of its own for events that belong to no other.
    pub const PLATFORM: Self = Self(Uuid::from_u128(0x0000_0000_0000_8000_8000_0000_0000_0001));

    /// The platform's log of all tenants' checkpoints. Nobody acts as this tenant.
    pub const PLATFORM_LOG: Self = Self(Uuid::from_u128(0x0000_0000_0000_8000_8000_0000_0000_0002));

    /// Takes a UUID as a tenant id.
    ///
    /// # Errors
    /// [`TenantIdError::Nil`] for the nil UUID.
    pub const fn from_uuid(id: Uuid) -> Result<Self, TenantIdError> {
        if id.is_nil() {
            Err(TenantIdError::Nil)
        } else {
            Ok(Self(id))
        }
    }

    /// The id as a UUID.
    #[must_use]
    pub const fn as_uuid(&self) -> &Uuid {
        &self.0
    }

    /// The id's 16 bytes in network order.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TenantId({self})")
    }
}

impl FromStr for TenantId {
    type Err = TenantIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_uuid(parse_canonical(text).ok_or(TenantIdError::Malformed)?)
    }
}

impl serde::Serialize for TenantId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for TenantId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Reads the one spelling of a UUID that the family accepts.
pub(crate) fn parse_canonical(text: &str) -> Option<Uuid> {
    if text.len() != 36 || text.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    Uuid::try_parse(text).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_every_other_spelling() {
        for (name, text) in [
            ("empty", ""),
            ("simple form", "0190b2a48c7e7d3a9f000242ac120002"),
            ("upper case", "0190B2A4-8C7E-7D3A-9F00-0242AC120002"),
            ("braces", "{0190b2a4-8c7e-7d3a-9f00-0242ac120002}"),
            ("urn", "urn:uuid:0190b2a4-8c7e-7d3a-9f00-0242ac120002"),
            ("trailing space", "0190b2a4-8c7e-7d3a-9f00-0242ac120002 "),
            ("one digit short", "0190b2a4-8c7e-7d3a-9f00-0242ac12000"),
            ("not hexadecimal", "0190b2a4-8c7e-7d3a-9f00-0242ac12000g"),
        ] {
            assert_eq!(
                text.parse::<TenantId>(),
                Err(TenantIdError::Malformed),
                "{name}"
            );
        }
        let nil = "00000000-0000-0000-0000-000000000000";
        assert_eq!(nil.parse::<TenantId>(), Err(TenantIdError::Nil));
    }

    #[test]
    fn the_platform_has_a_fixed_id() {
        assert_eq!(
            TenantId::PLATFORM.to_string(),
            "00000000-0000-8000-8000-000000000001"
        );
    }

    proptest! {
        #[test]
        fn text_round_trips(bits in 1_u128..) {
            let id = TenantId::from_uuid(Uuid::from_u128(bits)).unwrap();
            prop_assert_eq!(id.to_string().parse::<TenantId>(), Ok(id));
        }

        #[test]
        fn parsing_never_panics(text in ".{0,40}") {
            let _ = text.parse::<TenantId>();
        }
    }
}
