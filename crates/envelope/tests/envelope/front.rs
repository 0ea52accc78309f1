//! The bounds of a record's front, and the lengths that the specification gives.

use pollster::block_on;
use strongroom_envelope::{
    DataKey, Dek, DekId, HeaderError, KeyLocation, MAX_COMPACT, Recipient, SealError, Suite,
    WrappedDek, inspect, seal,
};

use super::{DEK, Local, context, key_ref, sealed_with, tenant, wrap, wraps_of};

#[test]
fn the_front_is_bounded() {
    let dek = Dek::from_bytes(&DEK);
    let of = |length: usize| WrappedDek {
        bytes: vec![0; length],
        ..wrap(1, "a", 1)
    };
    for (name, wraps, expected) in [
        ("none", vec![], HeaderError::WrapCount),
        ("17", vec![of(1); 17], HeaderError::WrapCount),
        ("257", vec![of(1); 257], HeaderError::WrapCount),
        ("empty", vec![of(0)], HeaderError::WrappedLength),
        ("1025 bytes", vec![of(1025)], HeaderError::WrappedLength),
        (
            "over 8 KiB together",
            vec![of(1024); 8],
            HeaderError::HeaderLength,
        ),
    ] {
        let sealed = sealed_with(&dek, &wraps, b"text");
        assert_eq!(sealed, Err(SealError::Wrap), "{name}");
        let loaded = DataKey::inline(&dek, &tenant(), &wraps);
        assert_eq!(loaded.unwrap_err(), expected, "{name}");
    }
    // 1 + 7 * 1033 + 9 + 951 = 8192
    let full: Vec<_> = [1024; 7].into_iter().chain([951]).map(of).collect();
    let sealed = sealed_with(&dek, &full, b"text").unwrap();
    assert_eq!(inspect(&sealed).unwrap().front_bytes, 6 + 8192);
    assert_eq!(wraps_of(&sealed), full);
    let over: Vec<_> = [1024; 7].into_iter().chain([952]).map(of).collect();
    assert_eq!(sealed_with(&dek, &over, b"text"), Err(SealError::Wrap));
}

#[test]
fn a_record_is_as_long_as_the_specification_says() {
    let local = Local::new();
    let root = key_ref("root");
    let root = Recipient::new(&local.first, &root);
    let key = block_on(DataKey::generate(&[root], &tenant())).unwrap();
    let id = DekId::generate().unwrap();
    let detached = DataKey::detached(&Dek::generate().unwrap(), &tenant(), id);
    for length in [0, 1, 64, 1024, MAX_COMPACT] {
        let plaintext = vec![1; length];
        let sealed = block_on(seal(&[root], &tenant(), &context(), &plaintext)).unwrap();
        assert_eq!(sealed.len(), length + 163 + "root".len());
        assert!(sealed.len() - length <= 175);
        assert_eq!(sealed.capacity(), sealed.len(), "one allocation");
        assert_eq!(inspect(&sealed).unwrap().suite, Suite::Compact);
        let sealed = key.seal(&tenant(), &context(), &plaintext).unwrap();
        assert_eq!(sealed.len(), length + 167);
        let sealed = detached.seal(&tenant(), &context(), &plaintext).unwrap();
        assert_eq!(sealed.len(), length + 96);
        assert_eq!(sealed.capacity(), sealed.len(), "one allocation");
        assert_eq!(inspect(&sealed).unwrap().key, KeyLocation::Detached(id));
    }
}
