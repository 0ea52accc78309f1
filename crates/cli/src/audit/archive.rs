//! An export in one file: a tar archive that is the same whenever the log is.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use strongroom::auditchain::store::{ZoneRead, list_paths};
use tar::{Builder, EntryType, Header};

/// The longest path in an export: every one of the format is far shorter.
const MAX_PATH: usize = 100;

/// An archive that is read, whose files are known by where they are in it.
pub(super) struct Archive {
    file: Mutex<File>,
    files: BTreeMap<String, (u64, u64)>,
}

impl Archive {
    /// Finds the files of an archive. Links and the like, and two files of one name, are refused:
    /// no export has them.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let refused = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut archive = tar::Archive::new(BufReader::new(file.try_clone()?));
        let mut files = BTreeMap::new();
        for entry in archive.entries_with_seek()? {
            let entry = entry?;
            if entry.header().entry_type() == EntryType::Directory {
                continue;
            }
            let name = entry.path_bytes();
            let name = std::str::from_utf8(&name).ok();
            let name = name.filter(|name| name.len() <= MAX_PATH);
            let name = name.ok_or_else(|| refused("archive: a name that no export has"))?;
            if entry.header().entry_type() != EntryType::Regular {
                return Err(refused("archive: holds something that is no plain file"));
            }
            let name = name.strip_prefix("./").unwrap_or(name).to_owned();
            let place = (entry.raw_file_position(), entry.size());
            if place.0.checked_add(place.1).is_none_or(|end| end > length) {
                return Err(refused("archive: cut off"));
            }
            if files.insert(name, place).is_some() {
                return Err(refused("archive: two files of one name"));
            }
        }
        let file = Mutex::new(file);
        Ok(Self { file, files })
    }
}

impl ZoneRead for Archive {
    fn read(&self, path: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        let Some((at, length)) = self.files.get(path).copied() else {
            return Ok(None);
        };
        if length > most {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("{path}: longer than it can be"),
            ));
        }
        let mut bytes = Vec::new();
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(at))?;
        (&*file).take(length).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<(String, Option<u64>)>> {
        Ok(list_paths(&self.files, folder, |(_, length)| *length))
    }
}

/// An archive that is written.
pub(super) struct NewArchive<W: Write>(Builder<W>);

impl<W: Write> NewArchive<W> {
    pub(super) fn new(to: W) -> Self {
        Self(Builder::new(to))
    }

    /// Appends a file that says nothing of when and by whom it was made.
    pub(super) fn put(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        self.0.append_data(&mut header, path, bytes)
    }

    pub(super) fn finish(self) -> io::Result<W> {
        self.0.into_inner()
    }
}
