//! The actor: a user, a service, an agent or the platform, and on whose behalf it acts.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::tenant::parse_canonical;

/// The longest delegation chain that is accepted, in links.
pub const MAX_DELEGATION: usize = 8;

/// What kind of thing acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ActorKind {
    /// A person.
    User,
    /// A program with an API key of its own.
    Service,
    /// An AI agent.
    Agent,
    /// The platform itself: its jobs, its operator.
    Platform,
}

impl ActorKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::User, Self::Service, Self::Agent, Self::Platform];

    /// The kind's name, as it stands in an actor id.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Service => "service",
            Self::Agent => "agent",
            Self::Platform => "platform",
        }
    }
}

/// Identifies one actor: its kind and an opaque UUID, written `kind:uuid`.
///
/// An id says nothing about the person behind it; names and addresses live elsewhere and can be
/// erased there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActorId {
    kind: ActorKind,
    id: Uuid,
}

/// Why a text is not an actor id, or a chain not a delegation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ActorError {
    /// The text lacks `:`, or its kind is not one of [`ActorKind::ALL`].
    #[error("actor id: the kind must be user, service, agent or platform")]
    UnknownKind,
    /// What follows the kind is not a lower-case hyphenated UUID, or is nil.
    #[error("actor id: expected a lower-case hyphenated UUID after the kind")]
    MalformedId,
    /// The chain is longer than [`MAX_DELEGATION`].
    #[error("actor: a delegation chain holds at most 8 links")]
    ChainTooLong,
}

impl ActorId {
    /// Names an actor of a kind.
    ///
    /// # Errors
    /// [`ActorError::MalformedId`] for the nil UUID.
    pub const fn new(kind: ActorKind, id: Uuid) -> Result<Self, ActorError> {
        if id.is_nil() {
            Err(ActorError::MalformedId)
        } else {
            Ok(Self { kind, id })
        }
    }

    /// What kind of thing it is.
    #[must_use]
    pub const fn kind(&self) -> ActorKind {
        self.kind
    }

    /// The opaque part.
    #[must_use]
    pub const fn id(&self) -> &Uuid {
        &self.id
    }
}

impl fmt::Display for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.id.as_hyphenated())
    }
}

impl fmt::Debug for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActorId({self})")
    }
}

impl FromStr for ActorId {
    type Err = ActorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, id) = text.split_once(':').ok_or(ActorError::UnknownKind)?;
        let kind = ActorKind::ALL
            .into_iter()
            .find(|known| known.as_str() == kind)
            .ok_or(ActorError::UnknownKind)?;
        Self::new(kind, parse_canonical(id).ok_or(ActorError::MalformedId)?)
    }
}

impl serde::Serialize for ActorId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for ActorId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Who acts, and on whose behalf.
///
/// The chain runs outwards from the actor: an agent that a service started for a user is
/// `agent`, on behalf of `[service, user]`. The shape follows the nested `act` claim of RFC 8693,
/// section 4.1, read from the other end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Actor {
    id: ActorId,
    on_behalf_of: Vec<ActorId>,
}

impl Actor {
    /// An actor that acts for itself.
    #[must_use]
    pub const fn new(id: ActorId) -> Self {
        Self {
            id,
            on_behalf_of: Vec::new(),
        }
    }

    /// An actor that acts for others, nearest first.
    ///
    /// # Errors
    /// [`ActorError::ChainTooLong`] over [`MAX_DELEGATION`] links.
    pub fn delegated(id: ActorId, on_behalf_of: Vec<ActorId>) -> Result<Self, ActorError> {
        if on_behalf_of.len() > MAX_DELEGATION {
            return Err(ActorError::ChainTooLong);
        }
        Ok(Self { id, on_behalf_of })
    }

    /// Who acts.
    #[must_use]
    pub const fn id(&self) -> &ActorId {
        &self.id
    }

    /// For whom, nearest first; empty when the actor acts for itself.
    #[must_use]
    pub fn on_behalf_of(&self) -> &[ActorId] {
        &self.on_behalf_of
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rejections() {
        let id = "0190b2a4-8c7e-7d3a-9f00-0242ac120002";
        assert_eq!(id.parse::<ActorId>(), Err(ActorError::UnknownKind));
        assert_eq!(
            format!("root:{id}").parse::<ActorId>(),
            Err(ActorError::UnknownKind)
        );
        assert_eq!("user:".parse::<ActorId>(), Err(ActorError::MalformedId));
        let nil = "user:00000000-0000-0000-0000-000000000000";
        assert_eq!(nil.parse::<ActorId>(), Err(ActorError::MalformedId));
    }

    #[test]
    fn a_chain_is_bounded() {
        let id: ActorId = "agent:0190b2a4-8c7e-7d3a-9f00-0242ac120002"
            .parse()
            .unwrap();
        assert!(Actor::delegated(id, vec![id; MAX_DELEGATION]).is_ok());
        let over = Actor::delegated(id, vec![id; MAX_DELEGATION + 1]);
        assert_eq!(over, Err(ActorError::ChainTooLong));
    }

    proptest! {
        #[test]
        fn text_round_trips(kind in 0_usize..4, bits in 1_u128..) {
            let id = ActorId::new(ActorKind::ALL[kind], Uuid::from_u128(bits)).unwrap();
            prop_assert_eq!(id.to_string().parse::<ActorId>(), Ok(id));
        }
    }
}
