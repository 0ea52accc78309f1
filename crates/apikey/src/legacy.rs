//! Keys of another system, whose bcrypt and argon2 hashes are checked once.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::alphabet::BCRYPT;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::argon::ArgonHash;
use crate::presented::are_credential_bytes;
use crate::shown::Shown;
use crate::{Grant, Hasher, KeyError, KeyId, KeyRecord, StoredArgonError, VerifiedKey, Visit};

/// The domain of ids that are made from keys.
const ID_DOMAIN: &[u8] = b"strongroom/apikey/legacy/v1\0";

/// The most of a key that bcrypt tells apart, with the zero that ends it.
const BCRYPT_BYTES: usize = 72;

/// Some systems wrote random bits where the last digit has none to spare.
const BCRYPT_DIGITS: GeneralPurpose =
    GeneralPurpose::new(&BCRYPT, NO_PAD.with_decode_allow_trailing_bits(true));

/// A key that another system issued: 32 to 255 bytes without spaces.
///
/// It is wiped when dropped. Its id is made from the text, so that its record is found like any
/// other's once there is one; before, the imported hash is found by what that system had stored
/// beside it.
///
/// ```
/// use strongroom_apikey::LegacyKey;
///
/// let key = LegacyKey::parse("cust_0123456789abcdef0123456789abcdef")?;
/// assert_eq!(format!("{key:?}"), format!("LegacyKey({})", key.id()));
/// # Ok::<(), strongroom_apikey::LegacyKeyError>(())
/// ```
pub struct LegacyKey {
    text: SecretString,
    id: KeyId,
}

/// The text is no key of another system: not 32 to 255 of the bytes that a key may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("legacy key: expected 32 to 255 letters, digits and -._~+/=")]
pub struct LegacyKeyError;

/// A hash that was imported.
#[derive(Clone)]
pub struct LegacyHash(Imported);

#[derive(Clone)]
enum Imported {
    Bcrypt {
        cost: u32,
        salt: [u8; 16],
        hash: [u8; 23],
    },
    Argon(ArgonHash),
}

/// Why a text is no hash that can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LegacyHashError {
    /// It is neither bcrypt's nor argon2's.
    #[error("imported hash: neither bcrypt nor argon2")]
    Unknown,
    /// It is bcrypt's, and malformed or of a version with a known fault.
    #[error("imported hash: malformed bcrypt hash")]
    Bcrypt,
    /// Its cost is not 4 to 14.
    #[error("imported hash: bcrypt cost out of bounds")]
    BcryptCost,
    /// It is argon2's.
    #[error(transparent)]
    Argon(#[from] StoredArgonError),
}

/// What was imported of one key.
#[derive(Clone, Debug)]
pub struct LegacyRecord {
    /// What the key is bound to.
    pub grant: Grant,
    /// Its hash.
    pub hash: LegacyHash,
    /// When it was revoked; any time revokes.
    pub revoked_at: Option<u64>,
}

impl LegacyKey {
    /// Reads a key's text.
    ///
    /// # Errors
    /// [`LegacyKeyError`].
    pub fn parse(text: &str) -> Result<Self, LegacyKeyError> {
        let is_key = (32..=255).contains(&text.len()) && are_credential_bytes(text.as_bytes());
        if !is_key {
            return Err(LegacyKeyError);
        }
        let hash = Sha256::new_with_prefix(ID_DOMAIN)
            .chain_update(text)
            .finalize();
        let (first, _) = hash.split_first_chunk().ok_or(LegacyKeyError)?;
        Ok(Self {
            id: KeyId::from_random(first),
            text: Box::<str>::from(text).into(),
        })
    }

    /// The id under which the key is found from its first use on.
    #[must_use]
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    /// The whole text.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }
}

