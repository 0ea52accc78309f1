//! Look-up tags: equality over sealed values.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretBox};
use strongroom_tenancy::TenantId;

use crate::context::EncryptionContext;
use crate::dek::Dek;
use crate::derive::{self, LOOKUP_TAG, Use};
use crate::wipe::on_wiped_stack;

/// How many bytes of a tag are kept: 4 to 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagLength(usize);

/// A length outside 4 to 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("look-up tag: expected a length of 4 to 32 bytes")]
pub struct TagLengthError;

impl TagLength {
    /// 16 bytes: two of a tenant's values do not share a tag by chance. Compare what is found all the
    /// same: whoever can write the column can copy a tag.
    pub const FULL: Self = Self(16);

    /// Takes a length in bytes.
    ///
    /// # Errors
    /// [`TagLengthError`] outside 4 to 32.
    pub const fn new(bytes: usize) -> Result<Self, TagLengthError> {
        match bytes {
            4..=32 => Ok(Self(bytes)),
            _ => Err(TagLengthError),
        }
    }
}

/// A tenant's key for look-up tags: find the row of a sealed value, without opening any.
///
/// Store the tag beside the sealed value, with an index; to look a value up, make its tag again and
/// search for that.
///
/// ```
/// use strongroom_envelope::{Dek, EncryptionContext, LookupKey, TagLength};
/// use strongroom_tenancy::TenantId;
///
/// let tenant: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?;
/// let key = LookupKey::new(&Dek::generate()?, &tenant); // kept, wrapped, like any other DEK
/// let column = EncryptionContext::new([("column", "users.email")])?;
///
/// let stored = key.lookup_tag(&tenant, &column, b"ada@example.com", TagLength::FULL)?;
/// let sought = key.lookup_tag(&tenant, &column, b"ada@example.com", TagLength::FULL)?;
/// assert_eq!(stored, sought);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Security
/// Equal values have equal tags: who reads the column sees which rows are equal and how often each
/// value occurs. Who holds the key can test guesses, so it must not lie beside the tags in clear. A
/// tag of fewer bytes finds some rows that are not meant, by chance: open what it finds and
/// compare. Normalise values first (case of an e-mail address), or they are not found. The key is
/// used for nothing else, and is not rotated without making every tag anew.
pub struct LookupKey {
    tenant: TenantId,
    key: SecretBox<[u8; 32]>,
}

/// The key is another tenant's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("look-up tag: the key is another tenant's")]
pub struct LookupTenantError;

impl LookupKey {
    /// Loads a tenant's key from the DEK that it is kept as.
    #[must_use]
    pub fn new(dek: &Dek, tenant: &TenantId) -> Self {
        Self {
            tenant: *tenant,
            key: on_wiped_stack(|| derive::boxed(&derive::sub_key(dek, Use::LookupTag))),
        }
    }

    /// The tag of a value: the same for the same tenant, context and value.
    ///
    /// # Errors
    /// [`LookupTenantError`] for another tenant than the key's.
    pub fn lookup_tag(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        value: &[u8],
        length: TagLength,
    ) -> Result<Vec<u8>, LookupTenantError> {
        if *tenant != self.tenant {
            return Err(LookupTenantError);
        }
        let fields: [&[u8]; 4] = [
            LOOKUP_TAG.as_bytes(),
            tenant.as_bytes(),
            context.hash(),
            value,
        ];
        Ok(on_wiped_stack(|| {
            let tag = derive::mac_of_fields(self.key.expose_secret(), &fields);
            tag.iter().take(length.0).copied().collect()
        }))
    }
}

impl fmt::Debug for LookupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LookupKey")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_separate_what_they_should() {
        let tenant: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().unwrap();
        let other = TenantId::PLATFORM;
        let context = |column| EncryptionContext::new([("column", column)]).unwrap();
        let tag = |key: u8, tenant: &TenantId, column, value: &str| {
            LookupKey::new(&Dek::from_bytes(&[key; 32]), tenant)
                .lookup_tag(tenant, &context(column), value.as_bytes(), TagLength::FULL)
                .unwrap()
        };
        let all = [
            tag(1, &tenant, "a", "v"),
            tag(2, &tenant, "a", "v"),
            tag(1, &other, "a", "v"),
            tag(1, &tenant, "b", "v"),
            tag(1, &tenant, "a", "w"),
        ];
        for (position, one) in all.iter().enumerate() {
            assert_eq!(one.len(), 16);
            assert!(!all[..position].contains(one));
        }
        assert_eq!(all[0], tag(1, &tenant, "a", "v"));
        let key = LookupKey::new(&Dek::from_bytes(&[1; 32]), &tenant);
        let refused = key.lookup_tag(&other, &context("a"), b"v", TagLength::FULL);
        assert_eq!(refused, Err(LookupTenantError));
        let short = TagLength::new(4).unwrap();
        let short = key.lookup_tag(&tenant, &context("a"), b"v", short).unwrap();
        assert_eq!(short, all[0][..4]);
        for refused in [0, 3, 33] {
            assert_eq!(TagLength::new(refused), Err(TagLengthError));
        }
        assert!(!format!("{key:?}").contains("key:"));
    }
}
