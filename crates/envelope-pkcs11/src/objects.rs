//! How keys lie in the token (`docs/operating/kms-pkcs11.md`, "Objects").

use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, SessionState};
use strongroom_envelope::{KeyRef, KmsError};
use strongroom_tenancy::TenantId;

use crate::failure::Failure;

const APPLICATION: &[u8] = b"strongroom";

/// One version of a key.
pub(crate) struct Version {
    pub(crate) number: u32,
    pub(crate) object: ObjectHandle,
}

/// A tenant's key: what its objects are found by.
#[derive(Clone)]
pub(crate) struct Name {
    tenant: TenantId,
    key: KeyRef,
}

impl Name {
    pub(crate) fn new(tenant: &TenantId, key: &KeyRef) -> Self {
        Self {
            tenant: *tenant,
            key: key.clone(),
        }
    }

    /// All versions, the oldest first. Two objects of one number are what two administrators made
    /// in the same moment; both are good.
    pub(crate) fn versions(&self, session: &Session) -> Result<Vec<Version>, Failure> {
        let mut versions = Vec::new();
        for object in find(session, &self.template())? {
            let attributes = session.get_attributes(object, &[AttributeType::Label])?;
            if let Some(Attribute::Label(label)) = attributes.first()
                && let Some(number) = self.number(label)
            {
                versions.push(Version { number, object });
            }
        }
        versions.sort_by_key(|version| version.number);
        Ok(versions)
    }

    /// The objects of one version: one, save as above.
    pub(crate) fn version(
        &self,
        session: &Session,
        number: u32,
    ) -> Result<Vec<ObjectHandle>, Failure> {
        let mut template = self.template();
        template.push(Attribute::Label(self.label(number)));
        find(session, &template)
    }

    /// Has the token generate a version.
    pub(crate) fn generate(&self, session: &Session, number: u32) -> Result<ObjectHandle, Failure> {
        let mut template = self.template();
        template.extend([
            Attribute::ValueLen(32.into()),
            Attribute::Label(self.label(number)),
            Attribute::Private(true),
            Attribute::Modifiable(true),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
            Attribute::Wrap(false),
            Attribute::Unwrap(false),
            Attribute::Sign(false),
            Attribute::Verify(false),
            Attribute::Derive(false),
        ]);
        Ok(session.generate_key(&Mechanism::AesKeyGen, &template)?)
    }

    /// Whether the name was given up for good.
    pub(crate) fn is_destroyed(&self, session: &Session) -> Result<bool, Failure> {
        Ok(!find(session, &self.tombstone())?.is_empty())
    }

    /// Gives the name up for good.
    pub(crate) fn bury(&self, session: &Session) -> Result<(), Failure> {
        let mut template = self.tombstone();
        template.extend([Attribute::Private(true), Attribute::Modifiable(false)]);
        session.create_object(&template)?;
        Ok(())
    }

    /// What is looked for: a key that its token would give out is not taken for one of ours.
    fn template(&self) -> Vec<Attribute> {
        let id = [
            self.tenant.as_bytes().as_slice(),
            self.key.as_str().as_bytes(),
        ];
        vec![
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::Token(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Id(id.concat()),
        ]
    }

    fn tombstone(&self) -> Vec<Attribute> {
        vec![
            Attribute::Class(ObjectClass::DATA),
            Attribute::Token(true),
            Attribute::Application(APPLICATION.to_vec()),
            Attribute::Label(format!("{}destroyed", self.prefix()).into_bytes()),
        ]
    }

    fn prefix(&self) -> String {
        format!("strongroom/{}/{}/", self.tenant, self.key)
    }

    fn label(&self, number: u32) -> Vec<u8> {
        format!("{}{number}", self.prefix()).into_bytes()
    }

    /// The number in a label, if the label is what we would write.
    fn number(&self, label: &[u8]) -> Option<u32> {
        let number = label.strip_prefix(self.prefix().as_bytes())?;
        let number: u32 = std::str::from_utf8(number).ok()?.parse().ok()?;
        (self.label(number) == label && number > 0).then_some(number)
    }
}

/// Finds objects. A session that is not logged in sees none: that none is there, is believed only
/// of one that is.
fn find(session: &Session, template: &[Attribute]) -> Result<Vec<ObjectHandle>, Failure> {
    let found = session.find_objects(template)?;
    if found.is_empty() {
        check_login(session)?;
    }
    Ok(found)
}

/// Fails unless the session is alive and logged in.
pub(crate) fn check_login(session: &Session) -> Result<(), Failure> {
    match session.get_session_info()?.session_state() {
        SessionState::RoUser | SessionState::RwUser => Ok(()),
        SessionState::RoPublic | SessionState::RwPublic => Err(Failure::NOT_LOGGED_IN),
        SessionState::RwSecurityOfficer => Err(KmsError::Denied.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(key: &str) -> Name {
        let tenant = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().unwrap();
        Name::new(&tenant, &key.parse().unwrap())
    }

    #[test]
    fn a_label_has_one_number_and_a_number_one_label() {
        let prefix = "strongroom/0190b2a4-8c7e-7d3a-9f00-0242ac120002/a/";
        for (text, number) in [
            ("1", Some(1)),
            ("4294967295", Some(u32::MAX)),
            ("0", None),
            ("01", None),
            ("+1", None),
            ("1 ", None),
            ("", None),
            ("4294967296", None),
            ("1/1", None),
            ("destroyed", None),
        ] {
            let label = format!("{prefix}{text}");
            assert_eq!(name("a").number(label.as_bytes()), number, "{text}");
        }
        assert_eq!(name("a").label(7), format!("{prefix}7").into_bytes());
        assert_eq!(name("b").number(&name("a").label(1)), None);
        assert_eq!(name("a").number(&name("a/1").label(1)), None);
    }

    #[test]
    fn names_differ_in_what_they_are_found_by() {
        let other = "0190b2a4-8c7e-7d3a-9f00-0242ac120003".parse().unwrap();
        let names = [
            name("a"),
            name("A"),
            name("a/1"),
            name("user:a"),
            Name::new(&other, &"a".parse().unwrap()),
        ];
        let mut templates: Vec<_> = names
            .iter()
            .map(|name| format!("{:?}{:?}", name.template(), name.tombstone()))
            .collect();
        templates.sort();
        templates.dedup();
        assert_eq!(templates.len(), names.len());
    }
}
