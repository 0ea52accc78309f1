//! The peers, each as fast as it can be had without flags for the compiler: with
//! `RUSTFLAGS="-C target-cpu=native"` Tink's small messages gain more than ours.

use std::error::Error;
use std::io::{Read, Write};

use age::x25519;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use tink_aead::KmsEnvelopeAead;
use tink_core::Aead as _;

/// As much associated data as our context's hash has.
const ASSOCIATED_DATA: [u8; 32] = [3; 32];

/// Tink's envelope: a fresh DEK for each message, wrapped by AES-256-GCM in the same process.
pub struct Tink(KmsEnvelopeAead);

/// AES-256-GCM of the library that ours is built on, and nothing around it.
pub struct Raw {
    key: LessSafeKey,
    messages: u64,
}

/// rage, for one recipient.
pub struct Age(x25519::Recipient);

impl Tink {
    /// How the reports name it.
    pub const NAME: &'static str = "tink-rust 0.3.0, fresh DEK";

    /// With a KEK that needs no look-up in a keyset.
    pub fn new() -> Result<Self, Box<dyn Error>> {
        tink_aead::init();
        let kek = tink_aead::subtle::AesGcm::new(&[7; 32])?;
        let template = tink_aead::aes256_gcm_key_template();
        Ok(Self(KmsEnvelopeAead::new(template, Box::new(kek))))
    }

    /// Seals.
    pub fn encrypt(&self, plaintext: &[u8]) -> Option<Vec<u8>> {
        self.0.encrypt(plaintext, &ASSOCIATED_DATA).ok()
    }

    /// Opens.
    pub fn decrypt(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        self.0.decrypt(sealed, &ASSOCIATED_DATA).ok()
    }
}

impl Raw {
    /// How the reports name it.
    pub const NAME: &'static str = "aws-lc-rs 1.19.0, one call";

    /// How it is named where it is called for each piece of a stream.
    pub const STREAM: &'static str = "aws-lc-rs 1.19.0, 16 KiB a call";

    /// A stream's piece: of the powers of two, the fastest.
    const PIECE: usize = 16 * 1024;

    /// With a key that is set up already.
    pub fn new() -> Option<Self> {
        let key = UnboundKey::new(&AES_256_GCM, &[9; 32]).ok()?;
        Some(Self {
            key: LessSafeKey::new(key),
            messages: 0,
        })
    }

    /// Seals into a new vector.
    pub fn seal(&mut self, plaintext: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = Vec::with_capacity(plaintext.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(plaintext);
        let nonce = self.nonce();
        self.key
            .seal_in_place_append_tag(nonce, Aad::from(ASSOCIATED_DATA), &mut sealed)
            .ok()?;
        Some(sealed)
    }

    /// Seals where the plaintext lies.
    pub fn seal_in_place(&mut self, mut buffer: Vec<u8>) -> Option<Vec<u8>> {
        self.seal_piece(&mut buffer)?;
        Some(buffer)
    }

    /// Seals all that a reader gives.
    pub fn stream_seal(&mut self, mut from: impl Read, mut to: impl Write) -> Option<()> {
        let mut piece = vec![0; Self::PIECE];
        loop {
            let length = from.read(&mut piece).ok()?;
            if length == 0 {
                return to.flush().ok();
            }
            let piece = piece.get_mut(..length)?;
            let tag = self.seal_piece(piece)?;
            to.write_all(piece).ok()?;
            to.write_all(&tag).ok()?;
        }
    }

    fn seal_piece(&mut self, piece: &mut [u8]) -> Option<[u8; 16]> {
        let nonce = self.nonce();
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(ASSOCIATED_DATA), piece)
            .ok()?;
        tag.as_ref().try_into().ok()
    }

    fn nonce(&mut self) -> Nonce {
        self.messages += 1;
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.messages.to_be_bytes());
        Nonce::assume_unique_for_key(nonce)
    }
}

impl Age {
    /// How the reports name it.
    pub const NAME: &'static str = "rage (age 0.12.1), X25519";

    /// With a recipient that is parsed already.
    pub fn new() -> Self {
        Self(x25519::Identity::generate().to_public())
    }

    /// Seals all that a reader gives.
    pub fn stream_seal(&self, mut from: impl Read, to: impl Write) -> Option<()> {
        let recipient: &dyn age::Recipient = &self.0;
        let encryptor = age::Encryptor::with_recipients(std::iter::once(recipient)).ok()?;
        let mut writer = encryptor.wrap_output(to).ok()?;
        let mut piece = vec![0; 64 * 1024];
        loop {
            let length = from.read(&mut piece).ok()?;
            if length == 0 {
                writer.finish().ok()?;
                return Some(());
            }
            writer.write_all(piece.get(..length)?).ok()?;
        }
    }
}

impl Default for Age {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::long::LongPlaintext;

    #[test]
    fn the_peers_do_their_work() {
        let text = [b'a'; 1000];
        let tink = Tink::new().unwrap();
        let sealed = tink.encrypt(&text).unwrap();
        assert_eq!(tink.decrypt(&sealed).unwrap(), text);

        let mut raw = Raw::new().unwrap();
        let sealed = raw.seal(&text).unwrap();
        assert_eq!(sealed.len(), text.len() + 16);
        assert_ne!(raw.seal(&text).unwrap(), sealed, "a nonce is used once");

        let length = 3 * Raw::PIECE + 1;
        let plaintext = || LongPlaintext::new(length as u64);
        let mut sealed = Vec::new();
        raw.stream_seal(plaintext(), &mut sealed).unwrap();
        assert_eq!(sealed.len(), length + 4 * 16);
        let mut sealed = Vec::new();
        Age::new().stream_seal(plaintext(), &mut sealed).unwrap();
        assert!(sealed.len() > length);
    }
}
