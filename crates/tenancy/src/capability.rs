//! Capabilities: what a caller may do, from one closed registry, in sets that only narrow.

use std::fmt;
use std::str::FromStr;

macro_rules! registry {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// One thing that a caller may do, written `resource:verb` or `resource:verb:qualifier`.
        ///
        /// The registry is closed: a text that is not in it is refused, never carried along.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Capability {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Capability {
            /// The whole registry, in the order in which sets are written.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The capability's name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

registry! {
    /// See the tenant's resources.
    ResourcesView = "resources:view",
    /// Create and edit agents.
    AgentsEdit = "agents:edit",
    /// Manage teams.
    TeamsManage = "teams:manage",
    /// Manage users.
    UsersManage = "users:manage",
    /// Manage LLM providers and their credentials.
    ProvidersManage = "providers:manage",
    /// Issue, list and revoke API keys.
    ApiKeysManage = "api_keys:manage",
    /// See billing.
    BillingView = "billing:view",
    /// Delete the organisation.
    OrganisationDelete = "organisation:delete",
    /// Send a prompt to a model.
    ChatCreate = "chat:create",
    /// Read the tenant's audit log, its proofs and checkpoints.
    AuditRead = "audit:read",
    /// Ask for a checkpoint or a verification pass now.
    AuditOperate = "audit:operate",
    /// Manage webhook endpoints.
    WebhooksManage = "webhooks:manage",
    /// Change the tenant's PII policy.
    PolicyManage = "policy:manage",
    /// Seal data under the tenant's keys.
    KeysSeal = "keys:seal",
    /// Open data that was sealed under the tenant's keys.
    KeysOpen = "keys:open",
    /// See the tenant's keys and rotate them.
    KeysRotate = "keys:rotate",
    /// Destroy a subject's keys, and with them all that is sealed under them.
    KeysShred = "keys:shred",
    /// Destroy a tenant's keys; the platform's operator alone.
    TenantsShred = "tenants:shred",
    /// Create tenants; the platform's operator alone.
    TenantsCreate = "tenants:create",
    /// End access tokens, logins and all that renews them: of a user, or of the tenant.
    TokensRevoke = "tokens:revoke",
    /// Say whose logins are accepted, and what they may do.
    IdentityManage = "identity:manage",
    /// See the keys of access tokens and withdraw one; the platform's operator alone.
    TokenKeysManage = "token_keys:manage",
    /// Say how long what agents said is kept, and of which agents longer.
    RetentionManage = "retention:manage",
    /// Learn whom a pseudonym of the audit log stands for.
    SubjectsResolve = "subjects:resolve",
    /// See e-mail addresses, telephone numbers and the like that stand behind tokens.
    UnmaskContact = "pii:unmask:contact",
    /// See credentials that stand behind tokens.
    UnmaskCredential = "pii:unmask:credential",
    /// See what a tenant's own classes found, behind tokens.
    UnmaskCustom = "pii:unmask:custom",
    /// See cards, accounts and wallets that stand behind tokens.
    UnmaskFinance = "pii:unmask:finance",
    /// See government's numbers of people and firms that stand behind tokens.
    UnmaskGov = "pii:unmask:gov",
    /// See codes and numbers of health care that stand behind tokens.
    UnmaskHealth = "pii:unmask:health",
    /// See places that stand behind tokens.
    UnmaskLocation = "pii:unmask:location",
    /// See addresses of networks and devices that stand behind tokens.
    UnmaskNet = "pii:unmask:net",
    /// See what says who a person is, as a date of birth, that stands behind tokens.
    UnmaskPerson = "pii:unmask:person",
    /// See vehicles' numbers that stand behind tokens.
    UnmaskVehicle = "pii:unmask:vehicle",
}

/// Why a text is not a capability, or not a set of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CapabilityError {
    /// The name is not in the registry.
    #[error("capability: not in the registry")]
    Unknown,
    /// The same name stands twice in one list.
    #[error("capability: listed twice")]
    Duplicate,
}

impl Capability {
    /// The capability to see values of a class behind their tokens, by the class's id: it is one for
    /// all classes whose ids have the first part in common, as `gov` of `gov.ssn.us`.
    ///
    /// ```
    /// use strongroom_tenancy::Capability;
    ///
    /// assert_eq!(Capability::unmask("gov.ssn.us"), Some(Capability::UnmaskGov));
    /// assert_eq!(Capability::unmask("unheard.of"), None);
    /// ```
    #[must_use]
    pub fn unmask(class: &str) -> Option<Self> {
        let group = class.split('.').next()?;
        let mut all = Self::ALL.iter().copied();
        all.find(|known| known.as_str().strip_prefix("pii:unmask:") == Some(group))
    }

