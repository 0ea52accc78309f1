//! The keyring's contents and their text form (`docs/spec/envelope.md`, "Keyring file").

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use secrecy::{ExposeSecret as _, SecretBox};
use sha2::{Digest as _, Sha256};
use strongroom_tenancy::TenantId;
use zeroize::Zeroizing;

use crate::key_ref::KeyRef;

const FIRST_LINE: &str = "strongroom-keyring v1";

/// `key`, a tenant, a key reference, a version, 43 characters, four spaces and a line feed.
const MAX_LINE: usize = 3 + 36 + 64 + 10 + 43 + 5;

/// `sha256`, a space, 64 digits and a line feed.
const LAST_LINE: usize = 72;

/// Why a keyring is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// The file could not be read or written.
    #[error("keyring: {0}")]
    Io(#[from] std::io::Error),
    /// The path is not that of a plain file.
    #[error("keyring: not a plain file")]
    NotAFile,
    /// Others than the owner have access to the file; its mode must be 0600 or less.
    #[error("keyring: others than its owner have access to the file")]
    Mode,
    /// The file is longer than 16 MiB.
    #[error("keyring: longer than 16 MiB")]
    TooLarge,
    /// The first line is not that of a keyring, or of a version that is not known.
    #[error("keyring: line 1: not a keyring of a known version")]
    UnknownVersion,
    /// The checksum is absent or does not hold: the file is torn or altered.
    #[error("keyring: the checksum does not hold")]
    Checksum,
    /// A line is not an entry, or out of order.
    #[error("keyring: line {0}: not an entry, or out of order")]
    Entry(usize),
}

/// Every tenant's keys, each with its versions. No key is found but by its tenant.
#[derive(Default)]
pub(crate) struct Keyring {
    keys: BTreeMap<(TenantId, KeyRef), BTreeMap<u32, Secret>>,
}

type Secret = SecretBox<[u8; 32]>;

impl Keyring {
    pub(crate) fn versions(&self) -> usize {
        self.keys.values().map(BTreeMap::len).sum()
    }

    /// The version that wraps.
    pub(crate) fn active(&self, tenant: &TenantId, key: &KeyRef) -> Option<(u32, &[u8; 32])> {
        let versions = self.keys.get(&(*tenant, key.clone()))?;
        let (version, secret) = versions.last_key_value()?;
        Some((*version, secret.expose_secret()))
    }

    /// One version, to unwrap.
    pub(crate) fn version(
        &self,
        tenant: &TenantId,
        key: &KeyRef,
        version: u32,
    ) -> Option<&[u8; 32]> {
        let versions = self.keys.get(&(*tenant, key.clone()))?;
        versions.get(&version).map(|secret| secret.expose_secret())
    }

    pub(crate) fn insert(&mut self, tenant: &TenantId, key: &KeyRef, version: u32, secret: Secret) {
        let versions = self.keys.entry((*tenant, key.clone())).or_default();
        versions.insert(version, secret);
    }

    pub(crate) fn remove(&mut self, tenant: &TenantId, key: &KeyRef, version: u32) {
        let name = (*tenant, key.clone());
        if let Some(versions) = self.keys.get_mut(&name) {
            versions.remove(&version);
            if versions.is_empty() {
                self.keys.remove(&name);
            }
        }
    }

    /// The text form: one for each keyring.
    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        // Full size from the start: a buffer that grew would leave keys behind.
        let size = FIRST_LINE.len() + 1 + self.versions() * MAX_LINE + LAST_LINE;
        let mut text = Zeroizing::new(Vec::with_capacity(size));
        text.extend_from_slice(FIRST_LINE.as_bytes());
        text.push(b'\n');
        for ((tenant, key), versions) in &self.keys {
            for (version, secret) in versions {
                text.extend_from_slice(format!("key {tenant} {key} {version} ").as_bytes());
                let mut encoded = Zeroizing::new([0; 43]);
                // 32 bytes are 43 characters; a keyring that lost a key would fail to decode.
                let written =
                    STANDARD_NO_PAD.encode_slice(secret.expose_secret(), encoded.as_mut_slice());
                text.extend(encoded.iter().take(written.unwrap_or(0)));
                text.push(b'\n');
            }
        }
        let checksum = hex::encode(Sha256::digest(&text));
        text.extend_from_slice(format!("sha256 {checksum}\n").as_bytes());
        text
    }

    /// Reads the text form; what is accepted is exactly what [`encode`](Self::encode) writes.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, KeyringError> {
        let first = bytes.split(|byte| *byte == b'\n').next();
        if first != Some(FIRST_LINE.as_bytes()) {
            return Err(KeyringError::UnknownVersion);
        }
        let (entries, last) = bytes
            .split_last_chunk::<LAST_LINE>()
            .ok_or(KeyringError::Checksum)?;
        let expected = format!("sha256 {}\n", hex::encode(Sha256::digest(entries)));
        if last.as_slice() != expected.as_bytes() || !entries.ends_with(b"\n") {
            return Err(KeyringError::Checksum);
        }
        let text = std::str::from_utf8(entries).map_err(|_| KeyringError::Entry(1))?;
        let mut keyring = Self::default();
        let mut previous = None;
        for (number, line) in text.split_terminator('\n').enumerate().skip(1) {
            let refused = KeyringError::Entry(number + 1);
            let Some((tenant, key, version, secret)) = read_entry(line) else {
                return Err(refused);
            };
            let name = Some((tenant, key.clone(), version));
            if name <= previous {
                return Err(refused);
            }
            previous = name;
            keyring.insert(&tenant, &key, version, secret);
        }
        Ok(keyring)
    }
}

