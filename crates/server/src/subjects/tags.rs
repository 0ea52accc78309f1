//! What a person is found by, and what binds that to a pseudonym.

use strongroom_envelope::{Dek, EncryptionContext, LookupKey, TagLength};
use strongroom_tenancy::TenantId;
use uuid::Uuid;

use super::{Identity, SubjectError, malformed};

/// The length of both, in bytes.
const TAG_BYTES: usize = 32;

/// Makes tags by the platform's key: without it nobody can say whose one is, nor make one fit.
pub(super) struct Tags {
    key: Dek,
    length: TagLength,
    of_people: EncryptionContext,
    of_pseudonyms: EncryptionContext,
}

impl Tags {
    /// Tags by this key.
    pub(super) fn new(secret: &[u8; 32]) -> Result<Self, SubjectError> {
        let context = |what| EncryptionContext::new([("subject", what)]);
        Ok(Self {
            key: Dek::from_bytes(secret),
            length: TagLength::new(TAG_BYTES).map_err(malformed)?,
            of_people: context("tag").map_err(malformed)?,
            of_pseudonyms: context("bond").map_err(malformed)?,
        })
    }

    /// What a tenant's person is found by: of issuer and subject, each after its length.
    pub(super) fn tag(&self, tenant: &TenantId, who: &Identity) -> Result<Vec<u8>, SubjectError> {
        self.of(tenant, &self.of_people, &who.encode())
    }

    /// What says that a tag is a pseudonym's.
    pub(super) fn bond(
        &self,
        tenant: &TenantId,
        tag: &[u8],
        pseudonym: &Uuid,
    ) -> Result<Vec<u8>, SubjectError> {
        let both = [tag, pseudonym.as_bytes()].concat();
        self.of(tenant, &self.of_pseudonyms, &both)
    }

    fn of(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        value: &[u8],
    ) -> Result<Vec<u8>, SubjectError> {
        let key = LookupKey::new(&self.key, tenant);
        let tag = key.lookup_tag(tenant, context, value, self.length);
        tag.map_err(malformed)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_of_one_key_one_tenant_and_one_person() {
        let tenant = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().unwrap();
        let tag = |key: u8, tenant: &TenantId, issuer, subject| {
            let tags = Tags::new(&[key; 32]).unwrap();
            tags.tag(tenant, &Identity::new(issuer, subject)).unwrap()
        };
        let one = tag(1, &tenant, "https://e.com", "17");
        assert_eq!(one.len(), 32);
        assert_eq!(one, tag(1, &tenant, "https://e.com", "17"));
        for other in [
            tag(2, &tenant, "https://e.com", "17"),
            tag(1, &TenantId::PLATFORM, "https://e.com", "17"),
            tag(1, &tenant, "https://e.com", "18"),
            tag(1, &tenant, "https://e.com1", "7"),
        ] {
            assert_ne!(one, other);
        }
        let tags = Tags::new(&[1; 32]).unwrap();
        let bond = |tag: &[u8], id| tags.bond(&tenant, tag, &Uuid::from_u128(id)).unwrap();
        assert_eq!(bond(&one, 1), bond(&one, 1));
        assert_ne!(bond(&one, 1), bond(&one, 2));
        assert_ne!(bond(&one, 1), bond(&[0; 32], 1));
    }
}
