//! The keyring's file: read whole, replaced whole, readable by its owner alone.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

use super::keyring::KeyringError;

const MAX_FILE: usize = 1024 * 1024;

/// The coarsest clock of a file system, FAT's: two writes within it may have one time.
const TICK: Duration = Duration::from_secs(2);

/// The right to write a keyring: nobody else writes it until this is dropped.
pub(super) struct WriteLock(#[allow(dead_code, reason = "the lock goes with the file")] File);

/// Tells one state of a file from another: each write makes a new file.
#[derive(Clone, Copy)]
pub(super) struct Stamp {
    /// When it was taken.
    at: SystemTime,
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
    let at = SystemTime::now();
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(Stamp::of(&metadata, at))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl Stamp {
    fn of(metadata: &fs::Metadata, at: SystemTime) -> Self {
        Self {
            at,
            length: metadata.len(),
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            inode: std::os::unix::fs::MetadataExt::ino(metadata),
        }
    }

    /// Whether a file with the stamp `now` is as it was when this was taken. A file that was young
    /// then, or from the future, may have been written again without a trace.
    pub(super) fn still_tells(&self, now: &Self) -> bool {
        #[cfg(unix)]
        if self.inode != now.inode {
            return false;
        }
        let settled = self.modified.and_then(|time| time.checked_add(TICK));
        self.length == now.length
            && self.modified == now.modified
            && settled.is_some_and(|settled| settled <= self.at)
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
    check_owned(&metadata, 0o022)?;
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
    #[cfg(test)]
    counted::count(&counted::READS);
    let at = SystemTime::now();
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(KeyringError::NotAFile);
    }
    #[cfg(unix)]
    check_owned(&metadata, 0o077)?;
    let length = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
    if length > MAX_FILE {
        return Err(KeyringError::TooLarge);
    }
    // Room for the whole file and one byte more: a buffer that grew would leave keys behind.
    let mut contents = Zeroizing::new(Vec::with_capacity(length + 1));
    file.take(length as u64).read_to_end(&mut contents)?;
    Ok((contents, Stamp::of(&metadata, at)))
}

fn create_private(path: &Path) -> Result<File, KeyringError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    Ok(options.open(path)?)
}

/// Whether a file is this user's, or root's, who can do all that this user can; and nobody else has
/// these permissions.
#[cfg(unix)]
fn check_owned(metadata: &fs::Metadata, forbidden: u32) -> Result<(), KeyringError> {
    use std::os::unix::fs::MetadataExt as _;
    if metadata.mode() & forbidden != 0 {
        return Err(KeyringError::Mode);
    }
    let owner = metadata.uid();
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(KeyringError::Owner);
    }
    Ok(())
}

/// Makes the name of a file that somebody else put there durable.
pub(super) fn sync_name(path: &Path) -> Result<(), KeyringError> {
    #[cfg(test)]
    counted::count(&counted::SYNCS);
    match sync_directory(path) {
        // Where nothing can be written, or a directory not be synced, no writer comes to an end.
        Err(KeyringError::Io(error))
            if matches!(
                error.kind(),
                ErrorKind::ReadOnlyFilesystem | ErrorKind::InvalidInput
            ) =>
        {
            Ok(())
        }
        result => result,
    }
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

/// What this thread did with files.
#[cfg(test)]
pub(super) mod counted {
    use std::cell::Cell;
    use std::thread::LocalKey;

    thread_local! {
        pub(in super::super) static READS: Cell<u32> = const { Cell::new(0) };
        pub(in super::super) static SYNCS: Cell<u32> = const { Cell::new(0) };
    }

    pub(super) fn count(counter: &'static LocalKey<Cell<u32>>) {
        counter.set(counter.get() + 1);
    }
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
