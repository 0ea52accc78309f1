//! One tenant's keyring and its text form (`docs/spec/envelope.md`, "Keyring file").

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use secrecy::{ExposeSecret as _, SecretBox};
use sha2::{Digest as _, Sha256};
use strongroom_tenancy::TenantId;
use zeroize::Zeroizing;

use crate::key_ref::KeyRef;
use crate::kms::{KeyState, KmsError};

const FIRST_LINE: &str = "strongroom-keyring v1";

/// `tenant`, a UUID, a space and a line feed.
const SECOND_LINE: usize = 6 + 36 + 2;

/// `key`, a key reference, a version, a state, 43 characters, four spaces and a line feed.
const MAX_LINE: usize = 3 + 128 + 10 + 9 + 43 + 5;

/// `sha256`, a space, 64 digits and a line feed.
const LAST_LINE: usize = 72;

/// The last line, which tells what stands before it.
pub(super) type Checksum = [u8; LAST_LINE];

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
    /// The path is not that of a directory.
    #[error("keyring: not a directory")]
    NotADirectory,
    /// Others than the owner have access to the file, whose mode must be 0600 or less, or can write
    /// its directory.
    #[error("keyring: others than its owner have access to the file, or can write its directory")]
    Mode,
    /// The file or its directory belongs neither to this process's effective user nor to root.
    #[error("keyring: the file or its directory belongs to another user")]
    Owner,
    /// The file is longer than 1 MiB.
    #[error("keyring: longer than 1 MiB")]
    TooLarge,
    /// The first line is not that of a keyring, or of a version that is not known.
    #[error("keyring: line 1: not a keyring of a known version")]
    UnknownVersion,
    /// The second line does not name the tenant whose keyring it should be.
    #[error("keyring: line 2: not the keyring of this tenant")]
    Tenant,
    /// The checksum is absent or does not hold: the file is torn or altered.
    #[error("keyring: the checksum does not hold")]
    Checksum,
    /// A line is not an entry, or out of order.
    #[error("keyring: line {0}: not an entry, or out of order")]
    Entry(usize),
}

/// One tenant's root keys, each with its versions.
pub(crate) struct Keyring {
    tenant: TenantId,
    keys: BTreeMap<KeyRef, Key>,
}

/// One key: all its versions, from 1 on, in one state.
struct Key {
    state: State,
    /// Empty secrets once destroyed.
    versions: Vec<Option<Secret>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Enabled,
    Disabled,
    Destroyed,
}

type Secret = SecretBox<[u8; 32]>;

impl Keyring {
    pub(crate) const fn new(tenant: TenantId) -> Self {
        Self {
            tenant,
            keys: BTreeMap::new(),
        }
    }

    /// The version that wraps, with its number.
    pub(crate) fn active(&self, key: &KeyRef) -> Result<(u32, &[u8; 32]), KmsError> {
        let versions = self.usable(key)?;
        let secret = versions.last().and_then(Option::as_ref);
        let secret = secret.ok_or(KmsError::NotFound)?;
        Ok((number(versions)?, secret.expose_secret()))
    }

    /// One version, to unwrap.
    pub(crate) fn version(&self, key: &KeyRef, version: u32) -> Result<&[u8; 32], KmsError> {
        let index = usize::try_from(version).ok().and_then(|n| n.checked_sub(1));
        let secret = self.usable(key)?.get(index.ok_or(KmsError::NotFound)?);
        let secret = secret.and_then(Option::as_ref).ok_or(KmsError::NotFound)?;
        Ok(secret.expose_secret())
    }

    /// A key's state and active version.
    pub(crate) fn describe(&self, key: &KeyRef) -> Result<(KeyState, u32), KmsError> {
        let key = self.existing(key)?;
        let state = match key.state {
            State::Enabled => KeyState::Enabled,
            _ => KeyState::Disabled,
        };
        Ok((state, number(&key.versions)?))
    }

