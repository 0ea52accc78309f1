//! Fuzz bodies of `strongroom-webhook-sig`.

use strongroom_webhook_sig::{
    Claim, GithubSecret, HeaderSet, MemoryReplayGuard, ReceiverKey, Scheme, SenderKey, Signer,
    SigningKey, SigningSecret, UndatedHeaders, UndatedVerifier, Verifier, VerifyingKey,
    WebhookError, sign, sign_undated,
};

const SCHEMES: [Scheme; 4] = [
    Scheme::Standard,
    Scheme::Svix,
    Scheme::Stripe,
    Scheme::Slack,
];

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
    let id = set.message_id().map(|id| id.as_str());
    assert_eq!(value("webhook-id"), id.map(str::as_bytes));
    assert!(id.is_some_and(|id| !id.contains('.')));
    assert_eq!(
        value("webhook-timestamp"),
        Some(set.timestamp().to_string().as_bytes())
    );
    if let Some(verifier) = verifier(&[0x5a; 32]) {
        let refused = verifier.verify(&set, b"", set.timestamp()).err();
        assert_eq!(refused, Some(WebhookError::SignatureMismatch));
    }
}

/// Headers as lines of `name:value`, read as each scheme's: nothing forged verifies.
pub fn schemes(data: &[u8]) {
    let lines = data.split(|byte| *byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        Some((std::str::from_utf8(name).ok()?, value.get(1..)?))
    });
    let pairs: Vec<_> = lines.collect();
    for scheme in SCHEMES {
        let (Ok(set), Some((_, receiver))) =
            (HeaderSet::collect_as(scheme, pairs.iter().copied()), keys(scheme))
        else {
            continue;
        };
        assert_eq!(
            set.message_id().is_some(),
            matches!(scheme, Scheme::Standard | Scheme::Svix)
        );
        let verifier = Verifier::for_scheme(scheme, [receiver]);
        assert!(verifier.is_ok());
        let refused = verifier.and_then(|verifier| verifier.verify(&set, b"", set.timestamp()));
        assert_eq!(refused.err(), Some(WebhookError::SignatureMismatch));
    }
    if let (Ok(set), Ok(secret)) = (
        UndatedHeaders::collect(pairs.iter().copied()),
        "the fuzzer knows no secret".parse::<GithubSecret>(),
    ) {
        let verifier = UndatedVerifier::accepting_replays([secret]);
        let refused = verifier.and_then(|verifier| verifier.verify(&set, b""));
        assert_eq!(refused.err(), Some(WebhookError::SignatureMismatch));
    }
}

/// The first byte chooses a scheme and cuts the rest: what is signed verifies in pieces, and no
/// other body does.
pub fn schemes_round_trip(data: &[u8]) {
    let Some((choice, body)) = data.split_first() else {
        return;
    };
    let (first, rest) = body.split_at(usize::from(*choice).min(body.len()));
    let mut longer = body.to_vec();
    longer.push(*choice);
    let Ok(id) = "msg_fuzz".parse() else { return };
    let Some(scheme) = SCHEMES.get(usize::from(*choice) % 5).copied() else {
        let secret = || "the fuzzer knows no secret".parse::<GithubSecret>();
        let (Ok(signing), Ok(verifying)) = (secret(), secret()) else {
            return;
        };
        let sent = sign_undated(&signing, &id, body).headers();
        let pairs = sent.iter().map(|(name, value)| (*name, value.as_bytes()));
        let (Ok(set), Ok(verifier)) = (
            UndatedHeaders::collect(pairs),
            UndatedVerifier::accepting_replays([verifying]),
        ) else {
            panic!("what we signed is not taken");
        };
        assert!(verifier.verify(&set, body).is_ok());
        let refused = verifier.verify(&set, &longer).err();
        assert_eq!(refused, Some(WebhookError::SignatureMismatch));
        return;
    };
    let Some((sender, receiver)) = keys(scheme) else {
        panic!("a key is not taken");
    };
    let now = 1_700_000_000 + u64::from(*choice);
    let (Ok(signer), Ok(verifier)) = (
        Signer::new(scheme, [sender]),
        Verifier::for_scheme(scheme, [receiver]),
    ) else {
        panic!("a key is not of its scheme");
    };
    let sent = signer.sign(&id, now, body).headers();
    let pairs = sent.iter().map(|(name, value)| (*name, value.as_bytes()));
    let collected = verifier.collect(pairs);
    assert!(collected.is_ok());
    let Ok(set) = collected else { return };
    let Ok(mut pieces) = verifier.begin(&set, now) else {
        panic!("what we signed is outside its own window");
    };
    pieces.update(first);
    pieces.update(rest);
    assert_eq!(pieces.finish(), verifier.verify(&set, body, now));
    assert!(verifier.verify(&set, body, now).is_ok());
    let refused = verifier.verify(&set, &longer, now).err();
    assert_eq!(refused, Some(WebhookError::SignatureMismatch));
}

/// A scheme's sender's and receiver's key; Standard Webhooks is signed with a pair here.
fn keys(scheme: Scheme) -> Option<(SenderKey, ReceiverKey)> {
    let text = match scheme {
        Scheme::Standard => {
            let key = SigningKey::from_seed(&[7; 32]);
            let public = key.verifying_key();
            return Some((key.into(), public.into()));
        }
        Scheme::Svix => "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        _ => "whsec_5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH",
    };
    let sender = SenderKey::parse(scheme, text).ok()?;
    Some((sender, ReceiverKey::parse(scheme, text).ok()?))
}

/// A key's text: what parses comes back the same, padding apart.
pub fn secret(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(key) = text.parse::<SigningKey>() {
        let again = key.expose_text();
        assert!(again.starts_with(text.trim_end_matches('=').get(..45).unwrap_or_default()));
        let public = again.parse::<SigningKey>().map(|key| key.verifying_key());
        assert_eq!(public, Ok(key.verifying_key()));
    }
    if let Ok(key) = text.parse::<VerifyingKey>() {
        let again = key.to_string();
        assert_eq!(again.trim_end_matches('='), text.trim_end_matches('='));
    }
    for scheme in SCHEMES {
        let _ = ReceiverKey::parse(scheme, text);
        let _ = SenderKey::parse(scheme, text);
    }
    let _ = text.parse::<GithubSecret>();
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
    Verifier::new([SigningSecret::from_bytes(secret).ok()?]).ok()
}
