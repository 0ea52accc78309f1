//! Rotation: a successor takes a key's place, after an overlap in which both are accepted.

use crate::{ApiKey, Grant, Hasher, IssueError, KeyId, KeyRecord};

/// How long a key is accepted beside its successor, in seconds: seven days.
pub const ROTATION_OVERLAP: u64 = 7 * 24 * 3600;

/// The longest overlap, in seconds: thirty days.
pub const MAX_ROTATION_OVERLAP: u64 = 30 * 24 * 3600;

/// What is written into a key's record when it is rotated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retirement {
    /// The key that takes its place.
    pub successor: KeyId,
    /// The first second in which the old key is no longer accepted, in Unix seconds.
    pub at: u64,
}

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Accepted.
    Active,
    /// Accepted, beside its successor.
    Retiring,
    /// Its successor's alone is accepted.
    Retired,
    /// Its time is over.
    Expired,
    /// Revoked.
    Revoked,
}

/// What is asked of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// How long both keys are accepted, in seconds; 0 is at once.
    pub overlap: u64,
    /// When the successor expires, in Unix seconds: the issuer's to choose, within its own.
    pub expires_at: Option<u64>,
}

/// Both records of a rotation, to be stored in one transaction.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// The old key's.
    pub retiring: KeyRecord,
    /// The new one's.
    pub successor: KeyRecord,
}

/// Why a key cannot be rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RotationError {
    /// It is no longer accepted: a new key must be issued.
    #[error("rotation: the key is no longer accepted")]
    NotAccepted,
    /// It has a successor.
    #[error("rotation: the key has a successor already")]
    InProgress,
    /// It has no successor.
    #[error("rotation: the key has no successor")]
    NotRotated,
    /// The overlap is longer than thirty days.
    #[error("rotation: the overlap is longer than 30 days")]
    Overlap,
    /// The successor is the key itself.
    #[error("rotation: the successor has the key's own id")]
    SameKey,
    /// The issuer may not issue the successor.
    #[error(transparent)]
    Issue(#[from] IssueError),
}

impl KeyRecord {
    /// Where the key is in its life. `now` is in Unix seconds.
    #[must_use]
    pub fn standing(&self, now: u64) -> Standing {
        if self.revoked_at.is_some() {
            return Standing::Revoked;
        }
        if self.expires_at.is_some_and(|end| now >= end) {
            return Standing::Expired;
        }
        match &self.retirement {
            None => Standing::Active,
            Some(end) if now >= end.at => Standing::Retired,
            Some(_) => Standing::Retiring,
        }
    }

    /// Makes both records of a rotation: the successor is bound to what this key is bound to, and
    /// to nothing that the issuer does not hold.
    ///
    /// `key` is the new key. `now` is in Unix seconds.
    ///
    /// # Errors
    /// [`RotationError`]; a key that has a successor gets no second one.
    ///
    /// ```
    /// use strongroom_apikey::{ApiKey, Environment, Hasher, KeyRecord, ROTATION_OVERLAP, Rotation};
    /// use strongroom_tenancy::Role;
    ///
    /// let key = ApiKey::generate(&"cust".parse()?, Environment::Live)?;
    /// let tenant = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?;
    /// let all = Role::Admin.capabilities();
    /// let record = KeyRecord::issue(&key, tenant, all, &all, None)?;
    ///
    /// let (now, next) = (1_800_000_000, ApiKey::generate(&"cust".parse()?, Environment::Live)?);
    /// let asked = Rotation { overlap: ROTATION_OVERLAP, expires_at: None };
    /// let rotated = record.rotate(&next, &asked, &record.grant(), &Hasher::default(), now)?;
    /// assert!(rotated.successor.authenticate(&next, now).is_ok());
    /// assert!(rotated.retiring.authenticate(&key, now + ROTATION_OVERLAP - 1).is_ok());
    /// assert!(rotated.retiring.authenticate(&key, now + ROTATION_OVERLAP).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rotate(
        &self,
        key: &ApiKey,
        asked: &Rotation,
        issuer: &Grant,
        hasher: &Hasher,
        now: u64,
    ) -> Result<Rotated, RotationError> {
        match self.standing(now) {
            Standing::Active => {}
            Standing::Retiring => return Err(RotationError::InProgress),
            Standing::Retired | Standing::Expired | Standing::Revoked => {
                return Err(RotationError::NotAccepted);
            }
        }
        if asked.overlap > MAX_ROTATION_OVERLAP {
            return Err(RotationError::Overlap);
        }
        if *key.id() == self.id {
            return Err(RotationError::SameKey);
        }
        let requested = Grant {
            expires_at: asked.expires_at,
            ..self.grant()
        };
        let successor = Self::issue_under(key, requested, issuer, hasher)?;
        let mut retiring = self.clone();
        retiring.retirement = Some(Retirement {
            successor: successor.id.clone(),
            at: now.saturating_add(asked.overlap),
        });
        Ok(Rotated {
            retiring,
            successor,
        })
    }

    /// Ends the overlap at `at`, in Unix seconds, if it would end later.
    ///
    /// # Errors
    /// [`RotationError::NotRotated`].
    pub fn retire_by(&self, at: u64) -> Result<Self, RotationError> {
        let mut sooner = self.clone();
        let end = sooner
            .retirement
            .as_mut()
            .ok_or(RotationError::NotRotated)?;
        end.at = end.at.min(at);
        Ok(sooner)
    }
}