    /// Adds a key at version 1; a name that is or was in use is refused.
    pub(crate) fn create(&mut self, key: &KeyRef, secret: Secret) -> Result<(), KmsError> {
        if self.keys.contains_key(key) {
            return Err(KmsError::AlreadyExists);
        }
        let created = Key {
            state: State::Enabled,
            versions: vec![Some(secret)],
        };
        self.keys.insert(key.clone(), created);
        Ok(())
    }

    /// Adds the version that wraps from now on, and returns its number.
    pub(crate) fn rotate(&mut self, key: &KeyRef, secret: Secret) -> Result<u32, KmsError> {
        self.usable(key)?;
        let key = self.keys.get_mut(key).ok_or(KmsError::NotFound)?;
        key.versions.push(Some(secret));
        number(&key.versions)
    }

    /// Enables or disables every version.
    pub(crate) fn set_enabled(&mut self, key: &KeyRef, is_enabled: bool) -> Result<(), KmsError> {
        self.existing(key)?;
        let key = self.keys.get_mut(key).ok_or(KmsError::NotFound)?;
        key.state = if is_enabled {
            State::Enabled
        } else {
            State::Disabled
        };
        Ok(())
    }

    /// Drops every version's secret and keeps the name, so that it is not used again.
    pub(crate) fn destroy(&mut self, key: &KeyRef) -> Result<(), KmsError> {
        self.existing(key)?;
        let key = self.keys.get_mut(key).ok_or(KmsError::NotFound)?;
        key.state = State::Destroyed;
        key.versions.fill_with(|| None);
        Ok(())
    }

    fn existing(&self, key: &KeyRef) -> Result<&Key, KmsError> {
        let key = self.keys.get(key);
        key.filter(|key| key.state != State::Destroyed)
            .ok_or(KmsError::NotFound)
    }

    fn usable(&self, key: &KeyRef) -> Result<&[Option<Secret>], KmsError> {
        let key = self.existing(key)?;
        if key.state == State::Disabled {
            return Err(KmsError::Disabled);
        }
        Ok(&key.versions)
    }

    /// The text form: one for each keyring.
    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let versions: usize = self.keys.values().map(|key| key.versions.len()).sum();
        // Full size from the start: a buffer that grew would leave keys behind.
        let size = FIRST_LINE.len() + 1 + SECOND_LINE + versions * MAX_LINE + LAST_LINE;
        let mut text = Zeroizing::new(Vec::with_capacity(size));
        text.extend_from_slice(format!("{FIRST_LINE}\ntenant {}\n", self.tenant).as_bytes());
        for (name, key) in &self.keys {
            for (version, secret) in (1_u32..).zip(&key.versions) {
                let state = key.state.as_str();
                text.extend_from_slice(format!("key {name} {version} {state} ").as_bytes());
                match secret {
                    Some(secret) => {
                        let mut encoded = Zeroizing::new([0; 43]);
                        // 32 bytes are 43 characters; a keyring that lost a key would not decode.
                        let written = STANDARD_NO_PAD
                            .encode_slice(secret.expose_secret(), encoded.as_mut_slice());
                        text.extend(encoded.iter().take(written.unwrap_or(0)));
                    }
                    None => text.push(b'-'),
                }
                text.push(b'\n');
            }
        }
        let checksum = hex::encode(Sha256::digest(&text));
        text.extend_from_slice(format!("sha256 {checksum}\n").as_bytes());
        text
    }

    /// Reads the text form; what is accepted is exactly what [`encode`](Self::encode) writes.
    pub(crate) fn decode(tenant: &TenantId, bytes: &[u8]) -> Result<Self, KeyringError> {
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
        let mut lines = text.split_terminator('\n').enumerate().skip(1);
        let second = lines.next().map(|(_, line)| line);
        if second != Some(format!("tenant {tenant}").as_str()) {
            return Err(KeyringError::Tenant);
        }
        let mut keyring = Self::new(*tenant);
        for (index, line) in lines {
            let read = read_entry(line).and_then(|entry| keyring.append(entry));
            read.ok_or(KeyringError::Entry(index + 1))?;
        }
        Ok(keyring)
    }

    /// Takes the entry that follows those taken so far; `None` when it cannot.
    fn append(&mut self, entry: Entry) -> Option<()> {
        if entry.version == 1 {
            let last = self.keys.last_key_value().map(|(name, _)| name);
            if last.is_some_and(|last| *last >= entry.name) {
                return None;
            }
            let key = Key {
                state: entry.state,
                versions: vec![entry.secret],
            };
            self.keys.insert(entry.name, key);
            return Some(());
        }
        let mut last = self.keys.last_entry()?;
        let is_next = u32::try_from(last.get().versions.len()) == Ok(entry.version - 1);
        if *last.key() != entry.name || last.get().state != entry.state || !is_next {
            return None;
        }
        last.get_mut().versions.push(entry.secret);
        Some(())
    }
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Destroyed => "destroyed",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let all = [Self::Enabled, Self::Disabled, Self::Destroyed];
        all.into_iter().find(|state| state.as_str() == text)
    }
}

