//! Another issuer's JWK Set: the keys that its ID tokens may be signed with.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::presented::{Algorithm, is_kid};
use crate::key_cache::KeySet;
use crate::public_key::PublicKey;
use crate::strict_json::{self, Json, JsonError, Object};

/// The longest set that is read, in bytes: some issuers publish certificates in it.
const MAX_BYTES: usize = 1024 * 1024;

/// The most keys of a set, those for other uses among them.
const MAX_KEYS: usize = 64;

/// The sizes of an RSA modulus, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// 65537, the one exponent.
const RSA_EXPONENT: [u8; 3] = [1, 0, 1];

/// Members that only a private or a symmetric key has (RFC 7518, sections 6.2.2, 6.3.2 and 6.4.1).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// An issuer's keys, each found by its `kid`.
///
/// Unlike [`JwkSet`](crate::JwkSet), which is our own profile, it may hold keys for other uses,
/// kinds and algorithms: they are passed over. A signing key that is not fit to verify with stays
/// known by its name, so that a token that names it is refused for that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssuerKeys {
    keys: Vec<IssuerKey>,
}

/// One key of an issuer's.
#[derive(Clone, PartialEq, Eq)]
pub struct IssuerKey {
    kid: String,
    material: Result<KeyMaterial, KeyFlaw>,
}

/// A public key that is fit to verify with.
#[derive(Clone, PartialEq, Eq)]
pub enum KeyMaterial {
    /// RSA of 2048 to 8192 bits with the exponent 65537, for RS256.
    Rsa {
        /// The modulus, big-endian, without leading zeros.
        modulus: Vec<u8>,
        /// The exponent, big-endian.
        exponent: Vec<u8>,
    },
    /// A point of P-256, for ES256: 4, x and y (SEC 1, section 2.3.3).
    P256 {
        /// The 65 bytes.
        point: Vec<u8>,
    },
}

/// Why a key is not fit to verify with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFlaw {
    /// Its curve or its `alg` is not one that is verified here.
    #[error("key: neither for RS256 nor for ES256")]
    Unsuitable,
    /// RSA below 2048 or above 8192 bits, or with another exponent than 65537.
    #[error("key: too weak, or too large")]
    Weak,
    /// Its members are not a public key.
    #[error("key: malformed")]
    Malformed,
}

/// Why a text is not an issuer's JWK Set; the set is refused whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssuerKeysError {
    /// Longer than 1 MiB.
    #[error("jwk set: longer than 1048576 bytes")]
    TooLarge,
    /// Not a JSON object.
    #[error("jwk set: not a JSON object")]
    Malformed,
    /// An object has the same member twice.
    #[error("jwk set: a member stands twice")]
    DuplicateMember,
    /// `keys` is absent or not a list of objects.
    #[error("jwk set: keys is not a list of objects")]
    NoKeys,
    /// More than 64 keys.
    #[error("jwk set: more than 64 keys")]
    TooManyKeys,
    /// Two signing keys have the same `kid`.
    #[error("jwk set: two keys with one kid")]
    DuplicateKid,
    /// A private or symmetric key: whoever reads the set can sign.
    #[error("jwk set: a private key")]
    PrivateKey,
}

impl KeyFlaw {
    /// A stable slug for logs, metrics and audit entries.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unsuitable => "key_unsuitable",
            Self::Weak => "key_weak",
            Self::Malformed => "key_malformed",
        }
    }
}

impl IssuerKeysError {
    /// A stable slug for logs, metrics and audit entries.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge => "jwks_too_large",
            Self::Malformed => "jwks_malformed",
            Self::DuplicateMember => "jwks_duplicate_member",
            Self::NoKeys => "jwks_no_keys",
            Self::TooManyKeys => "jwks_too_many_keys",
            Self::DuplicateKid => "jwks_duplicate_kid",
            Self::PrivateKey => "jwks_private_key",
        }
    }
}

impl IssuerKeys {
    /// Reads a set (RFC 7517, section 5).
    ///
    /// # Errors
    /// [`IssuerKeysError`] naming what is wrong with the set.
    pub fn parse(text: &str) -> Result<Self, IssuerKeysError> {
        if text.len() > MAX_BYTES {
            return Err(IssuerKeysError::TooLarge);
        }
        let set = strict_json::parse_object(text.as_bytes()).map_err(|error| match error {
            JsonError::Malformed | JsonError::Trailing => IssuerKeysError::Malformed,
            JsonError::Duplicate => IssuerKeysError::DuplicateMember,
        })?;
        let Some(Json::List(members)) = set.get("keys") else {
            return Err(IssuerKeysError::NoKeys);
        };
        if members.len() > MAX_KEYS {
            return Err(IssuerKeysError::TooManyKeys);
        }
        let mut found = Self::default();
        for member in members {
            let Json::Object(jwk) = member else {
                return Err(IssuerKeysError::NoKeys);
            };
            if PRIVATE.iter().any(|name| jwk.contains_key(*name)) {
                return Err(IssuerKeysError::PrivateKey);
            }
            let Some(key) = IssuerKey::read(jwk) else {
                continue;
            };
            if found.find(&key.kid).is_some() {
                return Err(IssuerKeysError::DuplicateKid);
            }
            found.keys.push(key);
        }
        Ok(found)
    }

