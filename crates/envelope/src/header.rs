//! The header: which format, and the wraps (`docs/spec/envelope.md`, "Layout").

use crate::aead;
use crate::key_ref::KeyRef;
use crate::kms::WrappedDek;

pub(crate) const MAGIC: u8 = b'S';
pub(crate) const VERSION: u8 = 1;
pub(crate) const SUITE: u8 = 1;
pub(crate) const FLAGS: u8 = 0;
pub(crate) const SALT: usize = 16;
pub(crate) const COMMITMENT: usize = 32;

/// The first four bytes, which are authenticated with the body.
pub(crate) const PREFIX: [u8; 4] = [MAGIC, VERSION, SUITE, FLAGS];

/// The longest record that is sealed, in bytes.
pub const MAX_PLAINTEXT: usize = 64 * 1024;

/// The longest list of wraps, in bytes.
pub const MAX_HEADER: usize = 8 * 1024;

/// The most wraps of one record.
pub const MAX_WRAPS: usize = 16;

/// The longest wrapped key, in bytes.
pub const MAX_WRAPPED: usize = 1024;

/// Why bytes are not a sealed record; names the field and never its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The bytes end inside this field.
    #[error("sealed record: it ends inside {0}")]
    Truncated(&'static str),
    /// The first byte is not `S`.
    #[error("sealed record: magic: not a sealed record")]
    Magic,
    /// A format version that is not known.
    #[error("sealed record: version: not known")]
    Version,
    /// A suite that is not known.
    #[error("sealed record: suite: not known")]
    Suite,
    /// A flag that is not known.
    #[error("sealed record: flags: not known")]
    Flags,
    /// The header's length is over [`MAX_HEADER`], or is not that of the wraps in it.
    #[error("sealed record: header length: over 8192, or not that of the wraps")]
    HeaderLength,
    /// There are no wraps or more than [`MAX_WRAPS`].
    #[error("sealed record: wrap count: expected 1 to 16")]
    WrapCount,
    /// A wrap's key reference is not one.
    #[error("sealed record: key reference: not one")]
    KeyRef,
    /// A wrapped key is empty or longer than [`MAX_WRAPPED`].
    #[error("sealed record: wrapped key: expected 1 to 1024 bytes")]
    WrappedLength,
    /// The body is longer than [`MAX_PLAINTEXT`] and its tag.
    #[error("sealed record: body: longer than 65552 bytes")]
    BodyTooLong,
}

/// A sealed record, taken apart but not opened; every length in it has been checked.
#[derive(Clone, Copy)]
pub(crate) struct Sealed<'a> {
    wraps: &'a [u8],
    pub(crate) salt: &'a [u8; SALT],
    pub(crate) commitment: &'a [u8; COMMITMENT],
    pub(crate) nonce: &'a [u8; aead::NONCE],
    /// Ciphertext and tag.
    pub(crate) body: &'a [u8],
}

/// One wrap, borrowed from the record.
#[derive(Clone, Copy)]
pub(crate) struct Wrap<'a> {
    pub(crate) provider: u8,
    pub(crate) key_ref: &'a str,
    pub(crate) key_version: u32,
    pub(crate) bytes: &'a [u8],
}

impl<'a> Sealed<'a> {
    /// Takes a record apart. Allocates nothing.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        let mut rest = Reader(bytes);
        for (field, expected, error) in [
            ("magic", MAGIC, HeaderError::Magic),
            ("version", VERSION, HeaderError::Version),
            ("suite", SUITE, HeaderError::Suite),
            ("flags", FLAGS, HeaderError::Flags),
        ] {
            if rest.byte(field)? != expected {
                return Err(error);
            }
        }
        let length = usize::from(u16::from_be_bytes(*rest.chunk("header length")?));
        if length > MAX_HEADER {
            return Err(HeaderError::HeaderLength);
        }
        let mut header = Reader(rest.bytes(length, "header")?);
        let count = header.byte("wrap count")?;
        if count == 0 || usize::from(count) > MAX_WRAPS {
            return Err(HeaderError::WrapCount);
        }
        let wraps = header.0;
        for _ in 0..count {
            header.wrap()?;
        }
        if !header.0.is_empty() {
            return Err(HeaderError::HeaderLength);
        }
        let sealed = Self {
            wraps,
            salt: rest.chunk("salt")?,
            commitment: rest.chunk("commitment")?,
            nonce: rest.chunk("nonce")?,
            body: rest.0,
        };
        if sealed.body.len() < aead::TAG {
            return Err(HeaderError::Truncated("tag"));
        }
        if sealed.body.len() > MAX_PLAINTEXT + aead::TAG {
            return Err(HeaderError::BodyTooLong);
        }
        Ok(sealed)
    }

    /// The wraps, in order.
    pub(crate) fn wraps(&self) -> impl Iterator<Item = Wrap<'a>> + use<'a> {
        let mut rest = Reader(self.wraps);
        std::iter::from_fn(move || match rest.0 {
            [] => None,
            _ => rest.wrap().ok(),
        })
    }
}

