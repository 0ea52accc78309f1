//! Files and folders with an owner and a mode, made without following what others planted.
//!
//! Root works here in folders that it shares with accounts of less privilege. A symbolic or hard
//! link that such an account left must never decide which file root writes or gives away.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// Whose a file or folder is: a user and a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
}

impl Ownership {
    /// This process's own user and group.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
        }
    }
}

/// Writes a new file that only its owner can read (0600), or replaces one, never half of it.
///
/// # Errors
/// What the file system says.
pub fn write_secret(path: &Path, contents: &[u8]) -> io::Result<()> {
    make_private_dir(path.parent().unwrap_or_else(|| Path::new(".")))?;
    replace(path, &mut &*contents, 0o600, Ownership::of_this_process())
}

/// Writes a new file with this owner and mode, or replaces one, never half of it. A link of the
/// same name is replaced, not followed.
///
/// # Errors
/// What the file system says.
pub fn replace(
    path: &Path,
    contents: &mut dyn Read,
    mode: u32,
    owner: Ownership,
) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    io::copy(contents, &mut file)?;
    give(&file, mode, owner)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    sync_dir(path.parent().unwrap_or_else(|| Path::new(".")))
}

/// Makes a folder that only its owner can enter (0700) unless it is there.
///
/// # Errors
/// What the file system says.
pub fn make_private_dir(dir: &Path) -> io::Result<()> {
    if dir.exists() {
        return Ok(());
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
}

/// Makes a folder with this owner and mode, or sees to it that the one that is there has them.
///
/// # Errors
/// When a link or a file is in its place, when it belongs to somebody who is neither `owner` nor
/// this process, and what the file system says.
///
/// # Security
/// Only the last part of the path is guarded: the folder above it must be the caller's own.
pub fn claim_dir(dir: &Path, mode: u32, owner: Ownership) -> io::Result<()> {
    match fs::symlink_metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(mode)
                .create(dir)?;
        }
        Err(error) => return Err(error),
        Ok(_) => {}
    }
    let folder = fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags(OFlags::NOFOLLOW | OFlags::DIRECTORY))
        .open(dir)
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotADirectory => refused("is a link or a file: expected a folder"),
            _ => error,
        })?;
    let (found, me) = (folder.metadata()?.uid(), Ownership::of_this_process().uid);
    // A start that was interrupted may have left it ours.
    if found != owner.uid && found != me {
        return Err(refused(&format!(
            "belongs to user {found}: expected user {}",
            owner.uid
        )));
    }
    give(&folder, mode, owner)
}

/// Opens a file of this process's own to append to, made (0600) when it is missing.
///
/// # Errors
/// When a link or anything but a plain file is in its place, and what the file system says.
pub fn append(path: &Path) -> io::Result<fs::File> {
    let file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK))
        .open(path)?;
    plain(&file.metadata()?)?;
    Ok(file)
}

/// Reads a file that somebody else may have written, up to `limit` bytes of it.
///
/// # Errors
/// When a link or anything but a plain file is in its place, and what the file system says.
pub fn read_foreign(path: &Path, limit: u64) -> io::Result<String> {
    // Without NONBLOCK a named pipe would hold the reader up for ever.
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK))
        .open(path)?;
    plain(&file.metadata()?)?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether there is a plain file with one name at this path.
///
/// # Errors
/// When something else is there: a link, a folder, or a file that has another name as well.
pub fn is_plain_file(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
        Ok(found) => plain(&found).map(|()| true),
    }
}

/// Everything in a folder, none of which may be anything but a plain file with one name.
///
/// # Errors
/// When the folder is a link, when something else is in it, and what the file system says.
pub fn plain_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    if !fs::symlink_metadata(dir)?.is_dir() {
        return Err(refused("is a link or a file: expected a folder"));
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        if is_plain_file(&path).map_err(named)? {
            found.push(path);
        }
    }
    Ok(found)
}

/// Makes the names in a folder durable.
///
/// # Errors
/// What the file system says.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    fs::File::open(dir)?.sync_all()
}

fn give(file: &fs::File, mode: u32, owner: Ownership) -> io::Result<()> {
    // A process that is not root can only ask for what is so already, or for a group of its own.
    fchown(file, Some(owner.uid), Some(owner.gid))?;
    file.set_permissions(fs::Permissions::from_mode(mode))
}

fn plain(found: &fs::Metadata) -> io::Result<()> {
    if !found.is_file() || found.nlink() != 1 {
        return Err(refused("is not a plain file with one name"));
    }
    Ok(())
}

fn refused(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason)
}

fn flags(flags: OFlags) -> i32 {
    flags.bits().cast_signed()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let process = std::process::id();
            let path = std::env::temp_dir().join(format!("strongroom-files-{process}-{name}"));
            fs::create_dir(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn a_link_is_replaced_and_its_target_left_alone() {
        let folder = Folder::new("replace");
        let (victim, file) = (folder.0.join("victim"), folder.0.join("file"));
        fs::write(&victim, "untouched").unwrap();
        symlink(&victim, &file).unwrap();
        symlink(&victim, folder.0.join("file.new")).unwrap();
        write_secret(&file, b"secret").unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
        assert_eq!(fs::read_to_string(&file).unwrap(), "secret");
        assert!(fs::symlink_metadata(&file).unwrap().is_file());
        assert_eq!(mode(&file), 0o600);
    }

    #[test]
    fn links_are_refused_by_name() {
        let folder = Folder::new("links");
        let (victim, link, twin) = (
            folder.0.join("victim"),
            folder.0.join("link"),
            folder.0.join("twin"),
        );
        fs::write(&victim, "untouched").unwrap();
        fs::set_permissions(&victim, fs::Permissions::from_mode(0o644)).unwrap();
        symlink(&victim, &link).unwrap();
        assert!(append(&link).is_err());
        assert!(read_foreign(&link, 10).is_err());
        assert!(is_plain_file(&link).is_err());
        assert!(is_plain_file(&folder.0).is_err());
        assert!(is_plain_file(&victim).unwrap());
        assert!(!is_plain_file(&folder.0.join("missing")).unwrap());
        fs::hard_link(&victim, &twin).unwrap();
        assert!(is_plain_file(&twin).is_err());
        assert!(append(&twin).is_err());

        let (inner, outer) = (folder.0.join("inner"), folder.0.join("outer"));
        fs::create_dir(&inner).unwrap();
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o700)).unwrap();
        symlink(&inner, &outer).unwrap();
        let me = Ownership::of_this_process();
        assert!(claim_dir(&outer, 0o755, me).is_err());
        assert_eq!(mode(&inner), 0o700);
        assert!(claim_dir(&victim, 0o755, me).is_err());
        assert_eq!(mode(&victim), 0o644);
        claim_dir(&inner, 0o711, me).unwrap();
        assert_eq!(mode(&inner), 0o711);
    }

    #[test]
    fn a_folder_of_somebody_else_is_not_taken() {
        let me = Ownership::of_this_process();
        if me.uid != 0 {
            return;
        }
        let folder = Folder::new("owner");
        let dir = folder.0.join("theirs");
        let them = Ownership {
            uid: 65534,
            gid: 65534,
        };
        claim_dir(&dir, 0o700, them).unwrap();
        assert_eq!(fs::metadata(&dir).unwrap().uid(), 65534);
        let error = claim_dir(&dir, 0o700, me).unwrap_err().to_string();
        assert_eq!(error, "belongs to user 65534: expected user 0");
    }
}
