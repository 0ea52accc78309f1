//! The local KMS, through its directory.

#![cfg(feature = "std")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use pollster::block_on;
use strongroom_envelope::{
    Dek, Destruction, KeyAdmin as _, KeyDescription, KeyRef, KeyState, KeyringError, Kms as _,
    KmsError, LocalKms, Provider, Purpose, WrappedDek,
};
use strongroom_tenancy::TenantId;

fn tenant() -> TenantId {
    "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().unwrap()
}

fn other() -> TenantId {
    "0190b2a4-8c7e-7d3a-9f00-0242ac120003".parse().unwrap()
}

fn key() -> KeyRef {
    "root".parse().unwrap()
}

fn fresh() -> (tempfile::TempDir, PathBuf, LocalKms) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys");
    let kms = LocalKms::create(&path).unwrap();
    (directory, path, kms)
}

/// With the key `root` for one tenant.
fn with_key() -> (tempfile::TempDir, PathBuf, LocalKms) {
    let (directory, path, kms) = fresh();
    block_on(kms.create(&tenant(), &key())).unwrap();
    (directory, path, kms)
}

fn wrap(kms: &LocalKms) -> Result<WrappedDek, KmsError> {
    block_on(kms.wrap(
        &tenant(),
        &key(),
        &Purpose::Record,
        &Dek::from_bytes(&[9; 32]),
    ))
}

fn unwrap(kms: &LocalKms, wrapped: &WrappedDek) -> Result<[u8; 32], KmsError> {
    block_on(kms.unwrap(&tenant(), &Purpose::Record, wrapped)).map(|dek| *dek.expose_bytes())
}

fn describe(kms: &LocalKms) -> Result<(KeyState, u32), KmsError> {
    let described = block_on(kms.describe(&tenant(), &key()));
    described.map(
        |KeyDescription {
             state,
             active_version,
         }| (state, active_version),
    )
}