/// A `key` line.
struct Entry {
    name: KeyRef,
    version: u32,
    state: State,
    secret: Option<Secret>,
}

fn read_entry(line: &str) -> Option<Entry> {
    let mut fields = line.split(' ');
    if fields.next()? != "key" {
        return None;
    }
    let name = fields.next()?.parse().ok()?;
    let number = fields.next()?;
    let version = number.parse().ok().filter(|version: &u32| *version > 0)?;
    let state = State::parse(fields.next()?)?;
    let encoded = fields.next()?;
    if number != version.to_string() || fields.next().is_some() {
        return None;
    }
    let secret = match (state, encoded) {
        (State::Destroyed, "-") => None,
        (State::Destroyed, _) => return None,
        (_, encoded) => Some(read_secret(encoded)?),
    };
    Some(Entry {
        name,
        version,
        state,
        secret,
    })
}

fn read_secret(encoded: &str) -> Option<Secret> {
    if encoded.len() != 43 {
        return None;
    }
    let mut decoded = Zeroizing::new([0; 36]);
    let length = STANDARD_NO_PAD
        .decode_slice(encoded, decoded.as_mut_slice())
        .ok()?;
    let bytes = decoded.first_chunk::<32>().filter(|_| length == 32)?;
    Some(SecretBox::init_with_mut(|secret: &mut [u8; 32]| {
        secret.copy_from_slice(bytes);
    }))
}

