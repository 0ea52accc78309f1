//! `strongroom-webhook-sig` beside the libraries of Standard Webhooks and of Svix, and beside the
//! bare MAC.

use std::error::Error;
use std::hint::black_box;
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::Sha256;
use strongroom_webhook_sig::{HeaderSet, SigningKey, SigningSecret, Verifier, WebhookError, sign};

use crate::case::{Case, Goal, Side};
use crate::report::Report;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";

/// What is compared: a name and a size.
const SIZES: [(&str, usize); 3] = [("128 B", 128), ("1 KiB", 1024), ("64 KiB", 64 * 1024)];

/// A message as a receiver has it.
#[derive(Clone)]
struct Message {
    headers: HeaderMap,
    body: Vec<u8>,
    now: u64,
}

/// Measures the verification of messages.
pub fn measure(report: &mut Report) -> Result<(), Box<dyn Error>> {
    for (name, size) in SIZES {
        // Of the smallest nothing was promised.
        let goal = |ratio| (size >= 1024).then(|| Goal::of(ratio));
        let message = Message::new(size)?;
        let peer = standardwebhooks::Webhook::new(SECRET)?;
        report.measure(message.clone().verify(
            &format!("verify {name}"),
            "standardwebhooks 1.0.1",
            goal(6.0),
            move |message| peer.verify(&message.body, &message.headers).is_ok(),
        )?);
        let peer = svix::webhooks::Webhook::new(SECRET)?;
        report.measure(message.clone().verify(
            &format!("verify {name}"),
            "svix 2.9.1",
            goal(6.0),
            move |message| peer.verify(&message.body, &message.headers).is_ok(),
        )?);
        let (keyed, prefix) = (raw_key()?, message.prefix());
        report.measure(message.clone().verify(
            &format!("verify {name}"),
            "HMAC-SHA-256 of sha2 0.11",
            (size > 1024).then(|| Goal::of(0.90)),
            move |message| {
                let mac = keyed.clone().chain_update(&prefix);
                let mac = mac.chain_update(&message.body).finalize().into_bytes();
                <[u8; 32]>::from(mac) != [0; 32]
            },
        )?);
    }
    report.measure(stale()?);
    report.measure(v1a()?);
    Ok(())
}

/// A stale message of 64 KiB beside one of 1 KiB.
fn stale() -> Result<Case, Box<dyn Error>> {
    let side = |size| -> Result<Side, Box<dyn Error>> {
        let message = Message::new(size)?;
        let verifier = Verifier::new([SECRET.parse::<SigningSecret>()?])?;
        let late = message.now + 301;
        Ok(Side::new(move || {
            let outcome = message.ours(&verifier, black_box(late));
            assert_eq!(outcome, Err(WebhookError::TooOld));
        }))
    };
    Ok(Case {
        name: "refuse stale 64 KiB".to_owned(),
        peer_name: "ours, stale 1 KiB",
        goal: Some(Goal::of(0.90)),
        bytes: None,
        ours: side(64 * 1024)?,
        peer: side(1024)?,
    })
}

/// The public-key scheme, which no library verifies, beside its signature alone.
fn v1a() -> Result<Case, Box<dyn Error>> {
    let key = SigningKey::generate()?;
    let signer = strongroom_webhook_sig::Signer::new(
        strongroom_webhook_sig::Scheme::Standard,
        [key.expose_text().parse::<SigningKey>()?],
    )?;
    let mut message = Message::new(1024)?;
    let signed = signer.sign(&ID.parse()?, message.now, &message.body);
    message.headers = headers(signed.headers())?;
    let verifier = Verifier::new([key.verifying_key()])?;
    let peer = ed25519_dalek::VerifyingKey::from_bytes(&key.verifying_key().to_bytes())?;
    let whole = [message.prefix().as_slice(), &message.body].concat();
    let base64 = signed.signature().trim_start_matches("v1a,").to_owned();
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, base64)?;
    let signature = ed25519_dalek::Signature::from_slice(&bytes)?;
    Ok(Case {
        name: "verify 1 KiB, v1a".to_owned(),
        peer_name: "ed25519-dalek 3.0.0",
        goal: None,
        bytes: None,
        ours: Side::new(move || assert!(message.ours(&verifier, message.now).is_ok())),
        peer: Side::new(move || {
            let verified = ed25519_dalek::Verifier::verify(&peer, black_box(&whole), &signature);
            assert!(verified.is_ok());
        }),
    })
}

impl Message {
    fn new(size: usize) -> Result<Self, Box<dyn Error>> {
        // The peers read the clock themselves, so that the message must be of now.
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let body = vec![b'a'; size];
        let signed = sign(&SECRET.parse()?, &ID.parse()?, now, &body);
        Ok(Self {
            headers: headers(signed.headers())?,
            body,
            now,
        })
    }

    fn prefix(&self) -> Vec<u8> {
        format!("{ID}.{}.", self.now).into_bytes()
    }

    /// From the request's headers and body to the verdict.
    fn ours(&self, verifier: &Verifier, now: u64) -> Result<(), WebhookError> {
        let headers = black_box(&self.headers);
        let pairs = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()));
        let set = HeaderSet::collect(pairs)?;
        verifier.verify(&set, black_box(&self.body), now).map(drop)
    }

    /// Ours beside a peer; both sides read the same headers.
    fn verify(
        self,
        name: &str,
        peer_name: &'static str,
        goal: Option<Goal>,
        peer: impl Fn(&Self) -> bool + 'static,
    ) -> Result<Case, Box<dyn Error>> {
        let verifier = Verifier::new([SECRET.parse::<SigningSecret>()?])?;
        if self.ours(&verifier, self.now).is_err() || !peer(&self) {
            return Err("a side refuses the message: there is nothing to compare".into());
        }
        let theirs = self.clone();
        Ok(Case {
            name: name.to_owned(),
            peer_name,
            goal,
            bytes: None,
            ours: Side::new(move || assert!(self.ours(&verifier, self.now).is_ok())),
            peer: Side::new(move || assert!(peer(black_box(&theirs)))),
        })
    }
}

fn raw_key() -> Result<Hmac<Sha256>, Box<dyn Error>> {
    let base64 = SECRET.trim_start_matches("whsec_");
    let key = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, base64)?;
    Ok(Hmac::new_from_slice(&key)?)
}

fn headers(pairs: Vec<(&'static str, String)>) -> Result<HeaderMap, Box<dyn Error>> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_str(&value)?,
        );
    }
    Ok(headers)
}
