//! Capabilities: what a caller may do, from one closed registry, in sets that only narrow.

use std::fmt;
use std::str::FromStr;

use crate::UnmaskClass;
use crate::unmask::UnmaskClasses;

macro_rules! registry {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// One thing that a caller may do, written `resource:verb` or `resource:verb:qualifier`.
        ///
        /// The registry is closed: a text that is not in it is refused, never carried along.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Capability {
            $($(#[doc = $doc])+ $name,)+
            /// See values of one class that stand behind tokens: `pii:unmask:` and the class's id,
            /// as `pii:unmask:contact.email`.
            UnmaskClass(UnmaskClass),
        }

        /// Capabilities as bits.
        #[derive(Clone, Copy)]
        enum Bit {
            $($name,)+
        }

        impl Capability {
            /// The registry, in the order in which sets are written, but for what is for one class:
            /// see [`Capability::all`].
            pub const NAMED: &'static [Self] = &[$(Self::$name,)+];

            /// The capability's name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                    Self::UnmaskClass(class) => class.capability(),
                }
            }

            /// The capability among a set's bits; none for what is for one class.
            pub(crate) const fn bit(self) -> u64 {
                match self {
                    $(Self::$name => 1 << Bit::$name as u64,)+
                    Self::UnmaskClass(_) => 0,
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
    /// The whole registry, in the order in which sets are written.
    pub fn all() -> impl Iterator<Item = Self> {
        let classes = UnmaskClass::all().map(Self::UnmaskClass);
        Self::NAMED.iter().copied().chain(classes)
    }

    /// The capability to see values of a class behind their tokens, by the class's id. Whoever may see
    /// the values of the group, which is the id's first part, may see these; a tenant's own classes
    /// have one for them all.
    ///
    /// ```
    /// use strongroom_tenancy::{Capability, CapabilitySet};
    ///
    /// let email = Capability::unmask("contact.email").unwrap();
    /// assert_eq!(email.as_str(), "pii:unmask:contact.email");
    /// assert!(CapabilitySet::of(&[Capability::UnmaskContact]).contains(email));
    /// assert_eq!(Capability::unmask("custom.badge"), Some(Capability::UnmaskCustom));
    /// assert_eq!(Capability::unmask("unheard.of"), None);
    /// ```
    #[must_use]
    pub fn unmask(class: &str) -> Option<Self> {
        if class.starts_with("custom.") {
            return Some(Self::UnmaskCustom);
        }
        UnmaskClass::new(class).map(Self::UnmaskClass)
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
        let mut named = Self::NAMED.iter().copied();
        let found = named.find(|known| known.as_str() == text);
        let found = found.or_else(|| UnmaskClass::of_capability(text).map(Self::UnmaskClass));
        found.ok_or(CapabilityError::Unknown)
    }
}

/// A set of capabilities that can be narrowed and never widened.
///
/// There is no union: a caller's set comes from a role or a stored key, and every step after
/// that can only take away. The text form is the names in registry order, one space apart. A name
/// that another one has in it, as `pii:unmask:gov` has `pii:unmask:gov.ssn.us`, is not written beside it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CapabilitySet {
    named: u64,
    /// Those of no group in `named`, so that equal sets are equal.
    classes: UnmaskClasses,
}

impl CapabilitySet {
    /// The set that allows nothing.
    pub const EMPTY: Self = Self::new(0, UnmaskClasses::EMPTY);

    const fn new(named: u64, classes: UnmaskClasses) -> Self {
        let classes = classes.without(UnmaskClasses::of_groups(named));
        Self { named, classes }
    }

    /// The set with one more, which may stand beside its group until [`Self::new`] takes it away.
    const fn with(self, capability: Capability) -> Self {
        let Self { named, classes } = self;
        match capability {
            Capability::UnmaskClass(class) => Self {
                named,
                classes: classes.with(class),
            },
            capability => Self {
                named: named | capability.bit(),
                classes,
            },
        }
    }

    /// A set of just these.
    #[must_use]
    pub const fn of(capabilities: &[Capability]) -> Self {
        let mut set = Self::EMPTY;
        let mut rest = capabilities;
        while let [first, others @ ..] = rest {
            set = set.with(*first);
            rest = others;
        }
        Self::new(set.named, set.classes)
    }

    /// Reads a list of names.
    ///
    /// # Errors
    /// [`CapabilityError`] when a name is unknown or stands twice.
    pub fn from_names<'a>(
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, CapabilityError> {
        let mut set = Self::EMPTY;
        for name in names {
            let more = set.with(name.parse()?);
            if more == set {
                return Err(CapabilityError::Duplicate);
            }
            set = more;
        }
        Ok(Self::new(set.named, set.classes))
    }

    /// All classes whose values may be seen.
    const fn unmasked(&self) -> UnmaskClasses {
        self.classes.or(UnmaskClasses::of_groups(self.named))
    }

    /// Whether the set allows this.
    #[must_use]
    pub const fn contains(&self, capability: Capability) -> bool {
        match capability {
            Capability::UnmaskClass(class) => self.unmasked().contains(class),
            capability => self.named & capability.bit() != 0,
        }
    }

    /// Whether everything that this set allows, `other` allows too.
    #[must_use]
    pub const fn is_subset_of(&self, other: &Self) -> bool {
        self.named & !other.named == 0 && self.classes.without(other.unmasked()).is_empty()
    }

    /// Whether the set allows nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.named == 0 && self.classes.is_empty()
    }

    /// What both sets allow.
    #[must_use]
    pub const fn narrowed_to(&self, other: &Self) -> Self {
        let classes = self.unmasked().and(other.unmasked());
        Self::new(self.named & other.named, classes)
    }

    /// The members, in registry order.
    pub fn iter(&self) -> impl Iterator<Item = Capability> + '_ {
        Capability::all().filter(|capability| match *capability {
            Capability::UnmaskClass(class) => self.classes.contains(class),
            capability => self.contains(capability),
        })
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
        let classes = UnmaskClass::all().map(Capability::UnmaskClass);
        let classes: Vec<_> = classes.collect();
        let named = prop::sample::subsequence(Capability::NAMED, 0..=Capability::NAMED.len());
        let classes = prop::sample::subsequence(classes, 0..=UnmaskClass::COUNT);
        (named, classes).prop_map(|(named, classes)| CapabilitySet::of(&[named, classes].concat()))
    }

    #[test]
    fn names_are_resource_verb_and_fit_the_set() {
        assert!(Capability::NAMED.len() < 64);
        for capability in Capability::all() {
            let parts: Vec<_> = capability.as_str().split(':').collect();
            assert!((2..=3).contains(&parts.len()), "{capability}");
            assert_eq!(capability.as_str().parse(), Ok(capability));
        }
    }

    #[test]
    fn the_longest_set_fits_where_sets_are_kept() {
        let groups: Vec<_> = UnmaskClass::groups().collect();
        let names = Capability::all().filter(|known| !groups.contains(known));
        let all = CapabilitySet::from_names(names.map(Capability::as_str)).unwrap();
        assert!(all.to_string().len() <= 4096, "{}", all.to_string().len());
    }

    #[test]
    fn a_group_has_its_classes_and_a_class_no_other() {
        let set = |text: &str| text.parse::<CapabilitySet>().unwrap();
        let (group, ssn) = (set("pii:unmask:gov"), set("pii:unmask:gov.ssn.us"));
        assert!(ssn.is_subset_of(&group) && !group.is_subset_of(&ssn));
        assert_eq!(group.narrowed_to(&ssn), ssn);
        assert_eq!(ssn.narrowed_to(&group), ssn);
        assert_eq!(set("pii:unmask:gov pii:unmask:gov.ssn.us"), group);
        assert!(!ssn.contains(Capability::UnmaskGov));
        assert!(!ssn.contains(Capability::unmask("gov.itin.us").unwrap()));
        assert!(!group.contains(Capability::unmask("contact.email").unwrap()));
        let contact = set("pii:unmask:contact");
        assert!(!group.is_subset_of(&contact) && !ssn.is_subset_of(&contact));
        assert!(!ssn.is_subset_of(&set("pii:unmask:gov.itin.us")));
        assert!(ssn.narrowed_to(&contact).is_empty());
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
        let twice = "pii:unmask:gov.ssn.us pii:unmask:gov.ssn.us".parse::<CapabilitySet>();
        assert_eq!(twice, Err(CapabilityError::Duplicate));
        for unknown in [
            "pii:unmask:",
            "pii:unmask:gov.",
            "pii:unmask:custom.badge",
            "gov.ssn.us",
        ] {
            let refused = unknown.parse::<CapabilitySet>();
            assert_eq!(refused, Err(CapabilityError::Unknown), "{unknown}");
        }
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
            let within = Capability::all().all(|known| !a.contains(known) || b.contains(known));
            prop_assert_eq!(a.is_subset_of(&b), within);
            prop_assert_eq!(a.narrowed_to(&b) == a, within);
            for capability in Capability::all() {
                let both = a.contains(capability) && b.contains(capability);
                prop_assert_eq!(narrowed.contains(capability), both, "{}", capability);
            }
        }

        #[test]
        fn text_round_trips(set in any_set()) {
            prop_assert_eq!(set.to_string().parse::<CapabilitySet>(), Ok(set));
        }
    }
}