fn files(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn every_version_unwraps_and_the_last_wraps() {
    let (_directory, path, kms) = with_key();
    assert_eq!(kms.provider(), Provider::LOCAL);
    let first = wrap(&kms).unwrap();
    assert_eq!(block_on(kms.rotate(&tenant(), &key())), Ok(2));
    let second = wrap(&kms).unwrap();
    drop(kms);

    let kms = LocalKms::open(&path).unwrap();
    assert_eq!(describe(&kms), Ok((KeyState::Enabled, 2)));
    assert_eq!(block_on(kms.rotate(&tenant(), &key())), Ok(3));
    let third = wrap(&kms).unwrap();
    for (version, wrapped) in [(1, first), (2, second), (3, third)] {
        assert_eq!(wrapped.key_version, version);
        assert_eq!(wrapped.bytes.len(), 72);
        assert_eq!(unwrap(&kms, &wrapped), Ok([9; 32]));
        for altered in [0, 4, version + 1, version - 1, u32::MAX] {
            let wrapped = WrappedDek {
                key_version: altered,
                ..wrapped.clone()
            };
            assert!(unwrap(&kms, &wrapped).is_err(), "{version} as {altered}");
        }
    }
}

#[test]
fn a_key_belongs_to_one_tenant() {
    let (_directory, path, kms) = with_key();
    let wrapped = wrap(&kms).unwrap();
    let theirs = || block_on(kms.unwrap(&other(), &Purpose::Record, &wrapped)).unwrap_err();
    assert_eq!(theirs(), KmsError::NotFound);
    block_on(kms.create(&other(), &key())).unwrap();
    assert_eq!(theirs(), KmsError::ContextMismatch);
    assert_eq!(unwrap(&kms, &wrapped), Ok([9; 32]));
    let expected = [tenant(), other()]
        .iter()
        .flat_map(|tenant| [format!("{tenant}.keyring"), format!("{tenant}.lock")])
        .collect::<Vec<_>>();
    assert_eq!(files(&path), expected);
    // Another tenant's file under this tenant's name: what is in it is not this tenant's.
    fs::copy(kms.path(&other()), kms.path(&tenant())).unwrap();
    for kms in [&kms, &LocalKms::open(&path).unwrap()] {
        assert!(matches!(kms.check(&tenant()), Err(KeyringError::Tenant)));
        assert_eq!(unwrap(kms, &wrapped), Err(KmsError::Unavailable));
        assert_eq!(wrap(kms), Err(KmsError::Unavailable));
        let rotated = block_on(kms.rotate(&tenant(), &key()));
        assert_eq!(rotated, Err(KmsError::Unavailable));
    }
}

#[test]
fn what_is_absent_or_there_already_is_named() {
    let (_directory, _, kms) = fresh();
    let not_found = Err(KmsError::NotFound);
    assert_eq!(wrap(&kms), Err(KmsError::NotFound));
    assert_eq!(describe(&kms), Err(KmsError::NotFound));
    assert_eq!(
        block_on(kms.rotate(&tenant(), &key())),
        Err(KmsError::NotFound)
    );
    assert_eq!(block_on(kms.disable(&tenant(), &key())), not_found);
    assert_eq!(block_on(kms.enable(&tenant(), &key())), not_found);
    assert_eq!(
        block_on(kms.destroy(&tenant(), &key())),
        Err(KmsError::NotFound)
    );
    // A change that was refused makes no keyring.
    assert!(!kms.path(&tenant()).exists());
    block_on(kms.create(&tenant(), &key())).unwrap();
    let again = block_on(kms.create(&tenant(), &key()));
    assert_eq!(again, Err(KmsError::AlreadyExists));
    let elsewhere = WrappedDek {
        provider: Provider::TENANT_KEK,
        ..wrap(&kms).unwrap()
    };
    assert_eq!(unwrap(&kms, &elsewhere), Err(KmsError::NotFound));
}

#[test]
fn a_disabled_key_does_nothing_until_it_is_enabled() {
    let (_directory, _, kms) = with_key();
    let wrapped = wrap(&kms).unwrap();
    for _ in 0..2 {
        assert_eq!(block_on(kms.disable(&tenant(), &key())), Ok(()));
        assert_eq!(wrap(&kms), Err(KmsError::Disabled));
        assert_eq!(unwrap(&kms, &wrapped), Err(KmsError::Disabled));
        assert_eq!(
            block_on(kms.rotate(&tenant(), &key())),
            Err(KmsError::Disabled)
        );
        assert_eq!(describe(&kms), Ok((KeyState::Disabled, 1)));
    }
    for _ in 0..2 {
        assert_eq!(block_on(kms.enable(&tenant(), &key())), Ok(()));
        assert_eq!(unwrap(&kms, &wrapped), Ok([9; 32]));
        assert_eq!(describe(&kms), Ok((KeyState::Enabled, 1)));
    }
}

#[test]
fn a_destroyed_key_is_gone_and_its_name_is_not_used_again() {
    let (_directory, path, kms) = with_key();
    block_on(kms.rotate(&tenant(), &key())).unwrap();
    let wrapped = wrap(&kms).unwrap();
    let destroyed = block_on(kms.destroy(&tenant(), &key()));
    assert_eq!(destroyed, Ok(Destruction::Done));
    for kms in [&kms, &LocalKms::open(&path).unwrap()] {
        assert_eq!(wrap(kms), Err(KmsError::NotFound));
        assert_eq!(unwrap(kms, &wrapped), Err(KmsError::NotFound));
        assert_eq!(describe(kms), Err(KmsError::NotFound));
        assert_eq!(
            block_on(kms.rotate(&tenant(), &key())),
            Err(KmsError::NotFound)
        );
        assert_eq!(
            block_on(kms.enable(&tenant(), &key())),
            Err(KmsError::NotFound)
        );
        assert_eq!(
            block_on(kms.destroy(&tenant(), &key())),
            Err(KmsError::NotFound)
        );
        assert_eq!(
            block_on(kms.create(&tenant(), &key())),
            Err(KmsError::AlreadyExists)
        );
    }
    let text = fs::read_to_string(kms.path(&tenant())).unwrap();
    let lines: Vec<_> = text.lines().skip(2).take(2).collect();
    assert_eq!(lines, ["key root 1 destroyed -", "key root 2 destroyed -"]);
    // The tenant's other keys are not touched by it.
    let another = "another".parse().unwrap();
    block_on(kms.create(&tenant(), &another)).unwrap();
    let dek = Dek::from_bytes(&[9; 32]);
    assert!(block_on(kms.wrap(&tenant(), &another, &Purpose::Record, &dek)).is_ok());
}

#[test]
fn a_change_by_another_object_is_seen_at_once() {
    let (_directory, path, kms) = with_key();
    let another = LocalKms::open(&path).unwrap();
    let wrapped = wrap(&kms).unwrap();
    for version in 2..30 {
        let (writer, reader) = if version % 2 == 0 {
            (&another, &kms)
        } else {
            (&kms, &another)
        };
        assert_eq!(block_on(writer.rotate(&tenant(), &key())), Ok(version));
        assert_eq!(wrap(reader).unwrap().key_version, version);
        // States have names of almost the same length; the file's length alone tells nothing.
        block_on(writer.disable(&tenant(), &key())).unwrap();
        assert_eq!(unwrap(reader, &wrapped), Err(KmsError::Disabled));
        block_on(writer.enable(&tenant(), &key())).unwrap();
        assert_eq!(unwrap(reader, &wrapped), Ok([9; 32]));
    }
    block_on(another.destroy(&tenant(), &key())).unwrap();
    assert_eq!(unwrap(&kms, &wrapped), Err(KmsError::NotFound));
}

/// Files that differ only in which of two keys is which: of one length, within one tick of the
/// file system's clock, and perhaps with a reused inode.
#[test]
fn a_change_that_leaves_the_length_is_seen_at_once() {
    let (_directory, path, kms) = fresh();
    let names: [KeyRef; 2] = ["a", "b"].map(|name| name.parse().unwrap());
    for name in &names {
        block_on(kms.create(&tenant(), name)).unwrap();
    }
    block_on(kms.disable(&tenant(), &names[0])).unwrap();
    let reader = LocalKms::open(&path).unwrap();
    let state = |name| block_on(reader.describe(&tenant(), name)).unwrap().state;
    for round in 0..100 {
        let (on, off) = (&names[round % 2], &names[(round + 1) % 2]);
        assert_eq!(
            (state(on), state(off)),
            (KeyState::Disabled, KeyState::Enabled)
        );
        block_on(kms.enable(&tenant(), on)).unwrap();
        block_on(kms.disable(&tenant(), off)).unwrap();
        assert_eq!(
            (state(on), state(off)),
            (KeyState::Enabled, KeyState::Disabled)
        );
    }
}

#[test]
fn objects_that_rotate_at_the_same_time_lose_no_version() {
    const THREADS: usize = 4;
    const EACH: usize = 12;
    let (_directory, path, kms) = with_key();
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    let kms = LocalKms::open(&path).unwrap();
                    (0..EACH)
                        .map(|_| {
                            let version = block_on(kms.rotate(&tenant(), &key())).unwrap();
                            let wrapped = wrap(&kms).unwrap();
                            assert!(wrapped.key_version >= version);
                            (version, wrapped)
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let threads = threads.into_iter();
        threads.flat_map(|thread| thread.join().unwrap()).collect()
    });
    let versions: BTreeSet<_> = results.iter().map(|(version, _)| *version).collect();
    let all: BTreeSet<_> = (2..2 + u32::try_from(THREADS * EACH).unwrap()).collect();
    assert_eq!(versions, all);
    for (_, wrapped) in &results {
        assert_eq!(unwrap(&kms, wrapped), Ok([9; 32]));
    }
}

#[test]
fn threads_share_an_object() {
    let (_directory, _, kms) = with_key();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let wrapped = wrap(&kms).unwrap();
                    assert_eq!(unwrap(&kms, &wrapped), Ok([9; 32]));
                    block_on(kms.rotate(&tenant(), &key())).unwrap();
                }
            });
        }
    });
    assert_eq!(describe(&kms), Ok((KeyState::Enabled, 41)));
}

