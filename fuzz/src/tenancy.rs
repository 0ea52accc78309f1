//! Fuzz bodies of `strongroom-tenancy`.

use strongroom_tenancy::base62;

/// Digits of base62: what is read is spelt in one way, and is what the look without reading says.
pub fn base62(data: &[u8]) {
    let read = base62::decode(data);
    assert_eq!(read.is_some(), base62::is_encoded(data));
    if let Some(bytes) = read {
        assert!(base62::is_base62(data));
        assert_eq!(base62::encode(&bytes).as_slice(), data);
    }
}
