//! The keyring's file: read whole, replaced whole, readable by its owner alone.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use zeroize::Zeroizing;

use super::keyring::KeyringError;

const MAX_FILE: usize = 1024 * 1024;

/// The right to write a keyring: nobody else writes it until this is dropped.
pub(super) struct WriteLock(#[allow(dead_code, reason = "the lock goes with the file")] File);

/// Tells one state of a file from another: each write makes a new file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
    #[cfg(unix)]
    inode: u64,
}

/// Waits for the right to write the keyring at this path.
pub(super) fn lock(path: &Path) -> Result<WriteLock, KeyringError> {
    let path = path.with_extension("lock");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    file.lock()?;
    Ok(WriteLock(file))
}

/// The file's present state; `None` when there is no file.
pub(super) fn stamp(path: &Path) -> Result<Option<Stamp>, KeyringError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(Stamp::of(&metadata))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            length: metadata.len(),
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            inode: std::os::unix::fs::MetadataExt::ino(metadata),
        }
    }
}

/// Creates the directory, for its owner alone, or takes the one that is there.
pub(super) fn create_directory(path: &Path) -> Result<(), KeyringError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    sync_directory(path)?;
    check_directory(path)
}

/// Whether the directory is one into which nobody but its owner can put a keyring.
pub(super) fn check_directory(path: &Path) -> Result<(), KeyringError> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_dir() {
        return Err(KeyringError::NotADirectory);
    }
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o022 != 0 {
        return Err(KeyringError::Mode);
    }
    Ok(())
}

/// Replaces the file, or makes it: after a crash it holds the old contents or the new ones.
pub(super) fn replace(_lock: &WriteLock, path: &Path, contents: &[u8]) -> Result<(), KeyringError> {
    if contents.len() > MAX_FILE {
        return Err(KeyringError::TooLarge);
    }
    let mut name = path.file_name().ok_or(KeyringError::NotAFile)?.to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    // What a crash left behind.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let mut file = create_private(&new)?;
    file.write_all(contents)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    sync_directory(path)
}

/// Reads the file, if nobody but its owner has access to it, and the state that was read.
pub(super) fn read(path: &Path) -> Result<(Zeroizing<Vec<u8>>, Stamp), KeyringError> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(KeyringError::NotAFile);
    }
    check_mode(&metadata)?;
    let length = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
    if length > MAX_FILE {
        return Err(KeyringError::TooLarge);
    }
    // Room for the whole file and one byte more: a buffer that grew would leave keys behind.
    let mut contents = Zeroizing::new(Vec::with_capacity(length + 1));
    file.take(length as u64).read_to_end(&mut contents)?;
    Ok((contents, Stamp::of(&metadata)))
}

fn create_private(path: &Path) -> Result<File, KeyringError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    Ok(options.open(path)?)
}

#[cfg(unix)]
fn check_mode(metadata: &fs::Metadata) -> Result<(), KeyringError> {
    use std::os::unix::fs::PermissionsExt as _;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(KeyringError::Mode);
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_mode(_: &fs::Metadata) -> Result<(), KeyringError> {
    Ok(())
}

/// A new name is durable once its directory is.
fn sync_directory(path: &Path) -> Result<(), KeyringError> {
    #[cfg(unix)]
    {
        let parent = path.parent().filter(|parent| *parent != Path::new(""));
        let directory = parent.map_or_else(|| PathBuf::from("."), Path::to_path_buf);
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_is_bounded_both_ways() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keyring");
        let lock = lock(&path).unwrap();
        replace(&lock, &path, b"").unwrap();
        let result = replace(&lock, &path, &vec![0; MAX_FILE + 1]);
        assert!(matches!(result, Err(KeyringError::TooLarge)));
        assert_eq!(fs::metadata(&path).unwrap().len(), 0);

        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(MAX_FILE as u64).unwrap();
        assert_eq!(read(&path).unwrap().0.len(), MAX_FILE);
        file.set_len(MAX_FILE as u64 + 1).unwrap();
        assert!(matches!(read(&path), Err(KeyringError::TooLarge)));
    }
}
