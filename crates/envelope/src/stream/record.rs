//! Sealed records as streams: what stands before the chunks is written and read here.

use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::num::NonZeroUsize;

use strongroom_tenancy::TenantId;

use super::{OpenReader, SealBuffer, SealWriter, SeekReader, read_full};
use crate::chunked::HEAD;
use crate::context::EncryptionContext;
use crate::data_key::DataKey;
use crate::envelope::{Recipient, unwrap_until};
use crate::errors::{OpenError, SealError};
use crate::header::{Header, KeyField, Suite};
use crate::stream_key::StreamKey;

/// What an opened record's chunks are read from: its first bytes, read already, and the rest.
type Rest<R> = io::Chain<Cursor<[u8; HEAD]>, R>;

/// Seals what is written, for these recipients, under a fresh key: a record of the stream suite.
///
/// The front is written at once. More `threads` than one seal on as many cores; the bytes are the
/// same.
///
/// # Errors
/// [`SealError`] inside an [`io::Error`], and those of the writer.
pub async fn seal_writer<W: Write>(
    recipients: &[Recipient<'_>],
    tenant: &TenantId,
    context: &EncryptionContext,
    threads: NonZeroUsize,
    writer: W,
) -> io::Result<SealWriter<W>> {
    let key = DataKey::generate(recipients, tenant).await;
    key.map_err(io::Error::other)?
        .seal_writer(tenant, context, threads, writer)
}

/// Opens a record of the stream suite as it is read, for the tenant and context that the caller
/// expects.
///
/// # Errors
/// [`OpenError`] inside an [`io::Error`] of the kind `InvalidData`, and those of the reader. A
/// record of the compact suite is refused with [`HeaderError::Suite`](crate::HeaderError::Suite):
/// read it whole and [`open`](crate::open) it.
///
/// # Security
/// As [`open`](crate::open), and [`OpenReader`].
pub async fn open_reader<R: Read>(
    recipients: &[Recipient<'_>],
    tenant: &TenantId,
    context: &EncryptionContext,
    threads: NonZeroUsize,
    mut reader: R,
) -> io::Result<OpenReader<impl Read>> {
    let (key, head) = find_key(recipients, tenant, context, &mut reader).await?;
    key.open_reader(context, threads, rest(head, reader))
}

/// Opens any part of a record of the stream suite, which begins where the reader stands and ends
/// where it ends.
///
/// # Errors
/// As [`open_reader`].
///
/// # Security
/// As [`open`](crate::open), and [`SeekReader`].
pub async fn seek_reader<R: Read + Seek>(
    recipients: &[Recipient<'_>],
    tenant: &TenantId,
    context: &EncryptionContext,
    mut reader: R,
) -> io::Result<SeekReader<R>> {
    let (key, _) = find_key(recipients, tenant, context, &mut reader).await?;
    reader.seek(SeekFrom::Current(-(HEAD as i64)))?;
    key.seek_reader(context, reader)
}

impl DataKey {
    /// Seals what is written under this key: a record of the stream suite. It counts as one
    /// message; its bytes are not counted.
    ///
    /// # Errors
    /// As [`seal`](Self::seal), inside an [`io::Error`], and those of the writer.
    pub fn seal_writer<W: Write>(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        threads: NonZeroUsize,
        mut writer: W,
    ) -> io::Result<SealWriter<W>> {
        self.admit(tenant, 0).map_err(io::Error::other)?;
        writer.write_all(self.stream_front())?;
        self.stream_key().seal_writer(context, threads, writer)
    }

    /// Makes room to be filled with a plaintext of known length, and then sealed where it is.
    ///
    /// # Errors
    /// [`SealError::Cipher`] when there is no such room.
    pub fn seal_buffer(&self, plaintext_len: usize) -> Result<SealBuffer, SealError> {
        SealBuffer::new(self.stream_front(), plaintext_len).map_err(|_| SealError::Cipher)
    }

    /// Seals in place what a buffer of this key was filled with.
    ///
    /// # Errors
    /// As [`seal`](Self::seal); [`SealError::Wrap`] when the buffer is another key's.
    pub fn seal_filled(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        threads: NonZeroUsize,
        buffer: SealBuffer,
    ) -> Result<Vec<u8>, SealError> {
        if buffer.prefix() != self.stream_front() {
            return Err(SealError::Wrap);
        }
        self.admit(tenant, buffer.plaintext_len())?;
        self.stream_key().seal_buffer(context, threads, buffer)
    }

    /// Opens a record of the stream suite as it is read; where it says that its key is, is not
    /// looked at.
    ///
    /// # Errors
    /// As [`open_reader`].
    pub fn open_reader<R: Read>(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        threads: NonZeroUsize,
        mut reader: R,
    ) -> io::Result<OpenReader<R>> {
        self.check_stream(tenant, &mut reader)?;
        self.stream_key().open_reader(context, threads, reader)
    }

    /// Opens any part of a record of the stream suite, which begins where the reader stands and
    /// ends where it ends.
    ///
    /// # Errors
    /// As [`open_reader`].
    pub fn seek_reader<R: Read + Seek>(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        mut reader: R,
    ) -> io::Result<SeekReader<R>> {
        self.check_stream(tenant, &mut reader)?;
        self.stream_key().seek_reader(context, reader)
    }

    fn check_stream(&self, tenant: &TenantId, reader: &mut impl Read) -> io::Result<()> {
        let front = read_front(reader)?;
        let (header, _) = Header::parse(&front).map_err(refused)?;
        check_suite(&header)?;
        if tenant != self.tenant() {
            return Err(refused(OpenError::Failed));
        }
        Ok(())
    }
}

/// Reads a record's front and its body's head, and finds the key that committed to the latter.
async fn find_key(
    recipients: &[Recipient<'_>],
    tenant: &TenantId,
    context: &EncryptionContext,
    reader: &mut impl Read,
) -> io::Result<(StreamKey, [u8; HEAD])> {
    let front = read_front(reader)?;
    let (header, _) = Header::parse(&front).map_err(refused)?;
    check_suite(&header)?;
    let KeyField::Inline(wraps) = header.key else {
        return Err(refused(OpenError::Detached));
    };
    let mut head = [0; HEAD];
    if read_full(reader, &mut head)? < HEAD {
        return Err(refused(OpenError::Failed));
    }
    let take = |dek: &crate::Dek| {
        let key = StreamKey::new(dek, tenant);
        key.is_of(context, &head).then_some(key)
    };
    let key = unwrap_until(recipients, tenant, wraps, take).await;
    Ok((key.map_err(refused)?, head))
}

fn check_suite(header: &Header<'_>) -> io::Result<()> {
    match header.suite {
        Suite::Stream => Ok(()),
        Suite::Compact => Err(refused(crate::HeaderError::Suite)),
    }
}

/// Reads the front of a record, and not a byte further.
fn read_front(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut front = Vec::new();
    loop {
        let missing = Header::missing(&front).map_err(refused)?;
        if missing == 0 {
            return Ok(front);
        }
        let start = front.len();
        front.resize(start + missing, 0);
        let room = front.get_mut(start..).unwrap_or_default();
        let read = read_full(reader, room)?;
        if read < missing {
            // What is there tells which field is cut short.
            front.truncate(start + read);
            return Ok(front);
        }
    }
}

fn rest<R: Read>(head: [u8; HEAD], reader: R) -> Rest<R> {
    Cursor::new(head).chain(reader)
}

fn refused(error: impl Into<OpenError>) -> io::Error {
    let error = error.into();
    let kind = match error {
        OpenError::Kms(_) => io::ErrorKind::Other,
        _ => io::ErrorKind::InvalidData,
    };
    io::Error::new(kind, error)
}