    const fn bit(self) -> u64 {
        1 << self as u64
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Capability {
    type Err = CapabilityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().find(|known| known.as_str() == text);
        found.copied().ok_or(CapabilityError::Unknown)
    }
}

/// A set of capabilities that can be narrowed and never widened.
///
/// There is no union: a caller's set comes from a role or a stored key, and every step after
/// that can only take away. The text form is the names in registry order, one space apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CapabilitySet(u64);

impl CapabilitySet {
    /// The set that allows nothing.
    pub const EMPTY: Self = Self(0);

    /// A set of just these.
    #[must_use]
    pub const fn of(capabilities: &[Capability]) -> Self {
        let mut bits = 0;
        let mut rest = capabilities;
        while let [first, others @ ..] = rest {
            bits |= first.bit();
            rest = others;
        }
        Self(bits)
    }

    /// Reads a list of names.
    ///
    /// # Errors
    /// [`CapabilityError`] when a name is unknown or stands twice.
    pub fn from_names<'a>(
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, CapabilityError> {
        let mut bits = 0;
        for name in names {
            let bit = name.parse::<Capability>()?.bit();
            if bits & bit != 0 {
                return Err(CapabilityError::Duplicate);
            }
            bits |= bit;
        }
        Ok(Self(bits))
    }

    /// Whether the set allows this.
    #[must_use]
    pub const fn contains(&self, capability: Capability) -> bool {
        self.0 & capability.bit() != 0
    }

    /// Whether everything that this set allows, `other` allows too.
    #[must_use]
    pub const fn is_subset_of(&self, other: &Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Whether the set allows nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// What both sets allow.
    #[must_use]
    pub const fn narrowed_to(&self, other: &Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The members, in registry order.
    pub fn iter(&self) -> impl Iterator<Item = Capability> + '_ {
        Capability::ALL
            .iter()
            .copied()
            .filter(|capability| self.contains(*capability))
    }
}

impl fmt::Display for CapabilitySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, capability) in self.iter().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            f.write_str(capability.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Debug for CapabilitySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CapabilitySet({self})")
    }
}

impl FromStr for CapabilitySet {
    type Err = CapabilityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_names(text.split_ascii_whitespace())
    }
}

impl serde::Serialize for CapabilitySet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Capability::as_str))
    }
}

impl<'de> serde::Deserialize<'de> for CapabilitySet {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        Self::from_names(names.iter().map(String::as_str)).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_set() -> impl Strategy<Value = CapabilitySet> {
        (0_u64..1 << Capability::ALL.len()).prop_map(CapabilitySet)
    }

    #[test]
    fn names_are_resource_verb_and_fit_the_set() {
        assert!(Capability::ALL.len() < 64);
        for capability in Capability::ALL {
            let parts: Vec<_> = capability.as_str().split(':').collect();
            assert!((2..=3).contains(&parts.len()), "{capability}");
            assert_eq!(capability.as_str().parse(), Ok(*capability));
        }
    }

    #[test]
    fn unknown_and_duplicate_names_are_refused() {
        assert_eq!(
            "chat:delete".parse::<CapabilitySet>(),
            Err(CapabilityError::Unknown)
        );
        assert_eq!(
            "Chat:Create".parse::<CapabilitySet>(),
            Err(CapabilityError::Unknown)
        );
        let twice = "chat:create chat:create".parse::<CapabilitySet>();
        assert_eq!(twice, Err(CapabilityError::Duplicate));
    }

    #[test]
    fn serde_speaks_in_names() {
        let set = CapabilitySet::of(&[Capability::AuditRead, Capability::ChatCreate]);
        let json = serde_json::to_string(&set).unwrap();
        assert_eq!(json, r#"["chat:create","audit:read"]"#);
        assert_eq!(serde_json::from_str::<CapabilitySet>(&json).unwrap(), set);
        assert!(serde_json::from_str::<CapabilitySet>(r#"["root:all"]"#).is_err());
    }

    proptest! {
        #[test]
        fn narrowing_never_widens(a in any_set(), b in any_set()) {
            let narrowed = a.narrowed_to(&b);
            prop_assert!(narrowed.is_subset_of(&a) && narrowed.is_subset_of(&b));
            for capability in narrowed.iter() {
                prop_assert!(a.contains(capability) && b.contains(capability));
            }
        }

        #[test]
        fn text_round_trips(set in any_set()) {
            prop_assert_eq!(set.to_string().parse::<CapabilitySet>(), Ok(set));
        }
    }
}