#[test]
fn a_torn_or_altered_file_is_refused() {
    let (_directory, path, kms) = with_key();
    let wrapped = wrap(&kms).unwrap();
    let file = kms.path(&tenant());
    let whole = fs::read(&file).unwrap();
    let refuses = |contents: &[u8], what: &str| {
        fs::write(&file, contents).unwrap();
        // Both the object that knows the keys from before, and one that does not.
        for kms in [&kms, &LocalKms::open(&path).unwrap()] {
            assert!(kms.check(&tenant()).is_err(), "{what}");
            assert_eq!(wrap(kms), Err(KmsError::Unavailable), "{what}");
            assert_eq!(unwrap(kms, &wrapped), Err(KmsError::Unavailable), "{what}");
            let rotated = block_on(kms.rotate(&tenant(), &key()));
            assert_eq!(rotated, Err(KmsError::Unavailable), "{what}");
            let created = block_on(kms.create(&tenant(), &"new".parse().unwrap()));
            assert_eq!(created, Err(KmsError::Unavailable), "{what}");
        }
        // What cannot be read is not written over.
        assert_eq!(fs::read(&file).unwrap(), contents, "{what}");
    };
    for length in [0, 10, 22, whole.len() / 2, whole.len() - 1] {
        refuses(&whole[..length], &format!("torn at {length}"));
    }
    let mut altered = whole.clone();
    altered[100] ^= 1;
    refuses(&altered, "altered");
    refuses(&[&whole[..], &whole[..]].concat(), "twice");
    refuses(&vec![b'a'; 1024 * 1024 + 1], "over 1 MiB");
    fs::write(&file, &whole).unwrap();
    assert!(kms.check(&tenant()).is_ok());
    assert_eq!(unwrap(&kms, &wrapped), Ok([9; 32]));
}

