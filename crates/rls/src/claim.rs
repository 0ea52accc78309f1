//! One claim: who, for which tenant, on which backend, until when (`docs/spec/rls-claim.md`).

use std::fmt;

use strongroom_tenancy::{ActorId, TenantId};
use zeroize::Zeroizing;

use crate::key::KeyId;

/// The longest life of a claim, in seconds.
pub const MAX_LIFETIME_SECONDS: u64 = 60;

/// Unix seconds beyond this do not fit the grammar's 16 digits.
const MAX_CLOCK: u64 = 9_999_999_999_999_999 - MAX_LIFETIME_SECONDS;

/// The database connection that a claim is good on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// This backend alone (`pg_backend_pid()`, always positive).
    Pid(i32),
    /// Any backend: for a transaction-mode pooler, where the installation allows it.
    Unbound,
}

/// What a claim is to say.
#[derive(Clone, Copy, Debug)]
pub struct ClaimRequest {
    /// The tenant whose rows the transaction may see.
    pub tenant: TenantId,
    /// Who acts.
    pub actor: ActorId,
    /// The connection that the claim is good on.
    pub backend: Backend,
    /// Now, in Unix seconds.
    pub now: u64,
    /// How long the claim is good, in seconds: 1 to [`MAX_LIFETIME_SECONDS`].
    pub lifetime: u64,
}

/// A minted claim, to be sent as a bind parameter and never as text of a statement.
///
/// # Security
/// Until it expires, whoever holds it can act for its tenant on its backend; `Debug` does not
/// show it, and it is wiped when dropped.
pub struct Claim {
    text: Zeroizing<String>,
    tenant: TenantId,
    expires_at: u64,
}

/// Why a claim was not minted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// The lifetime is zero or over [`MAX_LIFETIME_SECONDS`].
    #[error("claim lifetime: expected 1 to 60 seconds")]
    Lifetime,
    /// The clock does not fit the format.
    #[error("claim clock: out of range")]
    Clock,
    /// A backend's process id is a positive number.
    #[error("claim backend: expected a positive process id")]
    Backend,
}

impl ClaimRequest {
    pub(crate) fn body(&self, key: &KeyId) -> Result<String, ClaimError> {
        if !(1..=MAX_LIFETIME_SECONDS).contains(&self.lifetime) {
            return Err(ClaimError::Lifetime);
        }
        if self.now == 0 || self.now > MAX_CLOCK {
            return Err(ClaimError::Clock);
        }
        let pid = match self.backend {
            Backend::Pid(pid) if pid > 0 => pid,
            Backend::Pid(_) => return Err(ClaimError::Backend),
            Backend::Unbound => 0,
        };
        Ok(format!(
            "v1.{key}.{}.{}.{pid}.{}",
            self.tenant,
            self.actor,
            self.expires_at()
        ))
    }

    const fn expires_at(&self) -> u64 {
        self.now.saturating_add(self.lifetime)
    }
}

impl Claim {
    pub(crate) fn assemble(mut body: String, mac: &[u8; 32], request: &ClaimRequest) -> Self {
        body.push('.');
        body.push_str(&hex::encode(mac));
        Self {
            text: body.into(),
            tenant: request.tenant,
            expires_at: request.expires_at(),
        }
    }

    /// The claim's text, the value of the bind parameter.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The tenant that the claim speaks for.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The last second at which the claim holds (Unix time).
    #[must_use]
    pub const fn expires_at(&self) -> u64 {
        self.expires_at
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Claim({}, until {}, [redacted])",
            self.tenant, self.expires_at
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use strongroom_tenancy::ActorKind;

    use super::*;
    use crate::ClaimKey;

    fn request() -> ClaimRequest {
        ClaimRequest {
            tenant: "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().unwrap(),
            actor: "user:0190b2a4-8c7e-7d3a-9f00-0242ac120003".parse().unwrap(),
            backend: Backend::Pid(4242),
            now: 1_799_999_940,
            lifetime: 60,
        }
    }

    fn key() -> ClaimKey {
        let bytes: [u8; 32] = std::array::from_fn(|i| i as u8);
        ClaimKey::from_bytes("k1".parse().unwrap(), &bytes)
    }

    /// The worked example of `docs/spec/rls-claim.md`, computed there with another HMAC.
    #[test]
    fn the_specification_s_example() {
        let spec = include_str!("../../../docs/spec/rls-claim.md");
        let claim = key().mint(&request()).unwrap();
        assert!(spec.lines().any(|line| line == claim.expose()));
    }

    #[test]
    fn rejections() {
        let with = |change: fn(&mut ClaimRequest)| {
            let mut asked = request();
            change(&mut asked);
            key().mint(&asked).map(|_| ()).unwrap_err()
        };
        assert_eq!(with(|r| r.lifetime = 0), ClaimError::Lifetime);
        assert_eq!(with(|r| r.lifetime = 61), ClaimError::Lifetime);
        assert_eq!(with(|r| r.now = 0), ClaimError::Clock);
        assert_eq!(with(|r| r.now = u64::MAX), ClaimError::Clock);
        assert_eq!(with(|r| r.backend = Backend::Pid(0)), ClaimError::Backend);
        assert_eq!(with(|r| r.backend = Backend::Pid(-1)), ClaimError::Backend);
    }

    #[test]
    fn debug_shows_no_mac() {
        let claim = key().mint(&request()).unwrap();
        assert_eq!(
            format!("{claim:?}"),
            "Claim(0190b2a4-8c7e-7d3a-9f00-0242ac120002, until 1800000000, [redacted])"
        );
    }

    proptest! {
        /// What the database relies on after the MAC holds: seven fields, each where it looks for it.
        #[test]
        fn every_claim_has_the_grammar(
            tenant in 1_u128.., actor in 1_u128.., kind in 0_usize..4, pid in 1_i32..,
            now in 1..MAX_CLOCK, lifetime in 1_u64..=60,
        ) {
            let asked = ClaimRequest {
                tenant: TenantId::from_uuid(Uuid::from_u128(tenant)).unwrap(),
                actor: ActorId::new(ActorKind::ALL[kind], Uuid::from_u128(actor)).unwrap(),
                backend: Backend::Pid(pid), now, lifetime,
            };
            let claim = key().mint(&asked).unwrap();
            let fields: Vec<_> = claim.expose().split('.').collect();
            prop_assert_eq!(fields.len(), 7);
            prop_assert_eq!(fields[0], "v1");
            prop_assert_eq!(fields[2].parse(), Ok(asked.tenant));
            prop_assert_eq!(fields[3].parse(), Ok(asked.actor));
            prop_assert_eq!(fields[4].parse(), Ok(pid));
            prop_assert_eq!(fields[5].parse(), Ok(now + lifetime));
            prop_assert_eq!(fields[6].len(), 64);
            prop_assert!((150..=300).contains(&claim.expose().len()));
        }
    }
}
