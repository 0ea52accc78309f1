//! The texts that a command is given: standard input, files, and what lies in directories.

use std::fs::{self, DirEntry, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::input;

/// One text to be read.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Input {
    /// None is standard input.
    pub(super) path: Option<PathBuf>,
    /// Its path below the directory that it was found in; its name alone if it was named itself.
    pub(super) below: PathBuf,
    /// Whether it was named itself, and not found in a directory.
    pub(super) is_named: bool,
    /// In bytes, as far as that is known before it is read.
    pub(super) size: u64,
}

impl Input {
    pub(super) fn open(&self) -> io::Result<Box<dyn Read>> {
        Ok(match &self.path {
            Some(path) => Box::new(File::open(path)?),
            None => Box::new(io::stdin()),
        })
    }

    /// How a message calls it.
    pub(super) fn name(&self) -> String {
        input::name(self.path.as_deref())
    }
}

/// All that a command is given.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    /// Sorted by path, each once.
    pub(super) list: Vec<Input>,
    /// What could not be looked at, and why.
    pub(super) unreadable: Vec<String>,
    /// Entries of directories that are hidden, or neither files nor directories.
    pub(super) passed_over: usize,
    /// Whether it is one text, which needs no name.
    pub(super) is_single: bool,
}

impl Inputs {
    /// Standard input without a path, or for `-`; directories with all that is in them. Links in a
    /// directory are not followed, so that nothing outside of it is read, and nothing twice.
    pub(super) fn of(paths: &[PathBuf]) -> Self {
        let mut inputs = Self::default();
        let stdin = [PathBuf::from("-")];
        let paths = if paths.is_empty() { &stdin } else { paths };
        for path in paths {
            inputs.add(path);
        }
        inputs.list.sort_unstable();
        inputs.list.dedup_by(|a, b| a.path == b.path);
        inputs.is_single = match (inputs.list.as_slice(), paths) {
            ([only], [_]) => only.is_named,
            _ => false,
        };
        inputs
    }

    /// So many bytes, unless an input's length is not known.
    pub(super) fn size(&self) -> Option<u64> {
        let is_known = self.list.iter().all(|input| input.path.is_some());
        is_known.then(|| self.list.iter().map(|input| input.size).sum())
    }

    fn add(&mut self, path: &Path) {
        if input::is_stdin(Some(path)) {
            self.list.push(Input {
                path: None,
                below: PathBuf::new(),
                is_named: true,
                size: 0,
            });
            return;
        }
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => self.walk(path),
            Ok(metadata) => self.list.push(Input {
                path: Some(path.to_owned()),
                below: path.file_name().map(PathBuf::from).unwrap_or_default(),
                is_named: true,
                size: metadata.len(),
            }),
            Err(error) => self.cannot_read(path, &error),
        }
    }

    fn walk(&mut self, root: &Path) {
        // No recursion: how deep directories lie in each other is the user's choice.
        let mut open = vec![root.to_owned()];
        while let Some(directory) = open.pop() {
            let entries = match fs::read_dir(&directory) {
                Ok(entries) => entries,
                Err(error) => {
                    self.cannot_read(&directory, &error);
                    continue;
                }
            };
            for entry in entries {
                let found = entry.and_then(|entry| self.entry(root, &entry, &mut open));
                if let Err(error) = found {
                    self.cannot_read(&directory, &error);
                }
            }
        }
    }

    fn entry(&mut self, root: &Path, entry: &DirEntry, open: &mut Vec<PathBuf>) -> io::Result<()> {
        let kind = entry.file_type()?;
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        let path = entry.path();
        if is_hidden || !(kind.is_dir() || kind.is_file()) {
            self.passed_over += 1;
        } else if kind.is_dir() {
            open.push(path);
        } else {
            let below = path.strip_prefix(root).unwrap_or(&path).to_owned();
            self.list.push(Input {
                // A file that is gone by now is reported when it is read.
                size: entry.metadata().map_or(0, |metadata| metadata.len()),
                path: Some(path),
                below,
                is_named: false,
            });
        }
        Ok(())
    }

    fn cannot_read(&mut self, path: &Path, error: &io::Error) {
        self.unreadable.push(format!("{}: {error}", path.display()));
    }
}

/// A number of things, with the word for them.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