fn read_entry(line: &str) -> Option<(TenantId, KeyRef, u32, Secret)> {
    let mut fields = line.split(' ');
    if fields.next()? != "key" {
        return None;
    }
    let tenant = fields.next()?.parse().ok()?;
    let key = fields.next()?.parse().ok()?;
    let number = fields.next()?;
    let version = number.parse().ok().filter(|version: &u32| *version > 0)?;
    let encoded = fields.next()?;
    if number != version.to_string() || encoded.len() != 43 || fields.next().is_some() {
        return None;
    }
    let mut decoded = Zeroizing::new([0; 36]);
    let length = STANDARD_NO_PAD
        .decode_slice(encoded, decoded.as_mut_slice())
        .ok()?;
    let bytes = decoded.first_chunk::<32>().filter(|_| length == 32)?;
    let secret = SecretBox::init_with_mut(|secret: &mut [u8; 32]| secret.copy_from_slice(bytes));
    Some((tenant, key, version, secret))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TENANT: &str = "0190b2a4-8c7e-7d3a-9f00-0242ac120002";
    const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn keyring(lines: &[String]) -> Vec<u8> {
        let entries: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let checksum = hex::encode(Sha256::digest(&entries));
        format!("{entries}sha256 {checksum}\n").into_bytes()
    }

    #[test]
    fn entries_are_refused_by_line() {
        let good = format!("key {TENANT} a 1 {KEY}");
        let whole = keyring(&[FIRST_LINE.to_owned(), good.clone()]);
        assert_eq!(*Keyring::decode(&whole).unwrap().encode(), whole);
        for (name, bad) in [
            ("empty line", String::new()),
            ("unknown word", format!("keys {TENANT} a 1 {KEY}")),
            ("no such tenant", format!("key nobody a 1 {KEY}")),
            ("no key reference", format!("key {TENANT}  1 {KEY}")),
            ("version 0", format!("key {TENANT} a 0 {KEY}")),
            ("version 01", format!("key {TENANT} b 01 {KEY}")),
            ("version +2", format!("key {TENANT} b +2 {KEY}")),
            (
                "version too large",
                format!("key {TENANT} b 4294967296 {KEY}"),
            ),
            ("short key", format!("key {TENANT} b 1 AAAA")),
            ("not base64", format!("key {TENANT} b 1 {:A>43}", "!")),
            ("stray bits", format!("key {TENANT} b 1 {:A>43}", "B")),
            ("trailing field", format!("{good} x")),
            ("carriage return", format!("key {TENANT} b 1 {KEY}\r")),
            ("twice", good.clone()),
            ("out of order", format!("key {TENANT} A 1 {KEY}")),
        ] {
            let lines = [FIRST_LINE.to_owned(), good.clone(), bad];
            let result = Keyring::decode(&keyring(&lines));
            assert!(matches!(result, Err(KeyringError::Entry(3))), "{name}");
        }
    }

    #[test]
    fn files_are_refused_by_name() {
        let good = keyring(&[FIRST_LINE.to_owned(), format!("key {TENANT} a 1 {KEY}")]);
        let newer = keyring(&["strongroom-keyring v2".to_owned()]);
        for (name, bytes) in [("empty", &b""[..]), ("a newer version", &newer)] {
            let result = Keyring::decode(bytes);
            assert!(
                matches!(result, Err(KeyringError::UnknownVersion)),
                "{name}"
            );
        }
        for length in FIRST_LINE.len() + 1..good.len() {
            let result = Keyring::decode(&good[..length]);
            assert!(
                matches!(result, Err(KeyringError::Checksum)),
                "torn at {length}"
            );
        }
        for position in FIRST_LINE.len() + 1..good.len() {
            let mut flipped = good.clone();
            flipped[position] ^= 1;
            let result = Keyring::decode(&flipped);
            assert!(
                matches!(result, Err(KeyringError::Checksum)),
                "byte {position}"
            );
        }
        let trailing = [good.as_slice(), b"\n"].concat();
        assert!(matches!(
            Keyring::decode(&trailing),
            Err(KeyringError::Checksum)
        ));
    }

    proptest! {
        #[test]
        fn text_round_trips(entries in proptest::collection::vec(
            (1_u128.., "[a-z]{1,9}", 1_u32.., any::<[u8; 32]>()),
            0..6,
        )) {
            let mut keyring = Keyring::default();
            for (tenant, key, version, secret) in &entries {
                let tenant = TenantId::from_uuid(uuid::Uuid::from_u128(*tenant)).unwrap();
                let secret = SecretBox::new(Box::new(*secret));
                keyring.insert(&tenant, &key.parse().unwrap(), *version, secret);
            }
            let text = keyring.encode();
            prop_assert_eq!(&*Keyring::decode(&text).unwrap().encode(), &*text);
        }

        #[test]
        fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Keyring::decode(&bytes);
        }
    }
}