impl Wrap<'_> {
    pub(crate) fn to_wrapped(self) -> Option<WrappedDek> {
        Some(WrappedDek {
            provider: self.provider,
            key_ref: self.key_ref.parse().ok()?,
            key_version: self.key_version,
            bytes: self.bytes.to_vec(),
        })
    }
}

/// Writes the prefix and the wraps.
pub(crate) fn write(wraps: &[WrappedDek], out: &mut Vec<u8>) -> Result<(), HeaderError> {
    let count = u8::try_from(wraps.len()).map_err(|_| HeaderError::WrapCount)?;
    if wraps.is_empty() || wraps.len() > MAX_WRAPS {
        return Err(HeaderError::WrapCount);
    }
    let mut header = vec![count];
    for wrap in wraps {
        let name = wrap.key_ref.as_str().as_bytes();
        if wrap.bytes.is_empty() || wrap.bytes.len() > MAX_WRAPPED {
            return Err(HeaderError::WrappedLength);
        }
        header.push(wrap.provider);
        header.push(u8::try_from(name.len()).map_err(|_| HeaderError::KeyRef)?);
        header.extend_from_slice(name);
        header.extend_from_slice(&wrap.key_version.to_be_bytes());
        let length = u16::try_from(wrap.bytes.len()).map_err(|_| HeaderError::WrappedLength)?;
        header.extend_from_slice(&length.to_be_bytes());
        header.extend_from_slice(&wrap.bytes);
    }
    if header.len() > MAX_HEADER {
        return Err(HeaderError::HeaderLength);
    }
    let length = u16::try_from(header.len()).map_err(|_| HeaderError::HeaderLength)?;
    out.extend_from_slice(&PREFIX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&header);
    Ok(())
}

/// What has not been read yet.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, length: usize, field: &'static str) -> Result<&'a [u8], HeaderError> {
        let split = self.0.split_at_checked(length);
        let (taken, rest) = split.ok_or(HeaderError::Truncated(field))?;
        self.0 = rest;
        Ok(taken)
    }

    fn chunk<const N: usize>(&mut self, field: &'static str) -> Result<&'a [u8; N], HeaderError> {
        let split = self.0.split_first_chunk();
        let (taken, rest) = split.ok_or(HeaderError::Truncated(field))?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self, field: &'static str) -> Result<u8, HeaderError> {
        let [byte] = *self.chunk(field)?;
        Ok(byte)
    }

    fn wrap(&mut self) -> Result<Wrap<'a>, HeaderError> {
        let provider = self.byte("provider")?;
        let length = usize::from(self.byte("key reference length")?);
        let key_ref = self.bytes(length, "key reference")?;
        let key_ref = KeyRef::check(key_ref).ok_or(HeaderError::KeyRef)?;
        let key_version = u32::from_be_bytes(*self.chunk("key version")?);
        let length = usize::from(u16::from_be_bytes(*self.chunk("wrapped key length")?));
        if length == 0 || length > MAX_WRAPPED {
            return Err(HeaderError::WrappedLength);
        }
        let bytes = self.bytes(length, "wrapped key")?;
        Ok(Wrap {
            provider,
            key_ref,
            key_version,
            bytes,
        })
    }
}
