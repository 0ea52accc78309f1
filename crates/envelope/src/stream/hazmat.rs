//! Streams under a bare key: for test vectors, fuzzing and other implementations of C2SP chunked
//! encryption.
//!
//! # Security
//! A salt used twice under one input key gives away both messages. Nothing here binds a stream to
//! a tenant: that is what the context is for.

use std::fmt;
use std::io::{self, Read, Seek, Write};
use std::num::NonZeroUsize;

use super::{OpenReader, Plaintext, SealBuffer, SealWriter, SeekReader, StreamError, slice};

/// Cobblestone-256 under one input key and context (<https://c2sp.org/chunked-encryption>).
///
/// ```
/// use std::io::{Read as _, Write as _};
/// use strongroom_envelope::stream::hazmat::Cobblestone256;
///
/// # #[cfg(feature = "fips")]
/// # strongroom_envelope::fips::accept_streams_outside_the_approved_services();
/// let stream = Cobblestone256::new(&[7; 32], b"context");
/// let mut writer = stream.seal_writer(&[1; 24], Vec::new())?;
/// writer.write_all(b"a long story")?;
/// let sealed = writer.finish()?;
///
/// let mut story = String::new();
/// stream.open_reader(sealed.as_slice())?.read_to_string(&mut story)?;
/// assert_eq!(story, "a long story");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Cobblestone256<'a> {
    input_key: &'a [u8; 32],
    context: &'a [u8],
    threads: NonZeroUsize,
}

impl<'a> Cobblestone256<'a> {
    /// The scheme under an input key, which must be uniformly random, and a context.
    #[must_use]
    pub fn new(input_key: &'a [u8; 32], context: &'a [u8]) -> Self {
        Self {
            input_key,
            context,
            threads: NonZeroUsize::MIN,
        }
    }

    /// The same on so many threads; the bytes are the same too.
    #[must_use]
    pub fn threads(self, threads: NonZeroUsize) -> Self {
        Self { threads, ..self }
    }

    /// Begins a stream into a writer.
    ///
    /// # Errors
    /// As the system's when a thread cannot be started.
    pub fn seal_writer<W: Write>(&self, salt: &[u8; 24], writer: W) -> io::Result<SealWriter<W>> {
        SealWriter::new(writer, self.input_key, self.context, salt, self.threads)
    }

    /// Opens a stream from a reader.
    ///
    /// # Errors
    /// As the reader's; `InvalidData` when the stream is another one's.
    pub fn open_reader<R: Read>(&self, reader: R) -> io::Result<OpenReader<R>> {
        OpenReader::new(reader, self.input_key, self.context, self.threads)
    }

    /// Opens a stream that begins where the reader stands and ends where the reader ends.
    ///
    /// # Errors
    /// As the reader's; `InvalidData` when the stream is another one's.
    pub fn seek_reader<R: Read + Seek>(&self, reader: R) -> io::Result<SeekReader<R>> {
        SeekReader::new(reader, self.input_key, self.context)
    }

    /// Seals a slice.
    ///
    /// # Errors
    /// [`StreamError::TooLong`].
    pub fn seal_to_vec(&self, salt: &[u8; 24], plaintext: &[u8]) -> Result<Vec<u8>, StreamError> {
        let (key, context) = (self.input_key, self.context);
        slice::seal_to_vec(&[], key, context, salt, plaintext, self.threads)
    }

    /// Opens a slice.
    ///
    /// # Errors
    /// [`StreamError::Failed`].
    pub fn open_to_vec(&self, sealed: &[u8]) -> Result<Plaintext, StreamError> {
        slice::open_to_vec(self.input_key, self.context, sealed, self.threads)
    }

    /// Seals what a buffer was filled with.
    ///
    /// # Errors
    /// [`StreamError::Cipher`].
    pub fn seal_buffer(&self, salt: &[u8; 24], buffer: SealBuffer) -> Result<Vec<u8>, StreamError> {
        buffer.seal(self.input_key, self.context, salt, self.threads)
    }
}

impl fmt::Debug for Cobblestone256<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cobblestone256(..)")
    }
}
