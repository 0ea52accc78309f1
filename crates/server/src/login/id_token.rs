//! Checking an ID token, and who it is that it names.

use jsonwebtoken::crypto::{aws_lc, verify as holds};
use jsonwebtoken::{Algorithm as PeerAlgorithm, DecodingKey};
use sha2::{Digest as _, Sha256};
use strongroom_tenancy::{ActorError, ActorId, ActorKind, TenantId};
use strongroom_tenant_token::id_token::{
    IdTokenRejection, IssuerKeys, KeyMaterial, PresentedToken, Signed, VerifiedIdToken,
};

use super::connection::Connection;

/// What the hash that names a person begins with.
const LABEL: &[u8] = b"strongroom/login/person/v1";

/// Checks a token at `now` (Unix seconds); `nonce` is the one that the login was begun with.
///
/// # Errors
/// [`IdTokenRejection`] with the first check that failed.
pub fn verify(
    presented: &PresentedToken<'_>,
    connection: &Connection,
    keys: &IssuerKeys,
    nonce: Option<&str>,
    now: u64,
) -> Result<VerifiedIdToken, IdTokenRejection> {
    presented.verify(&connection.expected, keys, nonce, now, signature_holds)
}

/// Who a token names, as an actor of a tenant: a UUID (version 8, RFC 9562) made from the SHA-256
/// of tenant, issuer and subject, each after its length. The same person of one issuer is the same
/// actor at each login, and another one in another tenant.
///
/// # Errors
/// [`ActorError`]: never, as a version-8 UUID is not nil.
pub fn person(tenant: &TenantId, issuer: &str, subject: &str) -> Result<ActorId, ActorError> {
    let mut hash = Sha256::new();
    hash.update(LABEL);
    for part in [
        tenant.as_uuid().as_bytes().as_slice(),
        issuer.as_bytes(),
        subject.as_bytes(),
    ] {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        hash.update(length.to_be_bytes());
        hash.update(part);
    }
    let hash: [u8; 32] = hash.finalize().into();
    let mut bytes = [0_u8; 16];
    for (byte, from) in bytes.iter_mut().zip(hash) {
        *byte = from;
    }
    let id = uuid::Builder::from_custom_bytes(bytes).into_uuid();
    ActorId::new(ActorKind::User, id)
}

/// The one thing that `jsonwebtoken` is asked. What it would make of the token itself, its header
/// and its claims is not used.
fn signature_holds(signed: Signed<'_>) -> bool {
    use base64::Engine as _;
    // Its own choice depends on which of its features somebody else in the build has turned on.
    let _ = aws_lc::DEFAULT_PROVIDER.install_default();
    let (key, algorithm) = match signed.key {
        KeyMaterial::Rsa { modulus, exponent } => (
            DecodingKey::from_rsa_raw_components(modulus, exponent),
            PeerAlgorithm::RS256,
        ),
        KeyMaterial::P256 { point } => (DecodingKey::from_ec_der(point), PeerAlgorithm::ES256),
    };
    let signature = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(signed.signature);
    holds(&signature, signed.message, &key, algorithm).unwrap_or(false)
}
