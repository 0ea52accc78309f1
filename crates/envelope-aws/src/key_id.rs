//! From a tenant's key reference to what AWS KMS calls the key.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::str::FromStr;

use strongroom_envelope::KeyRef;
use strongroom_tenancy::TenantId;

/// The longest alias of AWS KMS, in characters.
const MAX_ALIAS: usize = 256;

/// The ARN of a KMS key: `arn:aws:kms:<region>:<account>:key/<id>`, in any partition.
///
/// The ARN of an alias is none: whoever owns an alias can point it to another key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyArn(KeyRef);

/// The text is not the ARN of a KMS key, or is longer than 128 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("key arn: expected arn:aws:kms:<region>:<account>:key/<id> of at most 128 characters")]
pub struct KeyArnError;

impl KeyArn {
    /// The ARN as the reference that records carry.
    #[must_use]
    pub const fn as_key_ref(&self) -> &KeyRef {
        &self.0
    }

    /// Whether the text is the ARN of a key.
    pub(crate) fn check(text: &str) -> bool {
        let mut parts = text.split(':');
        let mut next = || parts.next().unwrap_or_default();
        let (arn, partition, service) = (next(), next(), next());
        let (region, account, key) = (next(), next(), next());
        let word = |text: &str| {
            let safe = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            !text.is_empty() && text.bytes().all(safe)
        };
        arn == "arn"
            && (partition == "aws" || partition.starts_with("aws-"))
            && word(partition)
            && service == "kms"
            && word(region)
            && account.len() == 12
            && account.bytes().all(|b| b.is_ascii_digit())
            && key.strip_prefix("key/").is_some_and(word)
            && parts.next().is_none()
    }
}

impl FromStr for KeyArn {
    type Err = KeyArnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !Self::check(text) {
            return Err(KeyArnError);
        }
        text.parse().map(Self).map_err(|_| KeyArnError)
    }
}

impl fmt::Display for KeyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for KeyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyArn({})", self.0)
    }
}

/// The KMS keys that tenants brought, each for exactly one tenant.
///
/// Only what is in here is ever called by its ARN. The list is the operator's: never fill it from
/// records, or from what a tenant says of another's key.
#[derive(Clone, Debug, Default)]
pub struct BroughtKeys {
    tenants: BTreeMap<KeyRef, TenantId>,
}

/// The key is another tenant's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("brought keys: the key is another tenant's")]
pub struct KeyTaken;

impl BroughtKeys {
    /// No keys.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            tenants: BTreeMap::new(),
        }
    }

    /// Lets a tenant use a key; doing it twice is no error.
    ///
    /// # Errors
    /// [`KeyTaken`] when the key is another tenant's.
    pub fn add(&mut self, tenant: TenantId, key: KeyArn) -> Result<(), KeyTaken> {
        match self.tenants.entry(key.0) {
            Entry::Vacant(entry) => {
                entry.insert(tenant);
                Ok(())
            }
            Entry::Occupied(entry) if *entry.get() == tenant => Ok(()),
            Entry::Occupied(_) => Err(KeyTaken),
        }
    }

    /// What AWS KMS calls the tenant's key; nothing when the tenant may not use it.
    pub(crate) fn key_id(&self, tenant: &TenantId, key: &KeyRef) -> Option<String> {
        if self.tenants.get(key) == Some(tenant) {
            return Some(key.as_str().to_owned());
        }
        alias(tenant, key)
    }
}

