//! Files that are known by their paths alone, as those of an archive or in memory.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;

use super::beneath::is_plain;
use super::zone::ZoneRead;

/// What [`ZoneRead::list`] answers where files are known by their paths, and folders only by the
/// files within.
///
/// ```
/// use std::collections::BTreeMap;
/// use strongroom_auditchain::store::list_paths;
///
/// let files = [("tile/0/000", 32), ("tile/0/001.p/7", 224)];
/// let lengths: BTreeMap<String, u64> = files.map(|(path, len)| (path.to_owned(), len)).into();
/// let listed = list_paths(&lengths, "tile/0", |length| *length);
/// assert_eq!(listed, [("000".to_owned(), Some(32)), ("001.p".to_owned(), None)]);
/// ```
pub fn list_paths<T>(
    files: &BTreeMap<String, T>,
    folder: &str,
    length: impl Fn(&T) -> u64,
) -> Vec<(String, Option<u64>)> {
    let within = format!("{folder}/");
    let from = (Bound::Included(within.as_str()), Bound::Unbounded);
    let mut listed: Vec<(String, Option<u64>)> = Vec::new();
    for (path, file) in files.range::<str, _>(from) {
        let Some(path) = path.strip_prefix(&within) else {
            break;
        };
        let (name, length) = match path.split_once('/') {
            Some((folder, _)) => (folder, None),
            None => (path, Some(length(file))),
        };
        // The files of one folder stand together.
        let is_known = listed.last().is_some_and(|last| last.0 == name);
        if is_plain(name) && !is_known {
            listed.push((name.to_owned(), length));
        }
    }
    listed
}

/// Files in memory by their paths.
impl ZoneRead for BTreeMap<String, Vec<u8>> {
    fn read(&self, path: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        match self.get(path) {
            Some(bytes) if bytes.len() as u64 > most => Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("{path}: longer than it can be"),
            )),
            bytes => Ok(bytes.cloned()),
        }
    }

    fn list(&self, folder: &str) -> io::Result<Vec<(String, Option<u64>)>> {
        Ok(list_paths(self, folder, |bytes| bytes.len() as u64))
    }
}
