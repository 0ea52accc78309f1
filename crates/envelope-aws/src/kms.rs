//! Wrapping and unwrapping.

use std::collections::HashMap;
use std::fmt;

use aws_sdk_kms::Client;
use aws_sdk_kms::config::Builder;
use aws_sdk_kms::primitives::Blob;
use bytes::Bytes;
use strongroom_envelope::{
    Dek, KeyDescription, KeyRef, Kms, KmsError, KmsFuture, MAX_WRAPPED, Provider, Purpose,
    WrappedDek,
};
use strongroom_tenancy::TenantId;
use zeroize::Zeroizing;

use crate::client::{CallLimits, retrying};
use crate::failure::classify;
use crate::key_id::BroughtKeys;
use crate::metadata::{answers, find, state};

/// AWS KMS keeps its key versions to itself.
pub(crate) const NO_VERSION: u32 = 0;

/// A [`Kms`] over AWS KMS, in one Region.
///
/// A key reference is a name, which stands for the alias `alias/strongroom/<tenant>/<name>` (see
/// `docs/operating/kms-aws.md` for how characters that aliases lack are written), that alias in
/// full, or the ARN of a key that the tenant brought. Every other reference fails with
/// [`KmsError::Denied`], without a call. Versions are always 0: AWS KMS finds the right one itself.
///
/// Needs `kms:Encrypt`, `kms:Decrypt`, `kms:ReEncryptFrom`, `kms:ReEncryptTo` and
/// `kms:DescribeKey`, and nothing else.
pub struct AwsKms {
    client: Client,
    brought: BroughtKeys,
}

impl AwsKms {
    /// Takes the SDK's configuration: Region, credentials, endpoint. Its time-outs and retries are
    /// replaced by `limits`.
    #[must_use]
    pub fn new(config: Builder, limits: CallLimits) -> Self {
        Self {
            client: retrying(config, limits),
            brought: BroughtKeys::new(),
        }
    }

    /// Replaces the keys that tenants brought.
    #[must_use]
    pub fn with_brought_keys(self, brought: BroughtKeys) -> Self {
        Self { brought, ..self }
    }

    fn key_id(&self, tenant: &TenantId, key: &KeyRef) -> Result<String, KmsError> {
        self.brought.key_id(tenant, key).ok_or(KmsError::Denied)
    }

    /// The key under which an untrusted wrap says that it is.
    fn source(&self, tenant: &TenantId, wrapped: &WrappedDek) -> Result<String, KmsError> {
        if wrapped.provider != Provider::AWS_KMS || wrapped.key_version != NO_VERSION {
            return Err(KmsError::NotFound);
        }
        if !(1..=MAX_WRAPPED).contains(&wrapped.bytes.len()) {
            return Err(KmsError::ContextMismatch);
        }
        self.key_id(tenant, &wrapped.key_ref)
    }
}

impl Kms for AwsKms {
    fn provider(&self) -> Provider {
        Provider::AWS_KMS
    }

    fn wrap<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a KeyRef,
        purpose: &'a Purpose,
        dek: &'a Dek,
    ) -> KmsFuture<'a, WrappedDek> {
        Box::pin(async move {
            let key_id = self.key_id(tenant, key)?;
            let request = self.client.encrypt().key_id(&key_id).plaintext(secret(dek));
            let request = request.set_encryption_context(Some(context(tenant, key, purpose)));
            let answer = request.send().await.map_err(classify)?;
            wrap_of(
                key,
                &key_id,
                answer.key_id(),
                answer.ciphertext_blob.as_ref(),
            )
        })
    }

    fn unwrap<'a>(
        &'a self,
        tenant: &'a TenantId,
        purpose: &'a Purpose,
        wrapped: &'a WrappedDek,
    ) -> KmsFuture<'a, Dek> {
        Box::pin(async move {
            let key_id = self.source(tenant, wrapped)?;
            // With the key named, AWS KMS refuses what is encrypted under any other.
            let request = self.client.decrypt().key_id(&key_id);
            let request = request
                .ciphertext_blob(Blob::new(wrapped.bytes.as_slice()))
                .set_encryption_context(Some(context(tenant, &wrapped.key_ref, purpose)));
            let answer = request.send().await.map_err(classify)?;
            let is_from_key = answers(&key_id, answer.key_id());
            let plaintext = answer.plaintext.ok_or(KmsError::Unavailable)?;
            let plaintext = Zeroizing::new(plaintext.into_inner());
            match <&[u8; 32]>::try_from(plaintext.as_slice()) {
                Ok(bytes) if is_from_key => Ok(Dek::from_bytes(bytes)),
                _ => Err(KmsError::ContextMismatch),
            }
        })
    }

    fn rewrap<'a>(
        &'a self,
        tenant: &'a TenantId,
        purpose: &'a Purpose,
        wrapped: &'a WrappedDek,
        key: &'a KeyRef,
    ) -> KmsFuture<'a, WrappedDek> {
        Box::pin(async move {
            let source = self.source(tenant, wrapped)?;
            let destination = self.key_id(tenant, key)?;
            let request = self.client.re_encrypt();
            let request = request
                .source_key_id(&source)
                .ciphertext_blob(Blob::new(wrapped.bytes.as_slice()))
                .set_source_encryption_context(Some(context(tenant, &wrapped.key_ref, purpose)))
                .destination_key_id(&destination)
                .set_destination_encryption_context(Some(context(tenant, key, purpose)));
            let answer = request.send().await.map_err(classify)?;
            if !answers(&source, answer.source_key_id()) {
                return Err(KmsError::ContextMismatch);
            }
            let blob = answer.ciphertext_blob.as_ref();
            wrap_of(key, &destination, answer.key_id(), blob)
        })
    }

    fn describe<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a KeyRef,
    ) -> KmsFuture<'a, KeyDescription> {
        Box::pin(async move {
            let key_id = self.key_id(tenant, key)?;
            let metadata = find(&self.client, &key_id).await?;
            Ok(KeyDescription {
                state: state(&metadata)?,
                active_version: NO_VERSION,
            })
        })
    }
}

impl fmt::Debug for AwsKms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsKms")
            .field("brought", &self.brought)
            .finish_non_exhaustive()
    }
}

/// What binds a wrap to its tenant, key and purpose. Not secret: CloudTrail logs it.
fn context(tenant: &TenantId, key: &KeyRef, purpose: &Purpose) -> HashMap<String, String> {
    HashMap::from([
        ("strongroom:tenant".to_owned(), tenant.to_string()),
        ("strongroom:key".to_owned(), key.to_string()),
        ("strongroom:purpose".to_owned(), purpose.to_string()),
    ])
}

/// The key as the SDK takes it, in memory that is wiped when the last of its owners is done.
fn secret(dek: &Dek) -> Blob {
    let copy = Zeroizing::new(dek.expose_bytes().to_vec());
    Blob::from_maybe_shared(Bytes::from_owner(copy))
}

/// The wrap in an answer, if the answer is for the key that was asked.
fn wrap_of(
    key: &KeyRef,
    asked: &str,
    answered: Option<&str>,
    blob: Option<&Blob>,
) -> Result<WrappedDek, KmsError> {
    let bytes = blob.map(AsRef::as_ref).unwrap_or_default();
    if !answers(asked, answered) || !(1..=MAX_WRAPPED).contains(&bytes.len()) {
        return Err(KmsError::Unavailable);
    }
    Ok(WrappedDek {
        provider: Provider::AWS_KMS,
        key_ref: key.clone(),
        key_version: NO_VERSION,
        bytes: bytes.to_vec(),
    })
}
