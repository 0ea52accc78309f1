//! A data key: of one tenant, good for so much, and no two records of it alike.

use pollster::block_on;
use strongroom_envelope::{
    DataKey, Dek, DekId, KeyLimits, OpenError, Recipient, SealError, inspect, open, seal,
};

use super::{DEK, Local, context, key_ref, opened, other, tenant};

#[test]
fn a_detached_record_says_that_its_key_is_elsewhere() {
    let key = DataKey::detached(
        &Dek::from_bytes(&DEK),
        &tenant(),
        DekId::from_bytes([5; 16]),
    );
    let sealed = key.seal(&tenant(), &context(), b"text").unwrap();
    let (result, calls) = opened(&[Ok(9)], &sealed);
    assert_eq!(result, Err(OpenError::Detached));
    assert!(calls.is_empty());
}

#[test]
fn a_data_key_is_of_one_tenant() {
    let dek = Dek::from_bytes(&DEK);
    let key = DataKey::detached(&dek, &tenant(), DekId::from_bytes([5; 16]));
    assert_eq!(*key.tenant(), tenant());
    let refused = key.seal(&other(), &context(), b"text");
    assert_eq!(refused, Err(SealError::Tenant));
    let sealed = key.seal(&tenant(), &context(), b"text").unwrap();
    let refused = key.open(&other(), &context(), &sealed);
    assert_eq!(refused.unwrap_err(), OpenError::Failed);
    // The same DEK loaded for another tenant is another key.
    let theirs = DataKey::detached(&dek, &other(), DekId::from_bytes([5; 16]));
    let refused = theirs.open(&other(), &context(), &sealed);
    assert_eq!(refused.unwrap_err(), OpenError::Failed);
    let opened = key.open(&tenant(), &context(), &sealed).unwrap();
    assert_eq!(opened.as_slice(), b"text");
}

#[test]
fn a_data_key_opens_what_its_wraps_open_and_the_reverse() {
    let local = Local::new();
    let root = key_ref("root");
    let root = Recipient::new(&local.first, &root);
    let key = block_on(DataKey::generate(&[root], &tenant())).unwrap();
    let sealed = key.seal(&tenant(), &context(), b"text").unwrap();
    let opened = block_on(open(&[root], &tenant(), &context(), &sealed)).unwrap();
    assert_eq!(opened.as_slice(), b"text");
    let opened = key.open(&tenant(), &context(), &sealed).unwrap();
    assert_eq!(opened.as_slice(), b"text");
    let another = block_on(DataKey::generate(&[root], &tenant())).unwrap();
    let refused = another.open(&tenant(), &context(), &sealed);
    assert_eq!(refused.unwrap_err(), OpenError::Failed);
}

#[test]
fn limits_end_a_data_key() {
    let limited = |messages, bytes| {
        DataKey::detached(
            &Dek::from_bytes(&DEK),
            &tenant(),
            DekId::from_bytes([5; 16]),
        )
        .with_limits(KeyLimits { messages, bytes })
    };
    let seal = |key: &DataKey, length: usize| {
        let sealed = key.seal(&tenant(), &context(), &vec![0; length]);
        sealed.map(|_| ())
    };

    let key = limited(3, u64::MAX);
    for _ in 0..3 {
        assert!(!key.is_spent());
        assert_eq!(seal(&key, 10), Ok(()));
    }
    assert!(key.is_spent());
    assert_eq!(seal(&key, 10), Err(SealError::Spent));
    assert_eq!(seal(&key, 0), Err(SealError::Spent));

    let key = limited(u64::MAX, 100);
    assert_eq!(seal(&key, 60), Ok(()));
    assert_eq!(seal(&key, 40), Ok(()));
    assert!(key.is_spent());
    assert_eq!(seal(&key, 1), Err(SealError::Spent));

    let key = limited(u64::MAX, 100);
    assert_eq!(seal(&key, 60), Ok(()));
    assert!(!key.is_spent());
    assert_eq!(seal(&key, 41), Err(SealError::Spent));
    // A refusal ends the key: what replaces spent keys must not hand it out again.
    assert!(key.is_spent());
    assert_eq!(seal(&key, 40), Err(SealError::Spent));

    let key = limited(0, 0);
    assert!(key.is_spent());
    assert_eq!(seal(&key, 0), Err(SealError::Spent));

    // Another tenant's attempts do not count, and opening does not either.
    let key = limited(1, 100);
    assert!(key.seal(&other(), &context(), b"text").is_err());
    let sealed = key.seal(&tenant(), &context(), b"text").unwrap();
    for _ in 0..3 {
        assert!(key.open(&tenant(), &context(), &sealed).is_ok());
    }
    assert!(key.is_spent());
}

#[test]
fn limits_hold_between_threads() {
    let key = DataKey::detached(
        &Dek::from_bytes(&DEK),
        &tenant(),
        DekId::from_bytes([5; 16]),
    )
    .with_limits(KeyLimits {
        messages: 1000,
        bytes: 64 * 900,
    });
    let sealed = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..400 {
                    if key.seal(&tenant(), &context(), &[0; 64]).is_ok() {
                        sealed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(sealed.into_inner(), 900);
}

#[test]
fn two_records_share_no_salt_nonce_or_wrap() {
    let local = Local::new();
    let root = key_ref("root");
    let root = Recipient::new(&local.first, &root);
    let seal = || block_on(seal(&[root], &tenant(), &context(), b"text")).unwrap();
    let (a, b) = (seal(), seal());
    let front = inspect(&a).unwrap().front_bytes;
    let fields = [
        ("inner key's half of the nonce", front - 72..front - 60),
        ("wrap's half of the nonce", front - 60..front - 48),
        ("wrapped key", front - 48..front - 16),
        ("salt", front..front + 16),
        ("commitment", front + 16..front + 48),
        ("nonce", front + 48..front + 60),
    ];
    for (name, range) in fields.clone() {
        assert_ne!(a[range.clone()], b[range], "{name}");
    }
    // Records of one data key share their front, and nothing else.
    let key = block_on(DataKey::generate(&[root], &tenant())).unwrap();
    let seal = || key.seal(&tenant(), &context(), b"text").unwrap();
    let (a, b) = (seal(), seal());
    assert_eq!(a[..front], b[..front]);
    for (name, range) in fields.into_iter().skip(3) {
        assert_ne!(a[range.clone()], b[range], "{name}");
    }
}
