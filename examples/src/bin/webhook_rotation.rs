//! A sender moves from a shared secret to a key pair, and its receivers follow one by one.

use std::error::Error;

use strongroom::webhook_sig::{
    HeaderSet, ReceiverKey, Scheme, SenderKey, Signed, Signer, SigningKey, SigningSecret, Verifier,
    WebhookError,
};

const NOW: u64 = 1_800_000_000;
const BODY: &[u8] = br#"{"order":17}"#;

fn receive(verifier: &Verifier, sent: &Signed) -> Result<(), WebhookError> {
    let headers = sent.headers();
    let headers = headers
        .iter()
        .map(|(name, value)| (*name, value.as_bytes()));
    let headers = HeaderSet::collect(headers)?;
    verifier.verify(&headers, BODY, NOW).map(drop)
}

fn main() -> Result<(), Box<dyn Error>> {
    let (secret, key) = (SigningSecret::generate()?, SigningKey::generate()?);
    // What receivers hold: those who have not heard of it yet, and those who have.
    let shared: SigningSecret = secret.expose_text().parse()?;
    let before = Verifier::new([shared])?;
    let public: ReceiverKey = key.verifying_key().into();
    let after = Verifier::new([public])?;
    let id = "msg_1".parse()?;

    // During the overlap each message is signed both ways.
    let private: SigningKey = key.expose_text().parse()?;
    let both: [SenderKey; 2] = [secret.into(), private.into()];
    let sent = Signer::new(Scheme::Standard, both)?.sign(&id, NOW, BODY);
    receive(&before, &sent)?;
    receive(&after, &sent)?;
    println!("overlap: the secret and the public key both verify");

    // Then the secret is gone, and whoever kept it can neither verify nor sign.
    let sent = Signer::new(Scheme::Standard, [key])?.sign(&id, NOW, BODY);
    receive(&after, &sent)?;
    assert_eq!(
        receive(&before, &sent),
        Err(WebhookError::SignatureMismatch)
    );
    println!("afterwards: the public key alone");
    Ok(())
}
