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

/// Who a token's subject was in the logs of versions before pseudonyms ([`crate::subjects`]): a
/// UUID (version 8, RFC 9562) made from the SHA-256 of tenant, issuer and subject, each after its
/// length. It is what old entries and revocations name somebody by; nothing new does.
///
/// # Errors
/// [`ActorError`]: never, as a version-8 UUID is not nil.
pub fn derived_person(
    tenant: &TenantId,
    issuer: &str,
    subject: &str,
) -> Result<ActorId, ActorError> {
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

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use strongroom_tenant_token::id_token::{Expected, Profile};

    use super::*;

    /// A connection as a case of the vectors wants it.
    fn connection(vectors: &Value, case: &Value) -> Connection {
        let is_firebase = case["profile"] == "firebase";
        let text = |name: &str| vectors[name].as_str().unwrap().to_owned();
        let project = text("project");
        let names = case["algorithms"].as_array().unwrap().iter();
        let algorithms = names.map(|name| name.as_str().unwrap().parse().unwrap());
        let expected = Expected {
            profile: if is_firebase {
                Profile::Firebase
            } else {
                Profile::Oidc
            },
            issuer: if is_firebase {
                format!("https://securetoken.google.com/{project}")
            } else {
                text("issuer")
            },
            client_id: if is_firebase {
                project
            } else {
                text("client_id")
            },
            algorithms: algorithms.collect(),
            max_age: if is_firebase { 3_600 } else { 600 },
        };
        Connection {
            name: "vectors".to_owned(),
            expected,
            jwks_url: "https://login.example.com/keys".parse().unwrap(),
            capabilities: "chat:create".parse().unwrap(),
        }
    }

    /// The same cases as `strongroom-tenant-token`'s, each signature checked here.
    #[test]
    fn every_case_with_its_signature() {
        let text = include_str!("../../../tenant-token/tests/vectors/id_tokens.json");
        let vectors: Value = serde_json::from_str(text).unwrap();
        let keys = IssuerKeys::parse(&vectors["jwks"].to_string()).unwrap();
        let now = vectors["now"].as_u64().unwrap();
        let (mut accepted, mut refused) = (0, 0);
        for case in vectors["cases"].as_array().unwrap() {
            let name = case["name"].as_str().unwrap();
            let nonce = case["nonce"].as_str();
            let connection = connection(&vectors, case);
            let presented = PresentedToken::parse(case["token"].as_str().unwrap());
            let verified = presented
                .map_err(IdTokenRejection::from)
                .and_then(|presented| verify(&presented, &connection, &keys, nonce, now));
            match (verified, case["code"].as_str()) {
                (Ok(verified), None) => {
                    assert_eq!(verified.subject(), case["subject"], "{name}");
                    accepted += 1;
                }
                (Err(rejection), Some(code)) => {
                    assert_eq!(rejection.error().code(), code, "{name}");
                    refused += 1;
                }
                (found, _) => panic!("{name}: {found:?}"),
            }
        }
        assert!(accepted >= 18 && refused >= 120, "{accepted}, {refused}");
    }

    #[test]
    fn a_person_is_one_actor_in_one_tenant() {
        let tenant = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().unwrap();
        let other = "0190b2a4-8c7e-7d3a-9f00-0242ac120003".parse().unwrap();
        let issuer = "https://login.example.com/realm";
        let of = |tenant, issuer, subject| derived_person(tenant, issuer, subject).unwrap();
        let known = of(&tenant, issuer, "248289761001");
        // Worked out apart, from what the documentation says.
        assert_eq!(
            known.to_string(),
            "user:99631dfe-777d-84ca-a857-49e5b36c112d"
        );
        assert_ne!(of(&other, issuer, "248289761001"), known);
        // Where one ends and the next begins counts.
        let moved = of(&tenant, "https://login.example.com/realm2", "48289761001");
        assert_ne!(moved, known);
    }
}
