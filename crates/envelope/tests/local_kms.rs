//! The local keyring, through its file.

#![cfg(feature = "std")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::PathBuf;

use pollster::block_on;
use strongroom_envelope::{
    Dek, EncryptionContext, KeyAdmin, KeyRef, KeyringError, Kms, KmsError, LocalKms, OpenError,
    SealError, open, read_wraps, seal,
};
use strongroom_tenancy::TenantId;

fn tenant() -> TenantId {
    "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().unwrap()
}

fn other() -> TenantId {
    "0190b2a4-8c7e-7d3a-9f00-0242ac120003".parse().unwrap()
}

fn key() -> KeyRef {
    "tenant-root".parse().unwrap()
}

fn context() -> EncryptionContext {
    EncryptionContext::new([("purpose", "test")]).unwrap()
}

fn fresh() -> (tempfile::TempDir, PathBuf, LocalKms) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keyring");
    let kms = LocalKms::create(&path).unwrap();
    (directory, path, kms)
}

fn sealed(kms: &LocalKms) -> Vec<u8> {
    block_on(seal(kms, &key(), &tenant(), &context(), b"text")).unwrap()
}

fn opens(kms: &LocalKms, tenant: &TenantId, sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
    let result = block_on(open(kms, &[key()], tenant, &context(), sealed));
    result.map(|text| text.to_vec())
}

#[test]
fn an_old_version_opens_after_rotation_and_reopening() {
    let (_directory, path, kms) = fresh();
    block_on(kms.create(&tenant(), &key())).unwrap();
    let first = sealed(&kms);
    assert_eq!(block_on(kms.rotate(&tenant(), &key())), Ok(2));
    let second = sealed(&kms);
    drop(kms);

    let kms = LocalKms::open(&path).unwrap();
    assert_eq!(block_on(kms.rotate(&tenant(), &key())), Ok(3));
    let third = sealed(&kms);
    for (version, record) in [(1, first), (2, second), (3, third)] {
        assert_eq!(read_wraps(&record).unwrap()[0].key_version, version);
        assert_eq!(opens(&kms, &tenant(), &record).unwrap(), b"text");
    }
}

#[test]
fn a_key_belongs_to_one_tenant() {
    let (_directory, _, kms) = fresh();
    block_on(kms.create(&tenant(), &key())).unwrap();
    let record = sealed(&kms);
    assert_eq!(opens(&kms, &other(), &record), Err(OpenError::Failed));

    block_on(kms.create(&other(), &key())).unwrap();
    assert_eq!(opens(&kms, &other(), &record), Err(OpenError::Failed));
    let wrapped = read_wraps(&record).unwrap().remove(0);
    let unwrapped = block_on(kms.unwrap(&other(), &wrapped));
    assert_eq!(unwrapped.unwrap_err(), KmsError::ContextMismatch);
    assert!(block_on(kms.unwrap(&tenant(), &wrapped)).is_ok());
}

#[test]
fn no_flipped_bit_opens() {
    let (_directory, _, kms) = fresh();
    block_on(kms.create(&tenant(), &key())).unwrap();
    let record = sealed(&kms);
    for position in 0..record.len() {
        for bit in 0..8 {
            let mut altered = record.clone();
            altered[position] ^= 1 << bit;
            assert!(
                opens(&kms, &tenant(), &altered).is_err(),
                "byte {position}, bit {bit}"
            );
        }
    }
    for length in 0..record.len() {
        assert!(
            opens(&kms, &tenant(), &record[..length]).is_err(),
            "cut at {length}"
        );
    }
}

#[test]
fn two_records_share_no_secret() {
    let (_directory, _, kms) = fresh();
    block_on(kms.create(&tenant(), &key())).unwrap();
    let (a, b) = (sealed(&kms), sealed(&kms));
    let header = a.len() - (16 + 32 + 12 + 4 + 16);
    // The wrap's salt: with one twice, two DEKs would be encrypted under one key and nonce.
    assert_ne!(a[header - 64..header - 48], b[header - 64..header - 48]);
    assert_ne!(a[header..header + 16], b[header..header + 16]);
    assert_ne!(a[header + 16..header + 48], b[header + 16..header + 48]);
    assert_ne!(a[header + 48..header + 60], b[header + 48..header + 60]);
}