#[test]
fn checking_names_what_is_wrong() {
    let (_directory, _, kms) = fresh();
    let file = kms.path(&tenant());
    assert!(matches!(kms.check(&tenant()), Err(KeyringError::Io(_))));
    block_on(kms.create(&tenant(), &key())).unwrap();
    assert!(kms.check(&tenant()).is_ok());
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    assert!(matches!(kms.check(&tenant()), Err(KeyringError::Checksum)));
    fs::write(&file, "strongroom-keyring v2\n").unwrap();
    let checked = kms.check(&tenant());
    assert!(matches!(checked, Err(KeyringError::UnknownVersion)));
    fs::write(&file, vec![b'a'; 1024 * 1024 + 1]).unwrap();
    assert!(matches!(kms.check(&tenant()), Err(KeyringError::TooLarge)));
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(matches!(kms.check(&tenant()), Err(KeyringError::NotAFile)));
}

#[test]
fn a_directory_is_taken_as_it_is_or_made() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/b");
    assert!(matches!(LocalKms::open(&path), Err(KeyringError::Io(_))));
    let kms = LocalKms::create(&path).unwrap();
    block_on(kms.create(&tenant(), &key())).unwrap();
    let wrapped = wrap(&kms).unwrap();
    // Made again, it is as it was.
    let kms = LocalKms::create(&path).unwrap();
    assert_eq!(unwrap(&kms, &wrapped), Ok([9; 32]));
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let opened = LocalKms::open(&file);
    assert!(matches!(opened, Err(KeyringError::NotADirectory)));
    assert!(matches!(LocalKms::create(&file), Err(KeyringError::Io(_))));
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_is_made_is_for_its_owner_alone() {
        let (_directory, path, kms) = with_key();
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&kms.path(&tenant())), 0o600);
        assert_eq!(mode(&kms.path(&tenant()).with_extension("lock")), 0o600);
        // Also when the file was there with less.
        set_mode(&kms.path(&tenant()), 0o400);
        block_on(kms.rotate(&tenant(), &key())).unwrap();
        assert_eq!(mode(&kms.path(&tenant())), 0o600);
    }

    #[test]
    fn a_file_that_others_have_access_to_is_refused() {
        let (_directory, path, kms) = with_key();
        let wrapped = wrap(&kms).unwrap();
        let file = kms.path(&tenant());
        for mode in [0o640, 0o604, 0o660, 0o601, 0o610, 0o602, 0o777] {
            set_mode(&file, mode);
            assert!(
                matches!(kms.check(&tenant()), Err(KeyringError::Mode)),
                "{mode:o}"
            );
            let fresh = LocalKms::open(&path).unwrap();
            assert_eq!(unwrap(&fresh, &wrapped), Err(KmsError::Unavailable));
            let rotated = block_on(kms.rotate(&tenant(), &key()));
            assert_eq!(rotated, Err(KmsError::Unavailable), "{mode:o}");
        }
        for mode in [0o600, 0o400] {
            set_mode(&file, mode);
            assert!(kms.check(&tenant()).is_ok(), "{mode:o}");
        }
    }

    #[test]
    fn a_directory_that_others_can_write_is_refused() {
        let (_directory, path, kms) = fresh();
        drop(kms);
        for mode in [0o770, 0o702, 0o720, 0o777, 0o1777] {
            set_mode(&path, mode);
            let opened = LocalKms::open(&path);
            assert!(matches!(opened, Err(KeyringError::Mode)), "{mode:o}");
            let created = LocalKms::create(&path);
            assert!(matches!(created, Err(KeyringError::Mode)), "{mode:o}");
        }
        for mode in [0o700, 0o750, 0o755] {
            set_mode(&path, mode);
            assert!(LocalKms::open(&path).is_ok(), "{mode:o}");
        }
    }

    #[test]
    fn a_change_that_cannot_be_written_does_not_happen() {
        let (_directory, _, kms) = with_key();
        let file = kms.path(&tenant());
        let before = fs::read(&file).unwrap();
        // A directory stands where the new file would go.
        let new = file.with_extension("keyring.new");
        fs::create_dir(&new).unwrap();
        let unavailable = Err(KmsError::Unavailable);
        let rotated = block_on(kms.rotate(&tenant(), &key()));
        assert_eq!(rotated, Err(KmsError::Unavailable));
        assert_eq!(block_on(kms.disable(&tenant(), &key())), unavailable);
        assert_eq!(
            block_on(kms.create(&tenant(), &"new".parse().unwrap())),
            unavailable
        );
        assert!(block_on(kms.destroy(&tenant(), &key())).is_err());
        assert_eq!(describe(&kms), Ok((KeyState::Enabled, 1)));
        assert_eq!(wrap(&kms).unwrap().key_version, 1);
        assert_eq!(fs::read(&file).unwrap(), before);
        fs::remove_dir(&new).unwrap();
        assert_eq!(block_on(kms.rotate(&tenant(), &key())), Ok(2));
    }

    #[test]
    fn what_a_crash_left_behind_is_replaced() {
        let (directory, path, kms) = with_key();
        let wrapped = wrap(&kms).unwrap();
        let new = kms.path(&tenant()).with_extension("keyring.new");
        fs::write(&new, "torn").unwrap();
        set_mode(&new, 0o666);
        assert_eq!(block_on(kms.rotate(&tenant(), &key())), Ok(2));
        assert!(!new.exists());
        // A link that was planted there is not written through.
        let target = directory.path().join("target");
        fs::write(&target, "precious").unwrap();
        symlink(&target, &new).unwrap();
        assert_eq!(block_on(kms.rotate(&tenant(), &key())), Ok(3));
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
        assert_eq!(mode(&kms.path(&tenant())), 0o600);
        assert_eq!(files(&path).len(), 2);
        assert_eq!(unwrap(&kms, &wrapped), Ok([9; 32]));
    }

    /// A directory may be a link, to where it leads when it is opened; a keyring that is one is
    /// read, if what it leads to is this tenant's and private, and replaced by a file.
    #[test]
    fn links() {
        let (directory, path, kms) = with_key();
        let wrapped = wrap(&kms).unwrap();
        let link = directory.path().join("link");
        symlink(&path, &link).unwrap();
        let linked = LocalKms::open(&link).unwrap();
        assert_eq!(linked.path(&tenant()), kms.path(&tenant()));
        fs::remove_file(&link).unwrap();
        assert_eq!(unwrap(&linked, &wrapped), Ok([9; 32]));

        let file = kms.path(&tenant());
        let moved = directory.path().join("moved");
        fs::rename(&file, &moved).unwrap();
        symlink(&moved, &file).unwrap();
        assert_eq!(unwrap(&kms, &wrapped), Ok([9; 32]));
        set_mode(&moved, 0o644);
        let fresh = LocalKms::open(&path).unwrap();
        assert_eq!(unwrap(&fresh, &wrapped), Err(KmsError::Unavailable));
        set_mode(&moved, 0o600);
        let before = fs::read(&moved).unwrap();
        assert_eq!(block_on(kms.rotate(&tenant(), &key())), Ok(2));
        assert!(fs::symlink_metadata(&file).unwrap().is_file());
        assert_eq!(fs::read(&moved).unwrap(), before);

        fs::remove_file(&file).unwrap();
        symlink(directory.path().join("nowhere"), &file).unwrap();
        assert_eq!(unwrap(&kms, &wrapped), Err(KmsError::NotFound));
    }
}
