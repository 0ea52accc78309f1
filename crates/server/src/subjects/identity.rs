//! A person as an identity provider names them.

use std::fmt;

use strongroom_tenancy::{ActorError, ActorId, ActorKind, TenantId};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::login::derived_person;

/// The issuer's word for somebody. Wiped on drop; nothing of it is printed.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Identity {
    issuer: String,
    subject: String,
}

/// Bytes are no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an identity is malformed")]
pub struct MalformedIdentity;

impl Identity {
    /// Somebody, by `iss` and `sub`.
    #[must_use]
    pub fn new(issuer: &str, subject: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
        }
    }

    /// `iss`.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// `sub`.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Who this was in the logs of versions that made ids of a hash.
    ///
    /// # Errors
    /// [`ActorError`]: never, as such an id is not nil.
    pub fn former(&self, tenant: &TenantId) -> Result<ActorId, ActorError> {
        derived_person(tenant, &self.issuer, &self.subject)
    }

    /// Both texts, each after its length in bytes as eight bytes, big-endian.
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let texts = [&self.issuer, &self.subject];
        let size: usize = texts.iter().map(|text| text.len() + 8).sum();
        let mut bytes = Zeroizing::new(Vec::with_capacity(size));
        for text in texts {
            let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes
    }

    /// Reads what [`Identity::encode`] wrote.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, MalformedIdentity> {
        let (issuer, rest) = text(bytes).ok_or(MalformedIdentity)?;
        match text(rest) {
            Some((subject, [])) => Ok(Self::new(issuer, subject)),
            _ => Err(MalformedIdentity),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(..)")
    }
}

/// Whether an id is one that earlier versions made of issuer and subject: whoever knows these can
/// compute it, so that nothing new may carry it.
#[must_use]
pub fn is_derived(id: &ActorId) -> bool {
    id.kind() == ActorKind::User && id.id().get_version_num() == 8
}

fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
    let (text, rest) = rest.split_at_checked(length)?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_of_it_is_printed() {
        let who = Identity::new("https://login.example.com", "alice@example.com");
        assert_eq!(format!("{who:?}"), "Identity(..)");
    }

    #[test]
    fn what_is_no_identity_is_refused() {
        let good = Identity::new("ab", "c").encode();
        assert!(Identity::decode(&good).is_ok());
        let mut longer = good.to_vec();
        longer.push(0);
        let mut no_text = good.to_vec();
        no_text[8] = 0xff;
        let huge = [u64::MAX.to_be_bytes().as_slice(), b"ab"].concat();
        for bad in [
            b"".as_slice(),
            &good[..good.len() - 1],
            &longer,
            &no_text,
            &huge,
        ] {
            assert_eq!(Identity::decode(bad).unwrap_err(), MalformedIdentity);
        }
    }

    #[test]
    fn ids_that_were_made_of_a_hash_are_told_apart() {
        let tenant = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().unwrap();
        let who = Identity::new("https://login.example.com", "alice");
        assert!(is_derived(&who.former(&tenant).unwrap()));
        for (kind, id) in [
            (ActorKind::User, "3d813cbb-47fb-42ba-91df-831e1593ac29"),
            (ActorKind::User, "0190b2a4-8c7e-7d3a-9f00-0242ac120002"),
            (ActorKind::Platform, "00000000-0000-8000-8000-000000000001"),
        ] {
            assert!(!is_derived(
                &ActorId::new(kind, id.parse().unwrap()).unwrap()
            ));
        }
    }

    proptest! {
        #[test]
        fn bytes_say_where_one_text_ends(a in ".{0,40}", b in ".{0,40}", c in ".{0,40}", d in ".{0,40}") {
            let one = Identity::new(&a, &b);
            let read = Identity::decode(&one.encode()).unwrap();
            prop_assert_eq!((read.issuer(), read.subject()), (a.as_str(), b.as_str()));
            let same = one.encode() == Identity::new(&c, &d).encode();
            prop_assert_eq!(same, (a, b) == (c, d));
        }
    }
}
