//! Fuzz bodies of `strongroom-pii`.

use strongroom_pii::{Channel, Policy, scan};
use strongroom_tenancy::TenantId;

/// Matches are sorted, apart, and on character boundaries.
pub fn scan_text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut end = 0;
    for found in scan(text) {
        assert!(found.range.start >= end && found.range.start < found.range.end);
        assert!(text.get(found.range.clone()).is_some());
        assert!((0.0..=1.0).contains(&found.confidence.get()));
        end = found.range.end;
    }
}

/// Redacting twice is redacting once, and each finding is replaced.
pub fn redact(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let strict = Policy::strict();
    let apply = |text: &str| strict.redact(&TenantId::PLATFORM, Channel::Prompt, text);
    let once = apply(text).expect("strict never blocks");
    let twice = apply(&once.text).expect("strict never blocks");
    assert_eq!(once.text, twice.text);
    assert!(twice.findings.is_empty());
}

/// A document that is accepted is kept as it was given, and is accepted again.
pub fn policy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for parse in [Policy::from_toml, Policy::from_json] {
        match parse(text) {
            Ok(policy) => {
                assert_eq!(policy.source(), text);
                let again = parse(policy.source()).expect("it was accepted before");
                assert_eq!(
                    (again.version(), again.hash()),
                    (policy.version(), policy.hash())
                );
                let audit = policy.redact(&TenantId::PLATFORM, Channel::Audit, "a@example.com");
                assert_eq!(audit.expect("audit never blocks").text, "[EMAIL]");
            }
            Err(error) => assert!(error.line >= 1 && error.line <= text.matches('\n').count() + 1),
        }
    }
}
