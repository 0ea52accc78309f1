//! The header: which format, and where the key is (`docs/spec/envelope.md`, "Layout").

use crate::dek::DekId;
use crate::key_ref::KeyRef;
use crate::kms::WrappedDek;
use crate::provider::Provider;

pub(crate) const MAGIC: u8 = b'S';
pub(crate) const VERSION: u8 = 1;
const DETACHED: u8 = 1;

/// Magic, version, suite and flags.
const PREFIX: usize = 4;

/// The longest list of wraps, in bytes.
pub const MAX_HEADER: usize = 8 * 1024;

/// The most wraps of one record.
pub const MAX_WRAPS: usize = 16;

/// The longest wrapped key, in bytes.
pub const MAX_WRAPPED: usize = 1024;

/// How a body is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Suite {
    /// One AES-256-GCM; up to 64 KiB.
    Compact = 1,
    /// C2SP chunked encryption, Cobblestone-256; any length, seekable.
    Stream = 2,
}

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
    /// A wrap's provider is not known.
    #[error("sealed record: provider: not known")]
    Provider,
    /// A wrap's key reference is not one.
    #[error("sealed record: key reference: not one")]
    KeyRef,
    /// A wrapped key is empty or longer than [`MAX_WRAPPED`].
    #[error("sealed record: wrapped key: expected 1 to 1024 bytes")]
    WrappedLength,
    /// A compact body is longer than [`MAX_COMPACT`](crate::MAX_COMPACT) and its tag.
    #[error("sealed record: body: longer than 65552 bytes")]
    BodyTooLong,
    /// No stream is as long as this body: it was cut inside a tag, or has too many chunks.
    #[error("sealed record: body: no stream is of this length")]
    BodyLength,
}

/// What stands before the body; every length in it has been checked.
#[derive(Clone, Copy)]
pub(crate) struct Header<'a> {
    pub(crate) suite: Suite,
    pub(crate) key: KeyField<'a>,
}

/// Where the record's key is.
#[derive(Clone, Copy)]
pub(crate) enum KeyField<'a> {
    /// In the record, wrapped.
    Inline(Wraps<'a>),
    /// Beside the record, under this id.
    Detached(DekId),
}

/// The wraps, in order.
#[derive(Clone, Copy)]
pub(crate) struct Wraps<'a>(&'a [u8]);

/// One wrap, borrowed from the record.
#[derive(Clone, Copy)]
pub(crate) struct Wrap<'a> {
    pub(crate) provider: Provider,
    pub(crate) key_ref: &'a str,
    pub(crate) key_version: u32,
    pub(crate) bytes: &'a [u8],
}

impl<'a> Header<'a> {
    /// Takes the front of a record apart and returns the body behind it. Allocates nothing.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), HeaderError> {
        let mut rest = Reader(bytes);
        if rest.byte("magic")? != MAGIC {
            return Err(HeaderError::Magic);
        }
        if rest.byte("version")? != VERSION {
            return Err(HeaderError::Version);
        }
        let suite = match rest.byte("suite")? {
            1 => Suite::Compact,
            2 => Suite::Stream,
            _ => return Err(HeaderError::Suite),
        };
        let key = match rest.byte("flags")? {
            0 => {
                let length = usize::from(u16::from_be_bytes(*rest.chunk("header length")?));
                if length > MAX_HEADER {
                    return Err(HeaderError::HeaderLength);
                }
                KeyField::Inline(Wraps::parse(rest.bytes(length, "header")?)?)
            }
            DETACHED => KeyField::Detached(DekId::from_bytes(*rest.chunk("dek id")?)),
            _ => return Err(HeaderError::Flags),
        };
        Ok((Self { suite, key }, rest.0))
    }

    /// How many more bytes the front of a record takes, of which `bytes` are the first; 0 when it
    /// is whole. For a reader that must not read too far.
    pub(crate) fn missing(bytes: &[u8]) -> Result<usize, HeaderError> {
        let whole = match bytes {
            [_, _, _, DETACHED, ..] => PREFIX + 16,
            [_, _, _, _, a, b, ..] => {
                let length = usize::from(u16::from_be_bytes([*a, *b]));
                if length > MAX_HEADER {
                    return Err(HeaderError::HeaderLength);
                }
                PREFIX + 2 + length
            }
            [_, _, _, _, ..] => PREFIX + 2,
            _ => PREFIX,
        };
        Ok(whole.saturating_sub(bytes.len()))
    }
}

impl<'a> Wraps<'a> {
    fn parse(header: &'a [u8]) -> Result<Self, HeaderError> {
        let mut rest = Reader(header);
        let count = rest.byte("wrap count")?;
        if count == 0 || usize::from(count) > MAX_WRAPS {
            return Err(HeaderError::WrapCount);
        }
        let wraps = rest.0;
        for _ in 0..count {
            rest.wrap()?;
        }
        if !rest.0.is_empty() {
            return Err(HeaderError::HeaderLength);
        }
        Ok(Self(wraps))
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Wrap<'a>> + use<'a> {
        let mut rest = Reader(self.0);
        std::iter::from_fn(move || match rest.0 {
            [] => None,
            _ => rest.wrap().ok(),
        })
    }

    pub(crate) fn to_vec(self) -> Vec<WrappedDek> {
        self.iter().filter_map(Wrap::to_wrapped).collect()
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

/// Writes the front of a record whose key is in it.
pub(crate) fn write_inline(
    suite: Suite,
    wraps: &[WrappedDek],
    out: &mut Vec<u8>,
) -> Result<(), HeaderError> {
    let count = u8::try_from(wraps.len()).map_err(|_| HeaderError::WrapCount)?;
    if wraps.is_empty() || wraps.len() > MAX_WRAPS {
        return Err(HeaderError::WrapCount);
    }
    let names = wraps.iter().map(|wrap| wrap.key_ref.as_str().len());
    let wrapped = wraps.iter().map(|wrap| wrap.bytes.len());
    if wrapped
        .clone()
        .any(|length| length == 0 || length > MAX_WRAPPED)
    {
        return Err(HeaderError::WrappedLength);
    }
    let length = 1 + names.chain(wrapped).map(|field| field + 4).sum::<usize>();
    if length > MAX_HEADER {
        return Err(HeaderError::HeaderLength);
    }
    let length = u16::try_from(length).map_err(|_| HeaderError::HeaderLength)?;
    out.extend_from_slice(&[MAGIC, VERSION, suite as u8, 0]);
    out.extend_from_slice(&length.to_be_bytes());
    out.push(count);
    for wrap in wraps {
        let name = wrap.key_ref.as_str().as_bytes();
        out.push(wrap.provider.number());
        out.push(u8::try_from(name.len()).map_err(|_| HeaderError::KeyRef)?);
        out.extend_from_slice(name);
        out.extend_from_slice(&wrap.key_version.to_be_bytes());
        let length = u16::try_from(wrap.bytes.len()).map_err(|_| HeaderError::WrappedLength)?;
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&wrap.bytes);
    }
    Ok(())
}

/// Writes the front of a record whose key is kept under this id.
pub(crate) fn write_detached(suite: Suite, id: &DekId, out: &mut Vec<u8>) {
    out.extend_from_slice(&[MAGIC, VERSION, suite as u8, DETACHED]);
    out.extend_from_slice(id.as_bytes());
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
        let provider = Provider::from_number(provider).ok_or(HeaderError::Provider)?;
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
