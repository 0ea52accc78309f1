//! A sender and a receiver of one webhook: the delivery, its retry, a replay and a forgery.

use std::error::Error;

use strongroom::webhook_sig::{
    Claim, DEFAULT_TOLERANCE, HeaderSet, MemoryReplayGuard, Signed, SigningSecret, Verifier,
    WebhookError, sign,
};

struct Receiver {
    verifier: Verifier,
    guard: MemoryReplayGuard,
}

impl Receiver {
    /// What an endpoint does with a request, `now` being its own clock.
    fn receive(&self, sent: &Signed, body: &[u8], now: u64) -> Result<Claim, WebhookError> {
        let headers = sent.headers();
        let headers = headers
            .iter()
            .map(|(name, value)| (*name, value.as_bytes()));
        let verified = self
            .verifier
            .verify(&HeaderSet::collect(headers)?, body, now)?;
        let claim = self.guard.claim("orders", &verified, now)?;
        if claim == Claim::First {
            // Here the message is acted on; only then is it settled, so that a crash before this
            // line leaves the retry something to do.
            self.guard.commit("orders", &verified, now)?;
        }
        Ok(claim)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let secret = SigningSecret::generate()?;
    // The receiver has its own copy of the secret, from the text that was shown once.
    let copy: SigningSecret = secret.expose_text().parse()?;
    let receiver = Receiver {
        verifier: Verifier::new([copy])?,
        guard: MemoryReplayGuard::new(100_000, DEFAULT_TOLERANCE),
    };
    let (id, body, now) = ("msg_1".parse()?, br#"{"order":17}"#, 1_800_000_000);

    let first = sign(&secret, &id, now, body);
    assert_eq!(receiver.receive(&first, body, now), Ok(Claim::First));
    println!("first delivery: handled");

    // The sender did not hear the answer: the same message, signed anew.
    let retry = sign(&secret, &id, now + 5, body);
    assert_eq!(
        receiver.receive(&retry, body, now + 5),
        Ok(Claim::Duplicate)
    );
    println!("retry: acknowledged, and not handled again");

    // Somebody recorded the delivery: the same bytes, sent again, now and later.
    assert_eq!(
        receiver.receive(&first, body, now + 10),
        Err(WebhookError::Replayed)
    );
    assert_eq!(
        receiver.receive(&first, body, now + 301),
        Err(WebhookError::TooOld)
    );
    println!("replay: refused");

    let forged = receiver.receive(&retry, br#"{"order":18}"#, now + 5);
    assert_eq!(forged, Err(WebhookError::SignatureMismatch));
    println!("forgery: {}", WebhookError::SignatureMismatch.problem());
    Ok(())
}
