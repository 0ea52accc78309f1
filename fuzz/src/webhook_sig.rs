//! Fuzz bodies of `strongroom-webhook-sig`.

use strongroom_webhook_sig::{
    Claim, HeaderSet, MemoryReplayGuard, ReplayGuard, SigningSecret, Verifier, WebhookError, sign,
};

/// Headers as lines of `name:value`: what is collected has one spelling, and nothing forged
/// verifies.
pub fn headers(data: &[u8]) {
    let lines = data.split(|byte| *byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        Some((std::str::from_utf8(name).ok()?, value.get(1..)?))
    });
    let pairs: Vec<_> = lines.collect();
    let Ok(set) = HeaderSet::collect(pairs.iter().copied()) else {
        return;
    };
    let value = |wanted: &str| {
        let found = pairs
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| *value)
    };
    assert_eq!(
        value("webhook-id"),
        Some(set.message_id().as_str().as_bytes())
    );
    assert_eq!(
        value("webhook-timestamp"),
        Some(set.timestamp().to_string().as_bytes())
    );
    assert!(!set.message_id().as_str().contains('.'));
    if let Some(verifier) = verifier(&[0x5a; 32]) {
        let refused = verifier.verify(&set, b"", set.timestamp()).err();
        assert_eq!(refused, Some(WebhookError::SignatureMismatch));
    }
}

/// A secret's text: what parses comes back the same, padding apart.
pub fn secret(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(secret) = text.parse::<SigningSecret>() {
        let again = secret.expose_text();
        assert_eq!(again.trim_end_matches('='), text.trim_end_matches('='));
        assert!(again.parse::<SigningSecret>().is_ok());
    }
}

/// The first byte cuts the rest: what is signed verifies in pieces, once, and no other body does.
pub fn round_trip(data: &[u8]) {
    let Some((cut, body)) = data.split_first() else {
        return;
    };
    let (Ok(secret), Some(verifier)) = (SigningSecret::from_bytes(&[7; 24]), verifier(&[7; 24]))
    else {
        return;
    };
    let Ok(id) = "msg_fuzz".parse() else { return };
    let now = 1_700_000_000 + u64::from(*cut);
    let sent = sign(&secret, &id, now, body).headers();
    let pairs = sent.iter().map(|(name, value)| (*name, value.as_bytes()));
    let collected = HeaderSet::collect(pairs);
    assert!(collected.is_ok());
    let Ok(set) = collected else { return };

    let (first, rest) = body.split_at(usize::from(*cut).min(body.len()));
    let begun = verifier.begin(&set, now);
    assert!(begun.is_ok());
    let Ok(mut pieces) = begun else { return };
    pieces.update(first);
    pieces.update(rest);
    let verified = pieces.finish();
    assert!(verified.is_ok());
    let mut longer = body.to_vec();
    longer.push(*cut);
    assert_eq!(
        verifier.verify(&set, &longer, now),
        Err(WebhookError::SignatureMismatch)
    );

    let Ok(verified) = verified else { return };
    let guard = MemoryReplayGuard::new(1, 300);
    assert_eq!(guard.claim("fuzz", &verified, now), Ok(Claim::First));
    assert_eq!(
        guard.claim("fuzz", &verified, now),
        Err(WebhookError::Replayed)
    );
}

fn verifier(secret: &[u8]) -> Option<Verifier> {
    Verifier::new(vec![SigningSecret::from_bytes(secret).ok()?]).ok()
}
