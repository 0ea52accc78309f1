//! Fuzz bodies of `strongroom-pii`.

use strongroom_pii::{
    Channel, Class, Destination, Policy, Redactor, RestorePolicy, Restorer, Token, scan,
};
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

/// Redacting twice is redacting once.
pub fn redact(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let strict = Policy::strict();
    let apply = |text: &str| {
        let redaction = strict.redact(&TenantId::PLATFORM, Channel::Prompt, text);
        redaction.expect("strict never blocks").text
    };
    let once = apply(text);
    assert_eq!(apply(&once), once, "redacting twice is not once");
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

/// The same in pieces as whole. The first bytes say how long the pieces are.
pub fn stream(data: &[u8]) {
    let (sizes, text) = data.split_at(data.len().min(4));
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let policy = Policy::strict();
    let mut redactor = Redactor::new(&policy, &TenantId::PLATFORM, Channel::Output);
    let whole = redactor.redact(text).expect("strict never blocks");
    let mut stream = redactor.stream();
    let mut out = String::new();
    let mut sizes = sizes.iter().cycle();
    let mut rest = text;
    while !rest.is_empty() {
        let size = sizes.next().map_or(1, |size| usize::from(*size) + 1);
        let end = rest.char_indices().nth(size).map_or(rest.len(), |(at, _)| at);
        let (piece, after) = rest.split_at(end);
        stream.push(piece, &mut out).expect("strict never blocks");
        rest = after;
    }
    let findings = stream.finish(&mut out).expect("strict never blocks");
    assert_eq!(out, whole.text);
    assert_eq!(findings, whole.findings);
}

/// JSON stays JSON, and redacting twice is redacting once.
pub fn redact_json(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let policy = Policy::strict();
    let mut redactor = Redactor::new(&policy, &TenantId::PLATFORM, Channel::Tool);
    let Ok(once) = redactor.redact_json(text) else {
        return;
    };
    redactor.redact_json(&once.text).expect("it is JSON");
    for found in &once.findings {
        assert!(text.get(found.span.bytes.clone()).is_some());
    }
}

/// A table keeps its rows and fields.
pub fn redact_csv(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let policy = Policy::strict();
    let mut redactor = Redactor::new(&policy, &TenantId::PLATFORM, Channel::Export);
    if let Ok(once) = redactor.redact_csv(text, b',') {
        redactor.redact_csv(&once.text, b',').expect("it is a table");
    }
}

/// Whatever a text is, no more comes back than was put in, and nothing without its token.
pub fn restore(data: &[u8]) {
    const VALUE: &str = "the value";
    let (random, text) = data.split_at(data.len().min(Token::RANDOM));
    let (Ok(random), Ok(text)) = (random.try_into(), std::str::from_utf8(text)) else {
        return;
    };
    let token = Token::from_random(&Class::Email, random);
    let mut restorer = Restorer::new(RestorePolicy::default());
    restorer.insert(Class::Email, &token, VALUE.to_owned().into());
    let restored = restorer.restore(Destination::Answer, text);
    let count: usize = restored.restored.values().sum();
    assert_eq!(restored.text.matches(VALUE).count(), text.matches(VALUE).count() + count);
    let marked = format!("{text} {token}");
    let restored = restorer.restore(Destination::Answer, &marked);
    assert!(restored.text.ends_with(VALUE) || restored.withheld > 0);
}