#[test]
fn what_is_absent_or_there_already_is_named() {
    let (_directory, _, kms) = fresh();
    assert_eq!(
        block_on(kms.rotate(&tenant(), &key())),
        Err(KmsError::NotFound)
    );
    let result = block_on(seal(&kms, &key(), &tenant(), &context(), b"text"));
    assert_eq!(result, Err(SealError::Kms(KmsError::NotFound)));
    block_on(kms.create(&tenant(), &key())).unwrap();
    assert_eq!(
        block_on(kms.create(&tenant(), &key())),
        Err(KmsError::AlreadyExists)
    );
    let mut wrapped = block_on(kms.wrap(&tenant(), &key(), &Dek::generate().unwrap())).unwrap();
    wrapped.provider = 2;
    let unwrapped = block_on(kms.unwrap(&tenant(), &wrapped));
    assert_eq!(unwrapped.unwrap_err(), KmsError::NotFound);
    (wrapped.provider, wrapped.key_version) = (1, 2);
    let unwrapped = block_on(kms.unwrap(&tenant(), &wrapped));
    assert_eq!(unwrapped.unwrap_err(), KmsError::NotFound);
}

#[test]
fn an_existing_file_is_not_overwritten() {
    let (_directory, path, kms) = fresh();
    block_on(kms.create(&tenant(), &key())).unwrap();
    let before = fs::read(&path).unwrap();
    assert!(matches!(LocalKms::create(&path), Err(KeyringError::Io(_))));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_torn_or_altered_file_is_refused() {
    let (_directory, path, kms) = fresh();
    block_on(kms.create(&tenant(), &key())).unwrap();
    let whole = fs::read(&path).unwrap();
    for length in [0, 10, 22, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(LocalKms::open(&path).is_err(), "torn at {length}");
    }
    let mut altered = whole.clone();
    altered[80] ^= 1;
    fs::write(&path, &altered).unwrap();
    assert!(matches!(LocalKms::open(&path), Err(KeyringError::Checksum)));
    fs::write(&path, &whole).unwrap();
    assert!(LocalKms::open(&path).is_ok());
}

#[cfg(unix)]
#[test]
fn a_file_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let (directory, path, kms) = fresh();
    block_on(kms.create(&tenant(), &key())).unwrap();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for mode in [0o640, 0o604, 0o660, 0o601, 0o777] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert!(
            matches!(LocalKms::open(&path), Err(KeyringError::Mode)),
            "{mode:o}"
        );
    }
    for mode in [0o600, 0o400] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert!(LocalKms::open(&path).is_ok(), "{mode:o}");
    }
    let result = LocalKms::open(directory.path());
    assert!(matches!(result, Err(KeyringError::NotAFile)));
}

#[cfg(unix)]
#[test]
fn a_change_that_cannot_be_written_does_not_happen() {
    let (directory, path, kms) = fresh();
    block_on(kms.create(&tenant(), &key())).unwrap();
    let before = fs::read(&path).unwrap();
    // A directory stands where the new file would go.
    fs::create_dir(directory.path().join("keyring.new")).unwrap();
    assert_eq!(
        block_on(kms.rotate(&tenant(), &key())),
        Err(KmsError::Unavailable)
    );
    assert_eq!(
        block_on(kms.create(&other(), &key())),
        Err(KmsError::Unavailable)
    );
    assert_eq!(read_wraps(&sealed(&kms)).unwrap()[0].key_version, 1);
    let absent = block_on(seal(&kms, &key(), &other(), &context(), b"text"));
    assert_eq!(absent, Err(SealError::Kms(KmsError::NotFound)));
    assert_eq!(fs::read(&path).unwrap(), before);
    fs::remove_dir(directory.path().join("keyring.new")).unwrap();
    assert_eq!(block_on(kms.rotate(&tenant(), &key())), Ok(2));
}

#[cfg(unix)]
#[test]
fn what_a_crash_left_behind_is_replaced_and_links_are_kept() {
    let (directory, path, kms) = fresh();
    drop(kms);
    fs::write(directory.path().join("keyring.new"), "torn").unwrap();
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let kms = LocalKms::open(&link).unwrap();
    block_on(kms.create(&tenant(), &key())).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(!directory.path().join("keyring.new").exists());
    let record = sealed(&kms);
    assert_eq!(
        opens(&LocalKms::open(&path).unwrap(), &tenant(), &record).unwrap(),
        b"text"
    );
}

#[test]
fn debug_shows_no_key() {
    let (_directory, path, kms) = fresh();
    block_on(kms.create(&tenant(), &key())).unwrap();
    let path = fs::canonicalize(path).unwrap();
    assert_eq!(
        format!("{kms:?}"),
        format!("LocalKms {{ path: {path:?}, .. }}")
    );
}

#[test]
fn threads_share_it() {
    let (_directory, path, kms) = fresh();
    block_on(kms.create(&tenant(), &key())).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    assert_eq!(opens(&kms, &tenant(), &sealed(&kms)).unwrap(), b"text");
                    block_on(kms.rotate(&tenant(), &key())).unwrap();
                }
            });
        }
    });
    assert_eq!(
        block_on(LocalKms::open(&path).unwrap().rotate(&tenant(), &key())),
        Ok(42)
    );
}
