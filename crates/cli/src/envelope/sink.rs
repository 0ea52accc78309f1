//! Where a record goes: a new file, or standard output.

use std::io::{self, IsTerminal as _, StdoutLock, Write};
use std::path::Path;

use super::new_file::NewFile;

use super::record::write_failure;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::is_watched;

/// A new file or standard output, being written.
pub(super) enum Sink {
    File(NewFile),
    Stdout(StdoutLock<'static>),
}

impl Sink {
    /// Begins a new file, or takes standard output.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, Failure> {
        match path {
            Some(path) => Ok(Self::File(NewFile::create(path)?)),
            None => Ok(Self::Stdout(io::stdout().lock())),
        }
    }

    /// Like [`open`](Self::open), for bytes that are no text.
    pub(super) fn open_binary(path: Option<&Path>) -> Result<Self, Failure> {
        if path.is_none() && io::stdout().is_terminal() {
            return Err(Failure::unusable(
                "these bytes would garble a terminal: redirect them, or give --out",
            ));
        }
        Self::open(path)
    }

    /// Whether somebody can watch the progress: standard error is theirs alone.
    pub(super) fn is_watched(&self, output: Output) -> bool {
        let shows_itself = matches!(self, Self::Stdout(stdout) if stdout.is_terminal());
        is_watched(output) && !shows_itself
    }

    /// All is written: a file gets its name.
    pub(super) fn finish(self) -> Result<(), Failure> {
        match self {
            Self::File(file) => file.keep(),
            Self::Stdout(mut stdout) => stdout.flush().map_err(write_failure),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Stdout(stdout) => stdout.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Stdout(stdout) => stdout.flush(),
        }
    }
}