    /// The key of that name.
    #[must_use]
    pub fn find(&self, kid: &str) -> Option<&IssuerKey> {
        self.keys.iter().find(|key| key.kid == kid)
    }

    /// The keys, in the order of the set.
    pub fn iter(&self) -> impl Iterator<Item = &IssuerKey> {
        self.keys.iter()
    }
}

impl KeySet for IssuerKeys {
    type Error = IssuerKeysError;

    fn parse(text: &str) -> Result<Self, IssuerKeysError> {
        Self::parse(text)
    }

    fn has(&self, kid: &str) -> bool {
        self.find(kid).is_some()
    }

    fn kids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(IssuerKey::kid)
    }
}

impl IssuerKey {
    /// The key's name.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public key.
    ///
    /// # Errors
    /// [`KeyFlaw`] when it is not fit to verify with.
    pub const fn material(&self) -> Result<&KeyMaterial, KeyFlaw> {
        match &self.material {
            Ok(material) => Ok(material),
            Err(flaw) => Err(*flaw),
        }
    }

    /// A key with a name, of a kind that signs tokens, and for that use as far as it says.
    fn read(jwk: &Object<'_>) -> Option<Self> {
        let text = |name| jwk.get(name).and_then(Json::as_text);
        let kid = text("kid").filter(|kid| is_kid(kid))?;
        if jwk.contains_key("use") && text("use") != Some("sig") {
            return None;
        }
        let verifies = match jwk.get("key_ops") {
            None => true,
            Some(Json::List(uses)) => uses.iter().any(|one| one.as_text() == Some("verify")),
            Some(_) => false,
        };
        let (algorithm, material) = match text("kty") {
            Some("RSA") if verifies => (Algorithm::Rs256, rsa(jwk)),
            Some("EC") if verifies => (Algorithm::Es256, p256(jwk)),
            _ => return None,
        };
        // RFC 8725, section 3.1: a key is used with one algorithm.
        let is_for_it = !jwk.contains_key("alg") || text("alg") == Some(algorithm.as_str());
        Some(Self {
            kid: kid.to_owned(),
            material: if is_for_it {
                material
            } else {
                Err(KeyFlaw::Unsuitable)
            },
        })
    }
}

impl KeyMaterial {
    /// The one algorithm that the key is used with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa { .. } => Algorithm::Rs256,
            Self::P256 { .. } => Algorithm::Es256,
        }
    }
}

impl fmt::Debug for IssuerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerKey")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm().as_str())
    }
}

fn bytes(jwk: &Object<'_>, name: &str) -> Result<Vec<u8>, KeyFlaw> {
    let text = jwk.get(name).and_then(Json::as_text);
    let decoded = text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    decoded.ok_or(KeyFlaw::Malformed)
}

/// RFC 7518, section 6.3.1: both without leading zeros.
fn rsa(jwk: &Object<'_>) -> Result<KeyMaterial, KeyFlaw> {
    let (modulus, exponent) = (bytes(jwk, "n")?, bytes(jwk, "e")?);
    let (Some(&high), Some(&low)) = (modulus.first(), modulus.last()) else {
        return Err(KeyFlaw::Malformed);
    };
    if high == 0 || low % 2 == 0 {
        return Err(KeyFlaw::Malformed);
    }
    let zeros = usize::try_from(high.leading_zeros()).unwrap_or(0);
    let bits = modulus.len().saturating_mul(8).saturating_sub(zeros);
    if !RSA_BITS.contains(&bits) || exponent != RSA_EXPONENT {
        return Err(KeyFlaw::Weak);
    }
    Ok(KeyMaterial::Rsa { modulus, exponent })
}

fn p256(jwk: &Object<'_>) -> Result<KeyMaterial, KeyFlaw> {
    if jwk.get("crv").and_then(Json::as_text) != Some("P-256") {
        return Err(KeyFlaw::Unsuitable);
    }
    let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
    // A point of the curve, or none.
    PublicKey::p256(&x, &y).map_err(|_| KeyFlaw::Malformed)?;
    let point = [[4].as_slice(), &x, &y].concat();
    Ok(KeyMaterial::P256 { point })
}
