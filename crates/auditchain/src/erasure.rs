//! The erasure event: which payloads are gone, `docs/spec/audit-log.md`.

use crate::lines::decimal;
use crate::merkle::MAX_TREE_SIZE;
use crate::{Event, Outcome, RetentionClass};

/// The kind of an erasure event.
pub const ERASED_KIND: &str = "payload.erased";

/// That the payloads of a range of entries, or of one class in it, were erased.
///
/// A pass that finds one of them missing reports it as erased by this entry, not as tampered with.
///
/// ```
/// use strongroom_auditchain::{Erasure, RetentionClass};
///
/// let erasure = Erasure::new(0, 1000, Some(RetentionClass::Agent))?;
/// assert_eq!(erasure.resource(), "entries/0-1000/agent");
/// assert!(erasure.covers(999, RetentionClass::Agent));
/// assert!(!erasure.covers(999, RetentionClass::Compliance));
/// assert!(!erasure.covers(1000, RetentionClass::Agent));
/// # Ok::<(), strongroom_auditchain::ErasureError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erasure {
    from: u64,
    to: u64,
    class: Option<RetentionClass>,
}

/// Why there is no such erasure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErasureError {
    /// The range is empty or backwards.
    #[error("erasure: the range must have at least one entry")]
    Range,
    /// The range ends beyond 2^63 - 1.
    #[error("erasure: the range must end at 2^63 - 1 or before")]
    Bound,
}

impl Erasure {
    /// Names the entries `from..to`, all of them or those of one class.
    ///
    /// # Errors
    /// [`ErasureError`] for a range that is empty or ends beyond 2^63 - 1.
    pub const fn new(
        from: u64,
        to: u64,
        class: Option<RetentionClass>,
    ) -> Result<Self, ErasureError> {
        if from >= to {
            return Err(ErasureError::Range);
        }
        if to > MAX_TREE_SIZE {
            return Err(ErasureError::Bound);
        }
        Ok(Self { from, to, class })
    }

    /// Reads the event that stands at `index` in its log, if it is an erasure (audit-log,
    /// "Erasure").
    ///
    /// # Security
    /// An erasure excuses only what was there before it: an event whose range reaches beyond its
    /// own index is none.
    #[must_use]
    pub fn of(event: &Event, index: u64) -> Option<Self> {
        if event.kind.as_str() != ERASED_KIND || event.outcome != Outcome::Success {
            return None;
        }
        let range = event.resource.as_deref()?.strip_prefix("entries/")?;
        let (range, class) = match range.split_once('/') {
            Some((range, class)) => (range, Some(RetentionClass::named(class)?)),
            None => (range, None),
        };
        let (from, to) = range.split_once('-')?;
        let erasure = Self::new(decimal(from)?, decimal(to)?, class).ok()?;
        (erasure.to <= index).then_some(erasure)
    }

    /// The first entry.
    #[must_use]
    pub const fn from(&self) -> u64 {
        self.from
    }

    /// One past the last entry.
    #[must_use]
    pub const fn to(&self) -> u64 {
        self.to
    }

    /// The one class whose payloads are gone, or none where all are.
    #[must_use]
    pub const fn class(&self) -> Option<RetentionClass> {
        self.class
    }

    /// Whether the payload of the entry at this index, whose event is of this class, is gone by it.
    #[must_use]
    pub fn covers(&self, index: u64, class: RetentionClass) -> bool {
        (self.from..self.to).contains(&index) && self.class.is_none_or(|erased| erased == class)
    }

    /// The resource of the event that says so; its kind is [`ERASED_KIND`], its outcome success.
    #[must_use]
    pub fn resource(&self) -> String {
        let class = self.class.map_or("", RetentionClass::as_str);
        let slash = if class.is_empty() { "" } else { "/" };
        format!("entries/{}-{}{slash}{class}", self.from, self.to)
    }
}