/// The alias of a key of ours, `alias/strongroom/<tenant>/<name>`; nothing for an ARN, another
/// tenant's alias, or a name that is too long for one.
///
/// Aliases have fewer characters than references: `_`, `.` and `:` become `__`, `_d` and `_c`, so
/// that no two names share an alias. A reference that is the tenant's alias already stays as it is.
pub(crate) fn alias(tenant: &TenantId, key: &KeyRef) -> Option<String> {
    let text = key.as_str();
    let mut alias = format!("alias/strongroom/{tenant}/");
    if text.starts_with("arn:") {
        return None;
    }
    if text.starts_with("alias/") {
        let name = text.strip_prefix(&alias)?;
        let safe = |b: u8| b.is_ascii_alphanumeric() || b"/_-".contains(&b);
        return (!name.is_empty() && name.bytes().all(safe)).then(|| text.to_owned());
    }
    for character in text.chars() {
        match character {
            '_' => alias.push_str("__"),
            '.' => alias.push_str("_d"),
            ':' => alias.push_str("_c"),
            other => alias.push(other),
        }
    }
    (alias.len() <= MAX_ALIAS).then_some(alias)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ARN: &str =
        "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    fn acme() -> TenantId {
        "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().unwrap()
    }

    fn other() -> TenantId {
        "0190b2a4-8c7e-7d3a-9f00-0242ac120003".parse().unwrap()
    }

    fn of(tenant: &TenantId, key: &str) -> Option<String> {
        alias(tenant, &key.parse().unwrap())
    }

    #[test]
    fn arns_that_are_not_a_key_s() {
        let id = "1234abcd-12ab-34cd-56ef-1234567890ab";
        for (name, text) in [
            ("empty", String::new()),
            ("a key id", id.to_owned()),
            (
                "an alias",
                ARN.replace(&format!("key/{id}"), "alias/strongroom"),
            ),
            ("another service", ARN.replace(":kms:", ":s3:")),
            ("no region", ARN.replace("eu-central-1", "")),
            ("no account", ARN.replace("111122223333", "")),
            (
                "a short account",
                ARN.replace("111122223333", "11112222333"),
            ),
            (
                "another partition",
                ARN.replace("arn:aws:", "arn:elsewhere:"),
            ),
            ("upper case", ARN.replace("1234abcd", "1234ABCD")),
            ("no id", ARN.replace(id, "")),
            ("a path behind the id", format!("{ARN}/x")),
            ("a part too many", format!("{ARN}:x")),
            ("a space", format!("{ARN} ")),
            ("too long", ARN.replace(id, &"a".repeat(100))),
        ] {
            assert_eq!(text.parse::<KeyArn>(), Err(KeyArnError), "{name}");
        }
        for good in [
            ARN.to_owned(),
            ARN.replace("arn:aws:", "arn:aws-us-gov:"),
            ARN.replace(id, "mrk-1234abcd12ab34cd56ef1234567890ab"),
        ] {
            assert_eq!(good.parse::<KeyArn>().unwrap().to_string(), good);
        }
    }

    #[test]
    fn aliases() {
        let prefix = "alias/strongroom/0190b2a4-8c7e-7d3a-9f00-0242ac120002/";
        for (key, expected) in [
            ("root", Some("root")),
            ("user:a.b_c-d/e", Some("user_ca_db__c-d/e")),
            // As long as a reference can be.
            (&"x".repeat(128), Some("x".repeat(128).as_str())),
            (&".".repeat(101), Some("_d".repeat(101).as_str())),
            (&".".repeat(102), None),
            (ARN, None),
            ("arn:", None),
            ("alias/aws/s3", None),
            ("alias/strongroom/", None),
        ] {
            let expected = expected.map(|name| format!("{prefix}{name}"));
            assert_eq!(of(&acme(), key), expected, "{key}");
        }
        // The alias in full is a reference too, to its own tenant alone.
        let full = format!("{prefix}{}", "n".repeat(74));
        assert_eq!(full.len(), 128);
        assert_eq!(of(&acme(), &full), Some(full.clone()));
        assert_eq!(of(&other(), &full), None);
        assert_eq!(of(&acme(), prefix), None);
        assert_eq!(of(&acme(), &format!("{prefix}a.b")), None);
    }

    #[test]
    fn a_brought_key_is_one_tenant_s() {
        let arn: KeyArn = ARN.parse().unwrap();
        let mut brought = BroughtKeys::new();
        assert_eq!(brought.key_id(&acme(), arn.as_key_ref()), None);
        assert_eq!(brought.add(acme(), arn.clone()), Ok(()));
        assert_eq!(brought.add(acme(), arn.clone()), Ok(()));
        assert_eq!(brought.add(other(), arn.clone()), Err(KeyTaken));
        let called = brought.key_id(&acme(), arn.as_key_ref());
        assert_eq!(called.as_deref(), Some(ARN));
        assert_eq!(brought.key_id(&other(), arn.as_key_ref()), None);
    }

    proptest! {
        #[test]
        fn no_two_keys_share_an_alias(
            one in "[A-Za-z0-9._:/-]{1,8}",
            two in "[A-Za-z0-9._:/-]{1,8}",
        ) {
            prop_assume!(one != two);
            let (one, two) = (of(&acme(), &one), of(&acme(), &two));
            prop_assert!(one.is_none() || one != two);
        }

        #[test]
        fn an_alias_is_its_tenant_s_and_one_that_aws_takes(name in "[A-Za-z0-9._:/-]{1,128}") {
            for tenant in [acme(), other()] {
                let Some(alias) = of(&tenant, &name) else { continue };
                let prefix = format!("alias/strongroom/{tenant}/");
                prop_assert!(alias.starts_with(&prefix) && alias.len() > prefix.len());
                prop_assert!(alias.len() <= 256);
                let safe = |b: u8| b.is_ascii_alphanumeric() || b"/_-".contains(&b);
                prop_assert!(alias.bytes().all(safe));
            }
        }

        #[test]
        fn reading_an_arn_never_panics(text in ".{0,140}") {
            let _ = text.parse::<KeyArn>();
        }
    }
}