impl LegacyRecord {
    /// Checks a key at its first use, and makes the record that takes this one's place: store it,
    /// and delete this one, in one transaction.
    ///
    /// It takes as long as the imported hash costs: up to seconds, and 256 MiB. Let few run at a
    /// time, on threads that may block.
    ///
    /// # Errors
    /// [`KeyError`], for the log; the outside gets one answer.
    pub fn redeem(
        &self,
        presented: &LegacyKey,
        hasher: &Hasher,
        visit: &Visit,
    ) -> Result<(KeyRecord, VerifiedKey), KeyError> {
        if !self.hash.matches(presented)? {
            return Err(KeyError::Mismatch);
        }
        let hash = hasher.hash(presented);
        let mut record = KeyRecord::of(presented.id.clone(), self.grant.clone(), hash);
        record.revoked_at = self.revoked_at;
        let verified = record.authenticate_visit(presented, hasher, visit)?;
        Ok((record, verified))
    }
}

impl LegacyHash {
    fn matches(&self, presented: &LegacyKey) -> Result<bool, KeyError> {
        let text = presented.expose().as_bytes();
        match &self.0 {
            Imported::Argon(hash) => hash.matches(text).map_err(|_| KeyError::Unavailable),
            Imported::Bcrypt { cost, salt, hash } => {
                // From here on bcrypt ignores what follows: the hash may be of a longer key.
                if text.len() >= BCRYPT_BYTES {
                    return Ok(false);
                }
                let mut ended = Zeroizing::new(Vec::with_capacity(text.len() + 1));
                ended.extend_from_slice(text);
                ended.push(0);
                ended.truncate(BCRYPT_BYTES);
                let made = Zeroizing::new(bcrypt::bcrypt(*cost, *salt, &ended));
                let made = made.get(..hash.len()).unwrap_or_default();
                Ok(made.ct_eq(hash).into())
            }
        }
    }
}

impl FromStr for LegacyHash {
    type Err = LegacyHashError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("$2") {
            return bcrypt_hash(text).map(Self);
        }
        if !text.starts_with("$argon2") {
            return Err(LegacyHashError::Unknown);
        }
        let hash: ArgonHash = text.parse()?;
        if !hash.cost.is_bounded() {
            return Err(StoredArgonError::Cost.into());
        }
        Ok(Self(Imported::Argon(hash)))
    }
}

/// `$2b$10$`, 22 digits of salt, 31 of hash.
fn bcrypt_hash(text: &str) -> Result<Imported, LegacyHashError> {
    let malformed = || LegacyHashError::Bcrypt;
    let rest = ["$2a$", "$2b$", "$2y$"]
        .iter()
        .find_map(|version| text.strip_prefix(version))
        .ok_or_else(malformed)?;
    let (cost, digits) = rest.split_once('$').ok_or_else(malformed)?;
    if cost.len() != 2 || !cost.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(malformed());
    }
    let cost: u32 = cost.parse().map_err(|_| malformed())?;
    let (salt, hash) = digits.split_at_checked(22).ok_or_else(malformed)?;
    let salt = BCRYPT_DIGITS.decode(salt).map_err(|_| malformed())?;
    let hash = BCRYPT_DIGITS.decode(hash).map_err(|_| malformed())?;
    let salt = salt.try_into().map_err(|_| malformed())?;
    let hash = hash.try_into().map_err(|_| malformed())?;
    if !(4..=14).contains(&cost) {
        return Err(LegacyHashError::BcryptCost);
    }
    Ok(Imported::Bcrypt { cost, salt, hash })
}

impl<'a> From<&'a LegacyKey> for Shown<'a> {
    fn from(key: &'a LegacyKey) -> Self {
        Self {
            id: &key.id,
            text: key.expose(),
            environment: None,
        }
    }
}

impl fmt::Debug for LegacyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LegacyKey({})", self.id)
    }
}

impl fmt::Debug for LegacyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Imported::Bcrypt { .. } => "LegacyHash(Bcrypt)",
            Imported::Argon(_) => "LegacyHash(Argon2)",
        })
    }
}
