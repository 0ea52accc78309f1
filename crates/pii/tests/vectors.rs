//! The vectors that every language shares: `tests/vectors/scan.json`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use strongroom_pii::{Channel, Policy, scan};
use strongroom_tenancy::TenantId;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    name: String,
    origin: String,
    text: String,
    /// Class ids and the matched texts, in order.
    matches: Vec<(String, String)>,
    redacted: String,
}

#[test]
fn every_vector_holds() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("vectors/scan.json")).unwrap();
    for Vector {
        name,
        origin,
        text,
        matches,
        redacted,
    } in vectors
    {
        assert!(!origin.is_empty(), "{name}");
        let found = scan(&text).into_iter();
        let found: Vec<_> = found
            .map(|m| {
                (
                    m.class.id().to_owned(),
                    text.get(m.range).unwrap().to_owned(),
                )
            })
            .collect();
        assert_eq!(found, matches, "{name}");
        let redaction = Policy::strict().redact(&TenantId::PLATFORM, Channel::Prompt, &text);
        assert_eq!(redaction.unwrap().text, redacted, "{name}");
    }
}
