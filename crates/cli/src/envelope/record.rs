//! A record of any length, sealed and opened.

use std::io::{self, Cursor, Read, Write};

use strongroom::envelope::stream::{open_reader, seal_writer};
use strongroom::envelope::{
    EncryptionContext, MAX_COMPACT, MAX_HEADER, OpenError, Recipient, SealError, open, seal,
};
use strongroom::tenancy::TenantId;
use zeroize::Zeroizing;

use super::keys::kms_failure;
use super::source::Source;
use super::threads::Threads;
use crate::failure::Failure;

/// Longer than any record of the compact suite: header, salt, commitment, nonce and tag are far
/// below twice the longest header.
pub(super) const MAX_SHORT: usize = MAX_COMPACT + 2 * MAX_HEADER;

/// Few enough bytes to stay in the processor's own cache.
const BUFFER: usize = 64 * 1024;

/// Whom a record is for, what it is about, and how it is worked on.
pub(super) struct Record<'a> {
    pub(super) recipients: Vec<Recipient<'a>>,
    pub(super) tenant: &'a TenantId,
    pub(super) context: EncryptionContext,
    pub(super) threads: Threads,
}

impl Record<'_> {
    /// Seals what is in memory.
    pub(super) fn seal(&self, plaintext: &[u8]) -> Result<Vec<u8>, Failure> {
        let sealing = seal(&self.recipients, self.tenant, &self.context, plaintext);
        pollster::block_on(sealing).map_err(|error| self.seal_failure(error))
    }

    /// Seals a source, and gives the writer back with the number of bytes that were sealed.
    pub(super) fn seal_from<W: Write>(
        &self,
        source: Source<'_>,
        mut writer: W,
        is_watched: bool,
    ) -> Result<(W, u64), Failure> {
        if let Some(plaintext) = source.whole() {
            let sealed = self.seal(plaintext)?;
            writer.write_all(&sealed).map_err(write_failure)?;
            return Ok((writer, plaintext.len() as u64));
        }
        let name = source.name().to_owned();
        let (to, tenant, context) = (&self.recipients, self.tenant, &self.context);
        let sealing = seal_writer(to, tenant, context, self.threads.number(), writer);
        let begun = pollster::block_on(sealing);
        let mut writer = begun.map_err(|error| match inner(&error) {
            Some(error) => self.seal_failure(*error),
            None => write_failure(error),
        })?;
        let (copied, bytes) = copy(&mut source.into_reader(is_watched), &mut writer);
        copied.map_err(|error| match error {
            CopyError::Read(error) => read_failure(&name, &error),
            CopyError::Write(error) => write_failure(error),
        })?;
        Ok((writer.finish().map_err(write_failure)?, bytes))
    }

    /// Opens a source: a short record at once, a longer one as it is read.
    pub(super) fn open<'a>(
        &'a self,
        source: Source<'a>,
        is_watched: bool,
    ) -> Result<Box<dyn Read + 'a>, Failure> {
        if let Some(sealed) = source.whole() {
            let opening = open(&self.recipients, self.tenant, &self.context, sealed);
            let plaintext = pollster::block_on(opening).map_err(open_failure)?;
            return Ok(Box::new(Cursor::new(plaintext)));
        }
        let name = source.name().to_owned();
        let source = source.into_reader(is_watched);
        let (with, tenant, context) = (&self.recipients, self.tenant, &self.context);
        let opening = open_reader(with, tenant, context, self.threads.number(), source);
        let reader = pollster::block_on(opening).map_err(|error| read_failure(&name, &error))?;
        Ok(Box::new(reader))
    }

    fn seal_failure(&self, error: SealError) -> Failure {
        match error {
            SealError::Kms(error) => {
                let names = self.recipients.iter().map(|to| to.key.as_str());
                kms_failure(error, &names.collect::<Vec<_>>().join(", "))
            }
            error => Failure::unusable(error),
        }
    }
}

/// Which side of a copy failed.
pub(super) enum CopyError {
    Read(io::Error),
    Write(io::Error),
}

/// Copies until the reader's end, through a buffer that is wiped, and counts.
pub(super) fn copy(
    reader: &mut impl Read,
    writer: &mut impl Write,
) -> (Result<(), CopyError>, u64) {
    let mut buffer = Zeroizing::new(vec![0; BUFFER]);
    let mut copied = 0;
    loop {
        let count = match reader.read(&mut buffer) {
            Ok(0) => return (Ok(()), copied),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return (Err(CopyError::Read(error)), copied),
        };
        if let Err(error) = writer.write_all(buffer.get(..count).unwrap_or_default()) {
            return (Err(CopyError::Write(error)), copied);
        }
        copied += count as u64;
    }
}

/// Whether it was the record that failed, and not what it is read from.
pub(super) fn is_refusal(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData
}

/// Why an input was not read, or a record not opened.
pub(super) fn read_failure(name: &str, error: &io::Error) -> Failure {
    match inner(error) {
        Some(error) => open_failure(*error),
        None if is_refusal(error) => open_failure(OpenError::Failed),
        None => Failure::unusable(format!("{name}: {error}")),
    }
}

/// The envelope's own error in one of reading or writing.
fn inner<E: std::error::Error + 'static>(error: &io::Error) -> Option<&E> {
    error.get_ref()?.downcast_ref()
}

/// Why the output was not written.
pub(super) fn write_failure(error: io::Error) -> Failure {
    Failure::unusable(format!("writing: {error}"))
}

/// Why a record was not opened: it is refused, unless the keyring could not be used.
pub(super) fn open_failure(error: OpenError) -> Failure {
    match error {
        OpenError::Kms(error) => Failure::unusable(error),
        error => Failure::refused(error),
    }
}
