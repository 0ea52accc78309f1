//! The sealed successor: what a lost answer said, for the one who holds the token before.

use aes_gcm::{AeadInOut as _, Aes256Gcm, KeyInit as _};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::token::{FamilyId, RefreshToken};

const KEY_LABEL: &[u8] = b"strongroom/refresh-token/v1/successor";
const LINEAGE_LABEL: &[u8] = b"strongroom/refresh-token/v1/lineage";

/// Random bytes of a secret; the others are the lineage tag over them.
pub(crate) const RANDOM: usize = 16;

/// Bytes of a sealed successor: the nonce, the secret, the tag.
pub(crate) const SEALED: usize = 12 + 32 + 16;

/// A secret of a family: random bytes, and a tag by which the family knows it for one that it gave
/// out, however long ago, and keeps no list.
pub(crate) fn secret(
    lineage: &[u8; 32],
    family: FamilyId,
    random: [u8; RANDOM],
) -> Zeroizing<[u8; 32]> {
    let tag = Zeroizing::new(mac(
        lineage,
        &[LINEAGE_LABEL, family.as_str().as_bytes(), &random],
    ));
    let mut secret = Zeroizing::new([0; 32]);
    let bytes = random.iter().chain(tag.iter());
    for (to, from) in secret.iter_mut().zip(bytes) {
        *to = *from;
    }
    secret
}

/// Seals a successor under a key that only the presented token gives.
pub(crate) fn seal(
    presented: &RefreshToken,
    generation: u64,
    successor: &RefreshToken,
    nonce: [u8; 12],
) -> Option<[u8; SEALED]> {
    let mut sealed = [0; SEALED];
    let (head, rest) = sealed.split_first_chunk_mut::<12>()?;
    let (body, end) = rest.split_first_chunk_mut::<32>()?;
    *head = nonce;
    *body = *successor.secret();
    let tag = cipher(presented, generation).encrypt_inout_detached(
        &nonce.into(),
        presented.family().as_str().as_bytes(),
        body.as_mut_slice().into(),
    );
    end.copy_from_slice(&tag.ok()?);
    Some(sealed)
}

/// Opens what [`seal`] sealed for this token.
pub(crate) fn open(
    presented: &RefreshToken,
    generation: u64,
    sealed: &[u8; SEALED],
) -> Option<RefreshToken> {
    let (nonce, rest) = sealed.split_first_chunk::<12>()?;
    let (body, tag) = rest.split_first_chunk::<32>()?;
    let tag: &[u8; 16] = tag.try_into().ok()?;
    let mut secret = Zeroizing::new(*body);
    cipher(presented, generation)
        .decrypt_inout_detached(
            nonce.into(),
            presented.family().as_str().as_bytes(),
            secret.as_mut_slice().into(),
            tag.into(),
        )
        .ok()?;
    Some(RefreshToken::assemble(
        presented.prefix(),
        presented.family(),
        &secret,
    ))
}

fn cipher(presented: &RefreshToken, generation: u64) -> Aes256Gcm {
    let parts = [KEY_LABEL, &generation.to_be_bytes()];
    let key = Zeroizing::new(mac(presented.secret(), &parts));
    Aes256Gcm::new((&*key).into())
}

/// HMAC-SHA256; every part but the last has a fixed length.
fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // RFC 2104, section 2: a key shorter than a block is filled up with zeros.
    let mut block = Zeroizing::new([0; 64]);
    let (start, _) = block.split_at_mut(key.len());
    start.copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
