//! `strongroom-webhook-sig` beside the Standard Webhooks project's own library.

use std::error::Error;
use std::hint::black_box;
use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue};
use standardwebhooks::Webhook;
use strongroom_webhook_sig::{HeaderSet, SigningSecret, Verifier, sign};

use crate::case::{Case, Goal, Side};
use crate::report::Report;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Measures the verification of messages.
pub fn measure(report: &mut Report) -> Result<(), Box<dyn Error>> {
    for (name, size) in [("verify 1 KiB", 1024), ("verify 64 KiB", 64 * 1024)] {
        report.measure(verify(name, size)?);
    }
    Ok(())
}

/// From the request's headers and body to the verdict; both sides read the same headers.
fn verify(name: &str, size: usize) -> Result<Case, Box<dyn Error>> {
    // The peer reads the clock itself, so that the message must be of now.
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let secret: SigningSecret = SECRET.parse()?;
    let body = vec![b'a'; size];
    let signed = sign(
        &secret,
        &"msg_p5jXN8AQM9LWM0D4loKWxJek".parse()?,
        now,
        &body,
    );
    let mut headers = HeaderMap::new();
    for (name, value) in signed.headers() {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_str(&value)?,
        );
    }

    let verifier = Verifier::new(vec![secret])?;
    let webhook = Webhook::new(SECRET)?;
    let ours = move |headers: &HeaderMap, body: &[u8]| {
        let pairs = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()));
        HeaderSet::collect(pairs)
            .and_then(|set| verifier.verify(&set, body, now))
            .is_ok()
    };
    let peer = move |headers: &HeaderMap, body: &[u8]| webhook.verify(body, headers).is_ok();
    if !ours(&headers, &body) || !peer(&headers, &body) {
        return Err("a side refuses the message: there is nothing to compare".into());
    }
    let (their_headers, their_body) = (headers.clone(), body.clone());
    Ok(Case {
        name: name.to_owned(),
        peer_name: "standardwebhooks 1.0.1",
        goal: Some(Goal::of(1.0)),
        bytes: None,
        ours: Side::new(move || assert!(ours(black_box(&headers), black_box(&body)))),
        peer: Side::new(move || assert!(peer(black_box(&their_headers), black_box(&their_body)))),
    })
}
