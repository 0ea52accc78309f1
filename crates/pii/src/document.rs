//! The policy document: its members, and what they may say.

use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer, Error as _};
use strongroom_tenancy::TenantId;

use crate::{Channel, Class, Confidence, Mode};

/// Why a policy document is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyFault {
    /// Not well-formed TOML or JSON, a member twice, or a value of the wrong type.
    #[error("malformed document, or a value of the wrong type")]
    Malformed,
    /// A member that the format does not have.
    #[error("unknown member")]
    UnknownMember,
    /// A member that the format requires is absent.
    #[error("missing member")]
    MissingMember,
    /// Over 1024 rules.
    #[error("rules: at most 1024 are accepted")]
    TooManyRules,
    /// `version` is 0.
    #[error("version: expected an integer from 1")]
    Version,
    /// `tenant` is neither `*` nor a tenant id.
    #[error("tenant: expected * or a lower-case hyphenated uuid")]
    Tenant,
    /// `class` is neither `*`, nor a class id, nor a prefix of one that ends in `.*`.
    #[error("class: expected *, a known class or a known group such as gov.*")]
    Class,
    /// `channel` is neither `*` nor a channel's name.
    #[error("channel: expected *, prompt, output, tool, log, audit, webhook or export")]
    Channel,
    /// `min_confidence` is not a number from 0 to 1.
    #[error("min_confidence: expected a number from 0 to 1")]
    MinConfidence,
    /// `mode` is not a mode's name.
    #[error("mode: expected strict, flag, off or block")]
    Mode,
    /// A rule would weaken the audit channel.
    #[error("channel audit: the mode is always strict and min_confidence at most 0.5")]
    AuditWeakened,
}

impl PolicyFault {
    const ALL: [Self; 11] = [
        Self::Malformed,
        Self::UnknownMember,
        Self::MissingMember,
        Self::TooManyRules,
        Self::Version,
        Self::Tenant,
        Self::Class,
        Self::Channel,
        Self::MinConfidence,
        Self::Mode,
        Self::AuditWeakened,
    ];

    /// Finds the fault behind a parser's message, whose own words may hold the offending value.
    pub(crate) fn from_message(message: &str) -> Self {
        if message.starts_with("unknown field") {
            return Self::UnknownMember;
        }
        if message.starts_with("missing field") {
            return Self::MissingMember;
        }
        let mut all = Self::ALL.into_iter();
        all.find(|fault| message.starts_with(&fault.to_string()))
            .unwrap_or(Self::Malformed)
    }
}

/// The most rules of one document: choosing a rule looks at each.
const MAX_RULES: usize = 1024;

/// A policy document as written.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    #[serde(deserialize_with = "version")]
    pub(crate) version: u64,
    #[serde(default, deserialize_with = "rules")]
    pub(crate) rules: Vec<Rule>,
}

/// One rule: whom it is for, and what it says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    pub(crate) tenant: Option<TenantId>,
    pub(crate) class: ClassSelector,
    pub(crate) channel: Option<Channel>,
    pub(crate) min_confidence: Confidence,
    pub(crate) mode: Mode,
}

/// Which classes a rule is for, the widest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ClassSelector {
    Any,
    /// A prefix of whole parts, with its final dot.
    Group(String),
    Exactly(Class),
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRule {
    #[serde(deserialize_with = "tenant")]
    tenant: Option<TenantId>,
    #[serde(deserialize_with = "class")]
    class: ClassSelector,
    #[serde(deserialize_with = "channel")]
    channel: Option<Channel>,
    #[serde(default = "default_threshold", deserialize_with = "min_confidence")]
    min_confidence: Confidence,
    #[serde(deserialize_with = "mode")]
    mode: Mode,
}

impl ClassSelector {
    pub(crate) fn covers(&self, class: Class) -> bool {
        match self {
            Self::Any => true,
            Self::Group(prefix) => class.id().starts_with(prefix.as_str()),
            Self::Exactly(exactly) => *exactly == class,
        }
    }

    /// How narrow it is: the longer the prefix, the narrower.
    pub(crate) fn specificity(&self) -> usize {
        match self {
            Self::Any => 0,
            Self::Group(prefix) => prefix.len(),
            Self::Exactly(_) => usize::MAX,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Any);
        }
        if let Some(prefix) = text.strip_suffix('*') {
            let known =
                prefix.ends_with('.') && Class::ALL.iter().any(|c| c.id().starts_with(prefix));
            return known.then(|| Self::Group(prefix.to_owned()));
        }
        let found = Class::ALL.iter().find(|class| class.id() == text);
        found.copied().map(Self::Exactly)
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let WrittenRule {
            tenant,
            class,
            channel,
            min_confidence,
            mode,
        } = WrittenRule::deserialize(deserializer)?;
        let weak = mode != Mode::Strict || min_confidence > Confidence::DEFAULT_THRESHOLD;
        if channel == Some(Channel::Audit) && weak {
            return Err(D::Error::custom(PolicyFault::AuditWeakened));
        }
        Ok(Self {
            tenant,
            class,
            channel,
            min_confidence,
            mode,
        })
    }
}

/// Reads a string member with a parser of its own; what the parser refuses is `fault`.
fn parsed<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    fault: PolicyFault,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, D::Error> {
    let text = Cow::<'de, str>::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| D::Error::custom(fault))
}

fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    match u64::deserialize(deserializer)? {
        0 => Err(D::Error::custom(PolicyFault::Version)),
        version => Ok(version),
    }
}

fn rules<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Rule>, D::Error> {
    let rules = Vec::<Rule>::deserialize(deserializer)?;
    if rules.len() > MAX_RULES {
        return Err(D::Error::custom(PolicyFault::TooManyRules));
    }
    Ok(rules)
}

fn tenant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TenantId>, D::Error> {
    parsed(deserializer, PolicyFault::Tenant, |text| match text {
        "*" => Some(None),
        id => id.parse().ok().map(Some),
    })
}

fn class<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ClassSelector, D::Error> {
    parsed(deserializer, PolicyFault::Class, ClassSelector::parse)
}

fn channel<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Channel>, D::Error> {
    parsed(deserializer, PolicyFault::Channel, |text| match text {
        "*" => Some(None),
        name => name.parse().ok().map(Some),
    })
}

fn mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Mode, D::Error> {
    parsed(deserializer, PolicyFault::Mode, |text| text.parse().ok())
}

fn min_confidence<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Confidence, D::Error> {
    Confidence::new(f32::deserialize(deserializer)?)
        .ok_or_else(|| D::Error::custom(PolicyFault::MinConfidence))
}

const fn default_threshold() -> Confidence {
    Confidence::DEFAULT_THRESHOLD
}
