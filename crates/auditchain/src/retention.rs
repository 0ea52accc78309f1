//! Retention: how long the payloads of a log's entries are kept, `docs/spec/audit-log.md`.

use crate::EventKind;
use crate::erasure::ERASED_KIND;

/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;

/// Why an entry's payload is kept, and hence how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RetentionClass {
    /// What agents did: for as long as the tenant chose.
    Agent,
    /// What an auditor asks for: seven years, whatever anyone chose.
    Compliance,
}

/// Which kinds of event are of which class: those that are listed are agents', all others are kept
/// longest.
///
/// ```
/// use strongroom_auditchain::{Classes, RetentionClass};
///
/// let classes = Classes::new(["chat.", "tool.called"])?;
/// assert_eq!(classes.of(&"chat.attempt".parse()?), RetentionClass::Agent);
/// assert_eq!(classes.of(&"tool.called".parse()?), RetentionClass::Agent);
/// assert_eq!(classes.of(&"api_key.issued".parse()?), RetentionClass::Compliance);
/// assert_eq!(classes.of(&"chatter.begun".parse()?), RetentionClass::Compliance);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classes(Vec<EventKind>);

/// Why a table of kinds is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClassesError {
    /// Neither a kind nor the beginning of one up to a dot.
    #[error("retention classes: expected event kinds, or beginnings of them that end in a dot")]
    Kind,
    /// A kind that no table can make an agent's.
    #[error("retention classes: erasures and break-glass events are always compliance events")]
    Reserved,
}

/// How many days a tenant's payloads are kept.
///
/// ```
/// use strongroom_auditchain::{Retention, RetentionClass};
///
/// let retention = Retention::new(30)?;
/// let then = 1_700_000_000;
/// let is_due = |class, high_risk, days: u64| {
///     retention.is_due(class, high_risk, then * 1_000_000, then + days * 86_400)
/// };
/// assert!(!is_due(RetentionClass::Agent, false, 29));
/// assert!(is_due(RetentionClass::Agent, false, 30));
/// // Agents that are marked high-risk, and what auditors ask for, are not subject to the choice.
/// assert!(!is_due(RetentionClass::Agent, true, 183));
/// assert!(!is_due(RetentionClass::Compliance, false, 2556));
/// # Ok::<(), strongroom_auditchain::RetentionError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    days: u64,
}

/// Why a number of days is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RetentionError {
    /// Fewer than [`Retention::LEAST_DAYS`].
    #[error("retention: agent events are kept for at least 30 days")]
    TooShort,
    /// More than [`Retention::MOST_DAYS`].
    #[error("retention: agent events are kept for at most 365 days")]
    TooLong,
}

impl RetentionClass {
    /// Every class.
    pub const ALL: [Self; 2] = [Self::Agent, Self::Compliance];

    /// The class's name, as it stands in erasures.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Compliance => "compliance",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == name)
    }
}

impl Classes {
    /// Takes the kinds of agents' events: each a whole kind, or the beginning of kinds up to and
    /// with a dot.
    ///
    /// # Errors
    /// [`ClassesError::Kind`] for anything else, and [`ClassesError::Reserved`] for one that would
    /// shorten the life of an erasure or a break-glass event.
    pub fn new<'a>(agents: impl IntoIterator<Item = &'a str>) -> Result<Self, ClassesError> {
        let agents = agents.into_iter().map(|agent| {
            let kind: EventKind = agent.parse().map_err(|_| ClassesError::Kind)?;
            // The events by which erasures and overrides are known outlive what they were about.
            if is_of(ERASED_KIND, &kind) || agent.starts_with("break_glass.") {
                return Err(ClassesError::Reserved);
            }
            Ok(kind)
        });
        agents.collect::<Result<_, _>>().map(Self)
    }

    /// The class of a kind; compliance unless it is listed.
    #[must_use]
    pub fn of(&self, kind: &EventKind) -> RetentionClass {
        self.named(kind.as_str())
    }

    pub(crate) fn named(&self, kind: &str) -> RetentionClass {
        if self.0.iter().any(|listed| is_of(kind, listed)) {
            RetentionClass::Agent
        } else {
            RetentionClass::Compliance
        }
    }
}

impl Retention {
    /// The shortest choice for agents' events.
    pub const LEAST_DAYS: u16 = 30;

    /// The longest choice for agents' events.
    pub const MOST_DAYS: u16 = 365;

    /// What holds for whoever chose nothing.
    pub const DEFAULT_DAYS: u16 = 90;

    /// The floor for agents marked high-risk: six months at their longest, July to December (EU AI
    /// Act, articles 19 and 26).
    pub const HIGH_RISK_DAYS: u16 = 184;

    /// Compliance events: seven years of 365 days and the two leap days that they can have.
    pub const COMPLIANCE_DAYS: u16 = 2557;

    /// Takes the tenant's choice for agents' events, in days.
    ///
    /// # Errors
    /// [`RetentionError`] outside [`Self::LEAST_DAYS`] to [`Self::MOST_DAYS`].
    pub fn new(days: u16) -> Result<Self, RetentionError> {
        if days < Self::LEAST_DAYS {
            return Err(RetentionError::TooShort);
        }
        if days > Self::MOST_DAYS {
            return Err(RetentionError::TooLong);
        }
        Ok(Self { days: days.into() })
    }

    /// How many days a payload is kept.
    #[must_use]
    pub fn days(&self, class: RetentionClass, high_risk: bool) -> u64 {
        match class {
            RetentionClass::Agent if high_risk => self.days.max(Self::HIGH_RISK_DAYS.into()),
            RetentionClass::Agent => self.days,
            RetentionClass::Compliance => Self::COMPLIANCE_DAYS.into(),
        }
    }

    /// When the payload of an event of this time, in microseconds, may go: in Unix seconds.
    ///
    /// A second that has begun counts as a whole one, so that nothing goes early.
    #[must_use]
    pub fn expires_at(&self, class: RetentionClass, high_risk: bool, time_us: u64) -> u64 {
        let kept = self.days(class, high_risk).saturating_mul(DAY);
        time_us.div_ceil(1_000_000).saturating_add(kept)
    }

    /// Whether the payload of an event of this time, in microseconds, is to go at `now`, in Unix
    /// seconds. A clock that goes back makes nothing due.
    #[must_use]
    pub fn is_due(&self, class: RetentionClass, high_risk: bool, time_us: u64, now: u64) -> bool {
        now >= self.expires_at(class, high_risk, time_us)
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            days: Self::DEFAULT_DAYS.into(),
        }
    }
}

/// Whether a kind is the listed one, or begins with it where it ends in a dot.
fn is_of(kind: &str, listed: &EventKind) -> bool {
    let listed = listed.as_str();
    kind == listed || (listed.ends_with('.') && kind.starts_with(listed))
}
