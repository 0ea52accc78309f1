//! The stream suite's key: C2SP chunked encryption under a DEK's sub-key, bound to tenant and
//! context.

use secrecy::SecretBox;
use strongroom_tenancy::TenantId;

use crate::context::EncryptionContext;
use crate::dek::Dek;
use crate::derive::{self, STREAM, Use};
use crate::errors::{OpenError, SealError};
use crate::header::{Suite, VERSION};
use crate::wipe::Plaintext;

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
        let _ = (front, context, plaintext, &self.input_key);
        Err(SealError::Cipher)
    }

    /// Opens a whole body.
    pub(crate) fn open(
        &self,
        context: &EncryptionContext,
        body: &[u8],
    ) -> Result<Plaintext, OpenError> {
        let _ = (body, self.context(context));
        Err(OpenError::Failed)
    }

    /// What C2SP calls the context: all that the stream is bound to.
    pub(crate) fn context(&self, context: &EncryptionContext) -> Vec<u8> {
        let suite = [Suite::Stream as u8];
        let fields: [&[u8]; 5] = [
            STREAM.as_bytes(),
            &[VERSION],
            &suite,
            self.tenant.as_bytes(),
            context.hash(),
        ];
        let mut joined = Vec::with_capacity(120);
        for field in fields {
            joined.extend_from_slice(&derive::length(field));
            joined.extend_from_slice(field);
        }
        joined
    }
}
