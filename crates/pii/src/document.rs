//! The policy document: its members, and what they may say.

use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer, Error as _};
use strongroom_tenancy::TenantId;

use crate::operator::MOST_KEPT;
use crate::{
    Channel, Checksum, Class, Confidence, CustomClass, CustomError, CustomRule, Detector, Mode,
    Operator, RestorePolicy,
};

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
    #[error("mode: expected strict, reversible, flag, off or block")]
    Mode,
    /// `operator` is not an operator's name, or does not go with the mode.
    #[error(
        "operator: expected label, number, token, mask or hmac with strict; token with reversible"
    )]
    Operator,
    /// `keep` is not a number from 1 to 4, or the operator is not `mask`.
    #[error("keep: expected 1 to 4, with the operator mask")]
    Keep,
    /// A class of the document's own is not well-formed.
    #[error(
        "classes: expected an id custom. and a name of its own, and either a pattern that takes 3 to 256 bytes or values"
    )]
    CustomClass,
    /// There are too many classes, or values in lists.
    #[error("classes: at most 64 are accepted, and 10000 values in all lists")]
    TooManyClasses,
    /// `checksum` is not the name of one.
    #[error("checksum: expected luhn, mod97, mod11 or verhoeff")]
    Checksum,
    /// A rule would weaken the audit channel.
    #[error("channel audit: strict, label or number, min_confidence at most 0.5")]
    AuditWeakened,
}

impl PolicyFault {
    const ALL: [Self; 16] = [
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
        Self::Operator,
        Self::Keep,
        Self::CustomClass,
        Self::TooManyClasses,
        Self::Checksum,
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
    #[serde(default)]
    classes: Vec<WrittenClass>,
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default)]
    pub(crate) restore: WrittenRestore,
}

/// Where values are put back that a reversible rule took out.
#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WrittenRestore {
    answers: bool,
    urls: bool,
    tools: bool,
}

impl WrittenRestore {
    pub(crate) fn policy(&self) -> Option<RestorePolicy> {
        let policy = RestorePolicy {
            answers: self.answers,
            urls: self.urls,
            tools: self.tools,
        };
        (policy.answers || policy.tools).then_some(policy)
    }
}

/// A class of the document's own.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenClass {
    id: String,
    pattern: Option<String>,
    #[serde(default)]
    values: Vec<String>,
    #[serde(default)]
    context: Vec<String>,
    #[serde(default, deserialize_with = "checksum")]
    checksum: Option<Checksum>,
    #[serde(default, deserialize_with = "confidence")]
    confidence: Option<Confidence>,
}

impl WrittenClass {
    fn rule(&self, pattern: &str) -> Result<CustomRule, CustomError> {
        let rule =
            CustomRule::new(&self.id, pattern)?.with_context(self.context.iter().cloned())?;
        let rule = match self.checksum {
            Some(checksum) => rule.with_checksum(checksum),
            None => rule,
        };
        Ok(match self.confidence {
            Some(confidence) => rule.with_confidence(confidence),
            None => rule,
        })
    }
}

impl Document {
    /// The detector that the document asks for, when it asks for other than the built-in classes; or
    /// what is wrong, and the name at which.
    pub(crate) fn detector(&self) -> Result<Option<Detector>, (PolicyFault, String)> {
        let mut builder = Detector::builder().allow(&self.allow);
        for class in &self.classes {
            let refused = |_| (PolicyFault::CustomClass, class.id.clone());
            let listed = !class.values.is_empty();
            builder = match &class.pattern {
                Some(pattern) if !listed => builder.rule(class.rule(pattern).map_err(refused)?),
                None if listed
                    && class.context.is_empty()
                    && class.checksum.is_none()
                    && class.confidence.is_none() =>
                {
                    builder
                        .deny(&class.id, class.values.iter().cloned())
                        .map_err(refused)?
                }
                _ => return Err(refused(CustomError::Class)),
            };
        }
        // A rule with a slip of the pen must not reach nothing.
        for rule in &self.rules {
            if let ClassSelector::Exactly(Class::Custom(class)) = &rule.class
                && !self.classes.iter().any(|known| known.id == class.id())
            {
                return Err((PolicyFault::Class, class.id().to_owned()));
            }
        }
        if self.classes.is_empty() && self.allow.is_empty() {
            return Ok(None);
        }
        let built = builder.build().map_err(|error| match error {
            CustomError::TooMany => (PolicyFault::TooManyClasses, "classes".to_owned()),
            _ => (PolicyFault::CustomClass, "classes".to_owned()),
        });
        built.map(Some)
    }
}

