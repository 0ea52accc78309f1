//! Why a stream is refused.

use std::io;

use crate::aead::AeadError;
use crate::chunked::ChunkError;

/// Why a stream was not sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The stream is not what was sealed under this key, tenant and context: changed, cut short,
    /// longer, or another one. Which of these it is, is not told.
    #[error("the stream does not open")]
    Failed,
    /// There is more plaintext than the format holds, 4 PiB less one byte.
    #[error("the stream is too long")]
    TooLong,
    /// The cipher gave no result.
    #[error("the cipher failed")]
    Cipher,
}

impl StreamError {
    /// What went wrong with a chunk that was to be sealed.
    pub(super) fn sealing(error: ChunkError) -> Self {
        match error {
            ChunkError::TooMany => Self::TooLong,
            ChunkError::Cipher => Self::Cipher,
        }
    }
}

impl From<AeadError> for StreamError {
    fn from(AeadError: AeadError) -> Self {
        Self::Cipher
    }
}

impl From<StreamError> for io::Error {
    fn from(error: StreamError) -> Self {
        let kind = match error {
            StreamError::Failed => io::ErrorKind::InvalidData,
            StreamError::TooLong => io::ErrorKind::FileTooLarge,
            StreamError::Cipher => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
