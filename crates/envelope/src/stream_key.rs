//! The stream suite's key: C2SP chunked encryption under a DEK's sub-key, bound to tenant and
//! context.

use std::io::{self, Read, Seek, Write};
use std::num::NonZeroUsize;

use secrecy::{ExposeSecret as _, SecretBox};
use strongroom_tenancy::TenantId;

use crate::chunked::SALT;
use crate::context::EncryptionContext;
use crate::dek::Dek;
use crate::derive::{self, STREAM, Use};
use crate::errors::{OpenError, SealError};
use crate::header::{Suite, VERSION};
use crate::random;
use crate::stream::{OpenReader, SealBuffer, SealWriter, SeekReader, StreamError};
use crate::stream::{open_to_vec, seal_to_vec};
use crate::wipe::Plaintext;

/// Bytes of five fields, each after its length.
const CONTEXT: usize = 5 * 8 + STREAM.len() + 1 + 1 + 16 + 32;

/// A DEK's key for this suite and one tenant.
pub(crate) struct StreamKey {
    input_key: SecretBox<[u8; 32]>,
    tenant: TenantId,
}

impl StreamKey {
    pub(crate) fn new(dek: &Dek, tenant: &TenantId) -> Self {
        Self {
            input_key: derive::boxed(&derive::sub_key(dek, Use::Stream)),
            tenant: *tenant,
        }
    }

    /// Seals a whole record behind its front.
    pub(crate) fn seal(
        &self,
        front: &[u8],
        context: &EncryptionContext,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        self.seal_with(front, context, &random::bytes()?, plaintext)
    }

    /// The same with a given salt.
    pub(crate) fn seal_with(
        &self,
        front: &[u8],
        context: &EncryptionContext,
        salt: &[u8; SALT],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let (key, context) = (self.input_key.expose_secret(), self.context(context));
        seal_to_vec(front, key, &context, salt, plaintext, NonZeroUsize::MIN)
            .map_err(|_| SealError::Cipher)
    }

    /// Opens a whole body.
    pub(crate) fn open(
        &self,
        context: &EncryptionContext,
        body: &[u8],
    ) -> Result<Plaintext, OpenError> {
        let (key, context) = (self.input_key.expose_secret(), self.context(context));
        open_to_vec(key, &context, body, NonZeroUsize::MIN).map_err(|_| OpenError::Failed)
    }

    /// Begins a body.
    pub(crate) fn seal_writer<W: Write>(
        &self,
        context: &EncryptionContext,
        threads: NonZeroUsize,
        writer: W,
    ) -> io::Result<SealWriter<W>> {
        let salt: [u8; SALT] = random::bytes().map_err(io::Error::other)?;
        let (key, context) = (self.input_key.expose_secret(), self.context(context));
        SealWriter::new(writer, key, &context, &salt, threads)
    }

    /// Seals in place what a buffer was filled with.
    pub(crate) fn seal_buffer(
        &self,
        context: &EncryptionContext,
        threads: NonZeroUsize,
        buffer: SealBuffer,
    ) -> Result<Vec<u8>, SealError> {
        let (key, context) = (self.input_key.expose_secret(), self.context(context));
        let salt = random::bytes()?;
        buffer
            .seal(key, &context, &salt, threads)
            .map_err(|_| SealError::Cipher)
    }

    /// Opens a body that begins where the reader stands.
    pub(crate) fn open_reader<R: Read>(
        &self,
        context: &EncryptionContext,
        threads: NonZeroUsize,
        reader: R,
    ) -> io::Result<OpenReader<R>> {
        let (key, context) = (self.input_key.expose_secret(), self.context(context));
        OpenReader::new(reader, key, &context, threads)
    }

    /// Opens a body that begins where the reader stands and ends where it ends.
    pub(crate) fn seek_reader<R: Read + Seek>(
        &self,
        context: &EncryptionContext,
        reader: R,
    ) -> io::Result<SeekReader<R>> {
        let (key, context) = (self.input_key.expose_secret(), self.context(context));
        SeekReader::new(reader, key, &context)
    }

    /// Whether a body with this head was sealed under this key, for this context.
    pub(crate) fn is_of(
        &self,
        context: &EncryptionContext,
        head: &[u8; crate::chunked::HEAD],
    ) -> bool {
        let (key, context) = (self.input_key.expose_secret(), self.context(context));
        !matches!(
            crate::stream::open_head(key, &context, head),
            Err(StreamError::Failed | StreamError::TooLong | StreamError::Cipher)
        )
    }

    /// What C2SP calls the context: all that the stream is bound to.
    pub(crate) fn context(&self, context: &EncryptionContext) -> [u8; CONTEXT] {
        let suite = [Suite::Stream as u8];
        let fields: [&[u8]; 5] = [
            STREAM.as_bytes(),
            &[VERSION],
            &suite,
            self.tenant.as_bytes(),
            context.hash(),
        ];
        derive::joined(&fields)
    }
}