/// One rule: whom it is for, and what it says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    pub(crate) tenant: Option<TenantId>,
    pub(crate) class: ClassSelector,
    pub(crate) channel: Option<Channel>,
    pub(crate) min_confidence: Confidence,
    pub(crate) mode: Mode,
    pub(crate) operator: Operator,
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
    #[serde(default, deserialize_with = "operator")]
    operator: Option<Operator>,
    #[serde(default, deserialize_with = "keep")]
    keep: Option<u8>,
}

impl ClassSelector {
    pub(crate) fn covers(&self, class: &Class) -> bool {
        match self {
            Self::Any => true,
            Self::Group(prefix) => class.id().starts_with(prefix.as_str()),
            Self::Exactly(exactly) => exactly == class,
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
            let known = prefix == "custom."
                || prefix.ends_with('.') && Class::ALL.iter().any(|c| c.id().starts_with(prefix));
            return known.then(|| Self::Group(prefix.to_owned()));
        }
        let found = Class::ALL.iter().find(|class| class.id() == text).cloned();
        let custom = || CustomClass::new(text).ok().map(Class::Custom);
        found.or_else(custom).map(Self::Exactly)
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
            operator,
            keep,
        } = WrittenRule::deserialize(deserializer)?;
        let operator = match (mode, operator, keep) {
            (Mode::Strict, Some(Operator::Mask { .. }), Some(keep)) => Operator::Mask { keep },
            (Mode::Strict, Some(Operator::Mask { .. }), None) | (_, _, Some(_)) => {
                return Err(D::Error::custom(PolicyFault::Keep));
            }
            (Mode::Reversible, None | Some(Operator::Token), None) => Operator::Token,
            (Mode::Strict, operator, None) => operator.unwrap_or_default(),
            (_, None, None) => Operator::Label,
            (_, Some(_), None) => return Err(D::Error::custom(PolicyFault::Operator)),
        };
        let linkable = !matches!(operator, Operator::Label | Operator::Number);
        let weak =
            linkable || mode != Mode::Strict || min_confidence > Confidence::DEFAULT_THRESHOLD;
        if channel == Some(Channel::Audit) && weak {
            return Err(D::Error::custom(PolicyFault::AuditWeakened));
        }
        Ok(Self {
            tenant,
            class,
            channel,
            min_confidence,
            mode,
            operator,
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

fn operator<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Operator>, D::Error> {
    parsed(deserializer, PolicyFault::Operator, |text| {
        let known = [
            Operator::Label,
            Operator::Number,
            Operator::Token,
            Operator::Mask { keep: 0 },
            Operator::Hmac,
        ];
        known
            .into_iter()
            .find(|known| known.as_str() == text)
            .map(Some)
    })
}

fn checksum<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Checksum>, D::Error> {
    parsed(deserializer, PolicyFault::Checksum, |text| {
        let known = Checksum::ALL.into_iter();
        let mut known = known.filter(|known| known.as_str() == text);
        known.next().map(Some)
    })
}

fn confidence<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Confidence>, D::Error> {
    min_confidence(deserializer).map(Some)
}

fn keep<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u8>, D::Error> {
    let keep = u8::deserialize(deserializer)
        .ok()
        .filter(|keep| (1..=MOST_KEPT).contains(keep));
    keep.map(Some)
        .ok_or_else(|| D::Error::custom(PolicyFault::Keep))
}

fn min_confidence<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Confidence, D::Error> {
    Confidence::new(f32::deserialize(deserializer)?)
        .ok_or_else(|| D::Error::custom(PolicyFault::MinConfidence))
}

const fn default_threshold() -> Confidence {
    Confidence::DEFAULT_THRESHOLD
}