/// The number of the last version.
fn number(versions: &[Option<Secret>]) -> Result<u32, KmsError> {
    u32::try_from(versions.len()).map_err(|_| KmsError::Unavailable)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TENANT: &str = "0190b2a4-8c7e-7d3a-9f00-0242ac120002";
    const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn tenant() -> TenantId {
        TENANT.parse().unwrap()
    }

    fn text(lines: &[&str]) -> Vec<u8> {
        let mut entries = format!("{FIRST_LINE}\ntenant {TENANT}\n");
        entries.extend(lines.iter().map(|line| format!("{line}\n")));
        with_checksum(&entries)
    }

    fn with_checksum(entries: &str) -> Vec<u8> {
        let checksum = hex::encode(Sha256::digest(entries));
        format!("{entries}sha256 {checksum}\n").into_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<Keyring, KeyringError> {
        Keyring::decode(&tenant(), bytes)
    }

    #[test]
    fn entries_are_refused_by_line() {
        let good = format!("key m 1 enabled {KEY}");
        let whole = text(&[
            &good,
            &format!("key m 2 enabled {KEY}"),
            "key n 1 destroyed -",
        ]);
        assert_eq!(*decode(&whole).unwrap().encode(), whole);
        for (name, bad) in [
            ("empty line", String::new()),
            ("unknown word", format!("keys n 1 enabled {KEY}")),
            ("no key reference", format!("key  1 enabled {KEY}")),
            ("version 0", format!("key n 0 enabled {KEY}")),
            ("version 01", format!("key n 01 enabled {KEY}")),
            ("version +1", format!("key n +1 enabled {KEY}")),
            (
                "version too large",
                format!("key m 4294967298 enabled {KEY}"),
            ),
            ("version left out", format!("key m 3 enabled {KEY}")),
            ("first version left out", format!("key n 2 enabled {KEY}")),
            ("version again", good.clone()),
            ("another state", format!("key m 2 disabled {KEY}")),
            ("unknown state", format!("key n 1 active {KEY}")),
            ("no secret", "key n 1 enabled -".to_owned()),
            ("a destroyed secret", format!("key n 1 destroyed {KEY}")),
            ("short key", "key n 1 enabled AAAA".to_owned()),
            ("not base64", format!("key n 1 enabled {:A>43}", "!")),
            ("stray bits", format!("key n 1 enabled {:A>43}", "B")),
            ("trailing field", format!("key n 1 enabled {KEY} x")),
            ("carriage return", format!("key n 1 enabled {KEY}\r")),
            ("out of order", format!("key a 1 enabled {KEY}")),
        ] {
            let result = decode(&text(&[&good, &bad]));
            assert!(matches!(result, Err(KeyringError::Entry(4))), "{name}");
        }
    }

    #[test]
    fn files_are_refused_by_name() {
        let good = text(&[&format!("key a 1 enabled {KEY}")]);
        let newer = with_checksum("strongroom-keyring v2\n");
        for (name, bytes) in [("empty", &b""[..]), ("a newer version", &newer)] {
            let result = decode(bytes);
            assert!(
                matches!(result, Err(KeyringError::UnknownVersion)),
                "{name}"
            );
        }
        for (name, second) in [
            ("no tenant", ""),
            (
                "another tenant",
                "tenant 0190b2a4-8c7e-7d3a-9f00-0242ac120003\n",
            ),
            ("capitals", "tenant 0190B2A4-8C7E-7D3A-9F00-0242AC120002\n"),
        ] {
            let result = decode(&with_checksum(&format!("{FIRST_LINE}\n{second}")));
            assert!(matches!(result, Err(KeyringError::Tenant)), "{name}");
        }
        for length in FIRST_LINE.len() + 1..good.len() {
            let result = decode(&good[..length]);
            assert!(
                matches!(result, Err(KeyringError::Checksum)),
                "torn at {length}"
            );
        }
        for position in FIRST_LINE.len() + 1..good.len() {
            let mut flipped = good.clone();
            flipped[position] ^= 1;
            let result = decode(&flipped);
            assert!(
                matches!(result, Err(KeyringError::Checksum)),
                "byte {position}"
            );
        }
        let trailing = [good.as_slice(), b"\n"].concat();
        assert!(matches!(decode(&trailing), Err(KeyringError::Checksum)));
    }

    proptest! {
        #[test]
        fn text_round_trips(keys in proptest::collection::btree_map(
            "[a-z]{1,9}",
            (0_u8..3, proptest::collection::vec(any::<[u8; 32]>(), 1..4)),
            0..6,
        )) {
            let mut keyring = Keyring::new(tenant());
            for (name, (state, secrets)) in &keys {
                let name = name.parse().unwrap();
                for (index, secret) in secrets.iter().enumerate() {
                    let secret = SecretBox::new(Box::new(*secret));
                    if index == 0 {
                        keyring.create(&name, secret).unwrap();
                    } else {
                        keyring.rotate(&name, secret).unwrap();
                    }
                }
                match state {
                    0 => {}
                    1 => keyring.set_enabled(&name, false).unwrap(),
                    _ => keyring.destroy(&name).unwrap(),
                }
            }
            let text = keyring.encode();
            prop_assert_eq!(&*decode(&text).unwrap().encode(), &*text);
        }

        #[test]
        fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&bytes);
        }
    }
}
