//! The compact suite: one record under one message key, committed to before it is decrypted.

use strongroom_tenancy::TenantId;

use crate::aead::{self, Aead as _, AeadError, Cipher};
use crate::context::EncryptionContext;
use crate::dek::Dek;
use crate::derive::{self, MESSAGE_KEY, Use};
use crate::header::{HeaderError, Suite, VERSION};
use crate::mac::Mac;
use crate::wipe::{Plaintext, Secret, is_equal};

pub(crate) const SALT: usize = 16;
pub(crate) const COMMITMENT: usize = 32;

/// Salt and commitment: so much of a body tells whose it is.
pub(crate) const HEAD: usize = SALT + COMMITMENT;

/// The longest record that the compact suite seals, in bytes; above, it is the stream suite.
pub const MAX_COMPACT: usize = 64 * 1024;

/// What a compact body is longer than its plaintext.
pub(crate) const OVERHEAD: usize = SALT + COMMITMENT + aead::NONCE + aead::TAG;

/// A DEK's key for this suite and one tenant: HMAC under the sub-key, the first block taken in.
pub(crate) struct CompactKey(Mac);

/// A body, taken apart but not opened.
#[derive(Clone, Copy)]
pub(crate) struct CompactBody<'a> {
    salt: &'a [u8; SALT],
    commitment: &'a [u8; COMMITMENT],
    nonce: &'a [u8; aead::NONCE],
    ciphertext: &'a [u8],
    tag: &'a [u8; aead::TAG],
}

impl CompactKey {
    pub(crate) fn new(dek: &Dek, tenant: &TenantId) -> Self {
        let suite = [Suite::Compact as u8];
        let fields: [&[u8]; 4] = [
            MESSAGE_KEY.as_bytes(),
            &[VERSION],
            &suite,
            tenant.as_bytes(),
        ];
        let mac = Mac::new(&derive::sub_key(dek, Use::Compact));
        Self(mac.after_block(&short_fields(&fields)))
    }

    /// Appends salt, commitment, nonce, ciphertext and tag.
    pub(crate) fn seal(
        &self,
        context: &EncryptionContext,
        salt: &[u8; SALT],
        nonce: &[u8; aead::NONCE],
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), AeadError> {
        let (key, commitment) = self.derive(context, salt);
        out.extend_from_slice(salt);
        out.extend_from_slice(&*commitment);
        Cipher::new(&key)?.seal_behind_nonce(nonce, &[], plaintext, out)
    }

    /// Opens a body; `None` when it was not sealed under this key, for this tenant and context.
    pub(crate) fn open(
        &self,
        context: &EncryptionContext,
        body: &CompactBody<'_>,
    ) -> Option<Plaintext> {
        let (key, commitment) = self.derive(context, body.salt);
        if !is_equal(&commitment, body.commitment) {
            return None;
        }
        let mut plaintext = Plaintext::default();
        let out = plaintext.as_vec_mut();
        Cipher::new(&key)
            .and_then(|cipher| cipher.open_to(body.nonce, &[], body.ciphertext, body.tag, out))
            .ok()?;
        Some(plaintext)
    }

    /// Whether a body with this head was sealed under this key, for this context.
    pub(crate) fn is_of(&self, context: &EncryptionContext, head: &[u8; HEAD]) -> bool {
        let split = head.split_first_chunk();
        split.is_some_and(|(salt, commitment)| {
            let (_, expected) = self.derive(context, salt);
            commitment
                .first_chunk()
                .is_some_and(|found| is_equal(&expected, found))
        })
    }

    /// The message key and the commitment to it.
    fn derive(&self, context: &EncryptionContext, salt: &[u8; SALT]) -> (Secret<32>, Secret<32>) {
        /// Two short fields, the length and the counter.
        const FIXED: usize = 1 + 32 + 1 + SALT + 2 + 1;
        /// The bits of both, as NIST SP 800-108r1 has them at the end of the fixed data.
        const LENGTH: [u8; 2] = 512_u16.to_be_bytes();
        let mut message = short_fields::<FIXED>(&[context.hash(), salt]);
        let mut block = |counter| {
            if let Some(end) = message.last_chunk_mut() {
                let [high, low] = LENGTH;
                *end = [high, low, counter];
            }
            self.0.finish(&message)
        };
        (block(1), block(2))
    }
}

impl<'a> CompactBody<'a> {
    /// Takes a body apart. Allocates nothing.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        let (salt, rest) = bytes
            .split_first_chunk()
            .ok_or(HeaderError::Truncated("salt"))?;
        let (commitment, rest) = rest
            .split_first_chunk()
            .ok_or(HeaderError::Truncated("commitment"))?;
        let (nonce, rest) = rest
            .split_first_chunk()
            .ok_or(HeaderError::Truncated("nonce"))?;
        let (ciphertext, tag) = rest
            .split_last_chunk()
            .ok_or(HeaderError::Truncated("tag"))?;
        if ciphertext.len() > MAX_COMPACT {
            return Err(HeaderError::BodyTooLong);
        }
        Ok(Self {
            salt,
            commitment,
            nonce,
            ciphertext,
            tag,
        })
    }
}

/// The fields, each after its length in one byte; with what room is left they are `N` bytes long.
fn short_fields<const N: usize>(fields: &[&[u8]]) -> [u8; N] {
    let mut joined = [0; N];
    let mut rest = joined.as_mut_slice();
    for field in fields {
        let length = u8::try_from(field.len()).unwrap_or(u8::MAX);
        let Some((place, after)) = rest.split_at_mut_checked(1 + field.len()) else {
            break;
        };
        if let Some((first, place)) = place.split_first_mut() {
            *first = length;
            place.copy_from_slice(field);
        }
        rest = after;
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_input_separates() {
        let tenant: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().unwrap();
        let other: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120003".parse().unwrap();
        let context =
            |pairs: &[(&str, &str)]| EncryptionContext::new(pairs.iter().copied()).unwrap();
        let derive = |key: u8, tenant: &TenantId, context: &EncryptionContext, salt: u8| {
            let key = CompactKey::new(&Dek::from_bytes(&[key; 32]), tenant);
            let (key, commitment) = key.derive(context, &[salt; SALT]);
            (*key, *commitment)
        };
        let (empty, full) = (context(&[]), context(&[("a", "b")]));
        let all = [
            derive(1, &tenant, &empty, 1),
            derive(2, &tenant, &empty, 1),
            derive(1, &other, &empty, 1),
            derive(1, &tenant, &full, 1),
            derive(1, &tenant, &empty, 2),
        ];
        for (position, (key, commitment)) in all.iter().enumerate() {
            assert_ne!(key, commitment);
            for (other_key, other_commitment) in &all[..position] {
                assert_ne!(key, other_key);
                assert_ne!(commitment, other_commitment);
            }
        }
    }

    /// The fields fill the first block to the last byte, and the second with its padding.
    #[test]
    fn fixed_data_is_two_blocks() {
        let tenant = [0; 16];
        let first: [&[u8]; 4] = [MESSAGE_KEY.as_bytes(), &[1], &[1], &tenant];
        assert_eq!(first.iter().map(|field| field.len() + 1).sum::<usize>(), 64);
        let joined = short_fields::<64>(&first);
        assert_eq!(joined[0], 42);
        assert_eq!(joined[43..48], [1, 1, 1, 1, 16]);
        assert_eq!(short_fields::<50>(&[&[7; 32], &[8; 16]])[33..35], [16, 8]);
    }
}
