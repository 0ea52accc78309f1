//! The head of a body: its salt and the commitment to its key, which tell a DEK from every other.

use strongroom_tenancy::TenantId;

use crate::chunked;
use crate::compact::{self, CompactKey};
use crate::context::EncryptionContext;
use crate::dek::Dek;
use crate::header::{HeaderError, Suite};
use crate::stream_key::StreamKey;
use crate::wipe::on_wiped_stack;

/// The first bytes of a body, however long the rest is.
#[derive(Clone, Copy)]
pub(crate) enum Head<'a> {
    Compact(&'a [u8; compact::HEAD]),
    Stream(&'a [u8; chunked::HEAD]),
}

impl<'a> Head<'a> {
    /// Takes the head off a body.
    pub(crate) fn of(suite: Suite, body: &'a [u8]) -> Result<Self, HeaderError> {
        let (head, salt) = match suite {
            Suite::Compact => (body.first_chunk().map(Self::Compact), compact::SALT),
            Suite::Stream => (body.first_chunk().map(Self::Stream), chunked::SALT),
        };
        head.ok_or(HeaderError::Truncated(if body.len() < salt {
            "salt"
        } else {
            "commitment"
        }))
    }

    /// Whether the body was sealed under this DEK, for this tenant and context.
    pub(crate) fn is_under(
        self,
        dek: &Dek,
        tenant: &TenantId,
        context: &EncryptionContext,
    ) -> bool {
        on_wiped_stack(|| match self {
            Self::Compact(head) => CompactKey::new(dek, tenant).is_of(context, head),
            Self::Stream(head) => StreamKey::new(dek, tenant).is_of(context, head),
        })
    }
}
