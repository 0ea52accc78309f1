//! The request id: one name for a call, from the gateway to the database.

use std::fmt;
use std::str::FromStr;

use uuid::{Builder, Uuid, Variant, Version};

use crate::tenant::parse_canonical;

/// Identifies one request; a UUIDv7 (RFC 9562, section 5.7), always minted by the platform.
///
/// A client's own id never becomes this one; it is kept beside, as a [`ClientRequestId`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(Uuid);

/// A request id that the client sent: 1 to 64 characters of `A-Z a-z 0-9 . _ - :`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ClientRequestId(String);

/// Why a text is not a request id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestIdError {
    /// Not a lower-case hyphenated UUID of version 7.
    #[error("request id: expected a lower-case hyphenated UUIDv7")]
    Malformed,
    /// Empty, longer than 64 characters, or with a character outside the safe set.
    #[error("client request id: expected 1 to 64 characters of A-Z a-z 0-9 . _ - :")]
    UnsafeClientId,
}

impl RequestId {
    /// Makes the id from a moment (Unix time in milliseconds) and 10 random bytes.
    #[must_use]
    pub const fn from_parts(unix_millis: u64, random: &[u8; 10]) -> Self {
        Self(Builder::from_unix_timestamp_millis(unix_millis, random).into_uuid())
    }

    /// The id as a UUID.
    #[must_use]
    pub const fn as_uuid(&self) -> &Uuid {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({self})")
    }
}

impl FromStr for RequestId {
    type Err = RequestIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = parse_canonical(text).ok_or(RequestIdError::Malformed)?;
        if id.get_version() != Some(Version::SortRand) || id.get_variant() != Variant::RFC4122 {
            return Err(RequestIdError::Malformed);
        }
        Ok(Self(id))
    }
}

impl ClientRequestId {
    /// The id as the client wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientRequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ClientRequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientRequestId({})", self.0)
    }
}

impl FromStr for ClientRequestId {
    type Err = RequestIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let safe = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b':');
        if text.is_empty() || text.len() > 64 || !text.bytes().all(safe) {
            return Err(RequestIdError::UnsafeClientId);
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_version_seven_is_ours() {
        let v4 = "936da01f-9abd-4d9d-80c7-02af85c822a8";
        assert_eq!(v4.parse::<RequestId>(), Err(RequestIdError::Malformed));
    }

    #[test]
    fn client_ids_cannot_break_a_log_line() {
        for bad in ["", "a b", "a\n", "é", "\"", &"x".repeat(65)] {
            assert_eq!(
                bad.parse::<ClientRequestId>(),
                Err(RequestIdError::UnsafeClientId)
            );
        }
        assert!("x".repeat(64).parse::<ClientRequestId>().is_ok());
    }

    proptest! {
        #[test]
        fn text_round_trips(millis in 0_u64..1 << 48, random: [u8; 10]) {
            let id = RequestId::from_parts(millis, &random);
            prop_assert_eq!(id.to_string().parse::<RequestId>(), Ok(id));
        }

        #[test]
        fn later_ids_sort_later(millis in 0_u64..(1 << 48) - 1, a: [u8; 10], b: [u8; 10]) {
            prop_assert!(RequestId::from_parts(millis, &a) < RequestId::from_parts(millis + 1, &b));
        }
    }
}
