//! Derivation: every key that is used comes from HMAC-SHA256 over labelled, length-prefixed
//! fields (`docs/spec/envelope.md`, "Derivation").

use secrecy::SecretBox;

use crate::dek::Dek;
use crate::mac::Mac;
use crate::wipe::{Secret, wipe};

const SUB_KEY: &str = "strongroom/envelope/v1/sub-key";
pub(crate) const MESSAGE_KEY: &str = "strongroom/envelope/v1/compact/message-key";
pub(crate) const STREAM: &str = "strongroom/envelope/v1/stream";
pub(crate) const CONTEXT: &str = "strongroom/envelope/v1/context";
pub(crate) const WRAP: &str = "strongroom/envelope/v1/wrap";
pub(crate) const KEK_CHECK: &str = "strongroom/envelope/v1/kek-check";
pub(crate) const LOOKUP_TAG: &str = "strongroom/envelope/v1/lookup-tag";

/// What a sub-key is for.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Use {
    Compact = 1,
    Stream = 2,
    LookupTag = 3,
}

/// The key that stands for the DEK in one use.
pub(crate) fn sub_key(dek: &Dek, sub_key_use: Use) -> Secret<32> {
    const LABEL: &[u8] = SUB_KEY.as_bytes();
    let message: [u8; 8 + LABEL.len() + 8 + 1] = joined(&[LABEL, &[sub_key_use as u8]]);
    Mac::new(dek.expose_bytes()).finish(&message)
}

/// The fields, each after its length, where their lengths are known and sum up to `N`.
pub(crate) fn joined<const N: usize>(fields: &[&[u8]]) -> [u8; N] {
    let mut joined = [0; N];
    let mut rest = joined.as_mut_slice();
    for field in fields {
        let Some((place, after)) = rest.split_at_mut_checked(8 + field.len()) else {
            break;
        };
        let (prefix, room) = place.split_at_mut(8);
        prefix.copy_from_slice(&length(field));
        room.copy_from_slice(field);
        rest = after;
    }
    joined
}

/// HMAC-SHA256 of the fields, each after its length. They may be secret.
pub(crate) fn mac_of_fields(key: &[u8; 32], fields: &[&[u8]]) -> Secret<32> {
    let mut message = Vec::with_capacity(fields.iter().map(|field| 8 + field.len()).sum());
    for field in fields {
        message.extend_from_slice(&length(field));
        message.extend_from_slice(field);
    }
    let mac = Mac::new(key).finish(&message);
    wipe(&mut message);
    mac
}

/// The prefix that keeps one field from running into the next.
pub(crate) const fn length(field: &[u8]) -> [u8; 8] {
    (field.len() as u64).to_be_bytes()
}

/// A key that is kept: where it lies does not move, so that wiping it leaves no copy.
pub(crate) fn boxed(key: &[u8; 32]) -> SecretBox<[u8; 32]> {
    SecretBox::init_with_mut(|boxed: &mut [u8; 32]| boxed.copy_from_slice(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_do_not_run_together() {
        let of = |fields: &[&[u8]]| *mac_of_fields(&[7; 32], fields);
        assert_eq!(of(&[b"ab", b"c"]), of(&[b"ab", b"c"]));
        assert_ne!(of(&[b"ab", b"c"]), of(&[b"a", b"bc"]));
        assert_ne!(of(&[b"ab", b"c"]), of(&[b"abc"]));
    }

    #[test]
    fn uses_have_keys_of_their_own() {
        let dek = Dek::from_bytes(&[7; 32]);
        let keys = [Use::Compact, Use::Stream, Use::LookupTag].map(|one| *sub_key(&dek, one));
        assert_ne!(keys[0], keys[1]);
        assert_ne!(keys[1], keys[2]);
        assert_ne!(keys[0], keys[2]);
        assert_ne!(&keys[0], dek.expose_bytes());
        let same = mac_of_fields(dek.expose_bytes(), &[SUB_KEY.as_bytes(), &[1]]);
        assert_eq!(keys[0], *same);
    }
}
