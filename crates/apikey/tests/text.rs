//! The text of a key: round trips, the pattern for scanners, what is shown.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use proptest::prelude::*;
use proptest::string::string_regex;
use regex::Regex;
use strongroom_apikey::{ApiKey, Environment, KeyId, PATTERN, ParseError, Prefix, TEST_KEY};

fn any_key() -> impl Strategy<Value = ApiKey> {
    (
        "[a-z][a-z0-9]{1,11}",
        any::<bool>(),
        any::<[u8; 16]>(),
        any::<[u8; 32]>(),
    )
        .prop_map(|(prefix, live, id, secret)| {
            let environment = if live {
                Environment::Live
            } else {
                Environment::Test
            };
            let id = KeyId::from_random(&id);
            ApiKey::from_parts(&prefix.parse().unwrap(), environment, &id, &secret)
        })
}

fn pattern_without_bounds() -> impl Strategy<Value = String> {
    string_regex(PATTERN.trim_start_matches(r"\b").trim_end_matches(r"\b")).unwrap()
}

#[test]
fn the_published_test_key_parses_and_is_visibly_fake() {
    let key: ApiKey = TEST_KEY.parse().unwrap();
    assert_eq!(key.environment(), Environment::Test);
    let parts = (key.prefix(), key.environment(), key.id());
    let made = ApiKey::from_parts(parts.0, parts.1, parts.2, &[0; 32]);
    assert_eq!(made.expose(), TEST_KEY);
}

#[test]
fn generated_keys_parse_and_differ() {
    let prefix: Prefix = "cust".parse().unwrap();
    let first = ApiKey::generate(&prefix, Environment::Live).unwrap();
    let second = ApiKey::generate(&prefix, Environment::Live).unwrap();
    for key in [&first, &second] {
        assert_eq!(key.expose().len(), 72);
        assert!(key.expose().parse::<ApiKey>().is_ok());
    }
    assert_ne!(first.id(), second.id());
    assert_ne!(first.expose().get(23..), second.expose().get(23..));
}

#[test]
fn debug_shows_the_public_parts_alone() {
    let key: ApiKey = TEST_KEY.parse().unwrap();
    assert_eq!(format!("{key:?}"), "ApiKey(cust_test_EXAMPLEKEY00)");
    assert_eq!(format!("{key:#?}"), "ApiKey(cust_test_EXAMPLEKEY00)");
}

#[test]
fn a_scanner_finds_a_key_in_running_text() {
    let pattern = Regex::new(PATTERN).unwrap();
    for text in [
        format!("API_KEY={TEST_KEY}"),
        format!("\"{TEST_KEY}\","),
        format!("https://x.example/?key={TEST_KEY}&y"),
    ] {
        assert_eq!(pattern.find(&text).unwrap().as_str(), TEST_KEY);
    }
    assert!(!pattern.is_match(&format!("{TEST_KEY}0")));
    assert!(!pattern.is_match(&format!("0{TEST_KEY}")));
}

#[test]
fn the_specification_prints_the_same_pattern_and_test_key() {
    let page = include_str!("../../../docs/spec/api-key.md");
    assert!(page.contains(&format!("`{PATTERN}`")));
    assert!(page.contains(TEST_KEY));
}

proptest! {
    #[test]
    fn text_round_trips(key in any_key()) {
        let parsed = ApiKey::parse(key.expose()).unwrap();
        prop_assert_eq!(parsed.expose(), key.expose());
        prop_assert_eq!(parsed.prefix(), key.prefix());
        prop_assert_eq!(parsed.environment(), key.environment());
        prop_assert_eq!(parsed.id(), key.id());
        prop_assert_eq!(*parsed.hash().as_bytes(), *key.hash().as_bytes());
    }

    #[test]
    fn every_key_is_what_the_pattern_finds(key in any_key()) {
        let pattern = Regex::new(PATTERN).unwrap();
        prop_assert_eq!(pattern.find(key.expose()).map(|found| found.as_str()), Some(key.expose()));
    }

    #[test]
    fn what_the_pattern_finds_fails_by_secret_or_checksum_alone(text in pattern_without_bounds()) {
        if let Err(error) = ApiKey::parse(&text) {
            prop_assert!(matches!(error, ParseError::Secret | ParseError::Checksum));
        }
    }

    #[test]
    fn one_changed_byte_is_refused(key in any_key(), at: prop::sample::Index, to in 0_u8..128) {
        let mut bytes = key.expose().as_bytes().to_vec();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != to);
        bytes[at] = to;
        prop_assert!(ApiKey::parse(std::str::from_utf8(&bytes).unwrap()).is_err());
    }

    #[test]
    fn parsing_never_panics(text in "([a-z]{0,4}_(live|test)_)?.{0,80}") {
        let _ = ApiKey::parse(&text);
    }
}
