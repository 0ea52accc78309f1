//! Layers: a user's credential under the user's key, inside the tenant's.

use strongroom_tenancy::TenantId;

use crate::context::{ContextError, EncryptionContext};
use crate::envelope::{Recipient, open, seal};
use crate::errors::{OpenError, SealError};

/// The pair that tells the layers' contexts apart; callers must not use its key.
const LAYER: &str = "strongroom:layer";

/// The keys of both layers.
#[derive(Clone, Copy)]
pub struct Layers<'a> {
    /// The outer layer's: the tenant's own.
    pub tenant: Recipient<'a>,
    /// The inner layer's: the user's.
    pub user: Recipient<'a>,
}

/// Why a layered credential was not sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// There is no room in the context for the layer's own pair, or it has one already.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// A layer was not sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A layer was not opened.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl Layers<'_> {
    /// Seals a credential under the user's key, and the result under the tenant's; each layer has
    /// a fresh DEK of its own.
    ///
    /// # Errors
    /// [`LayerError`] when the context is full, or a KMS or the randomness fails.
    pub async fn seal(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        credential: &[u8],
    ) -> Result<Vec<u8>, LayerError> {
        let (inner, outer) = contexts(context)?;
        let sealed = seal(&[self.user], tenant, &inner, credential).await?;
        Ok(seal(&[self.tenant], tenant, &outer, &sealed).await?)
    }

    /// Opens both layers and hands the credential to `use_it`; it is wiped when that returns.
    ///
    /// # Errors
    /// [`LayerError`] when either layer does not open; `use_it` is not called then.
    ///
    /// # Security
    /// What `use_it` copies out is not wiped. Keep the closure as small as the use.
    pub async fn open<T>(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        sealed: &[u8],
        use_it: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, LayerError> {
        let (inner, outer) = contexts(context)?;
        let sealed = open(&[self.tenant], tenant, &outer, sealed).await?;
        let credential = open(&[self.user], tenant, &inner, &sealed).await?;
        Ok(use_it(&credential))
    }
}

/// The contexts of the inner and the outer layer.
fn contexts(
    context: &EncryptionContext,
) -> Result<(EncryptionContext, EncryptionContext), ContextError> {
    let with = |layer| EncryptionContext::new(context.iter().chain([(LAYER, layer)]));
    Ok((with("user")?, with("tenant")?))
}
