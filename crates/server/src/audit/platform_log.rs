//! The platform's log: salted hashes of tenants' checkpoints, in the order in which they were signed
//! (`docs/spec/audit-log.md`, section 3). It is kept as a tenant's is, by the same sequencer.

use std::sync::Arc;

use strongroom_auditchain::{
    CosignatureError, CosignaturePolicy, Cosigner, Ed25519Signer, Frontier, Hash, NoteError,
    Origin, PlatformSalt, PolicyError, VerifierKey, Witnessed, root,
};
use strongroom_envelope::{EncryptionContext, KeyRef};
use strongroom_tenancy::TenantId;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::sequencer::{AuditError, Sequencer};
use crate::keystore::{EXPORT, KeyStore, KeyStoreError};

/// The platform's log, its cosigner, and the way into it.
pub struct PlatformLog {
    policy: CosignaturePolicy,
    cosigner: Cosigner,
    keys: KeyStore,
    sequencer: Sequencer,
}

/// The platform's log cannot be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlatformLogError {
    /// A name or a key that verifies nothing.
    #[error("the platform's log: {0}")]
    Key(#[from] NoteError),
    /// Its key is its cosigner's.
    #[error("the platform's log: {0}")]
    Policy(#[from] PolicyError),
}

impl PlatformLog {
    /// The log of this name: the key of checkpoints signs it as it signs tenants', and a key of its
    /// own says when.
    ///
    /// # Errors
    /// [`PlatformLogError`].
    pub fn new(
        origin: Origin,
        checkpoints: &Ed25519Signer,
        cosigner: Arc<Ed25519Signer>,
        keys: KeyStore,
        sequencer: Sequencer,
    ) -> Result<Self, PlatformLogError> {
        let log = checkpoints.with_name(origin.as_str())?;
        let cosigner = Cosigner::new(cosigner)?;
        let cosigners = vec![cosigner.verifier_key().clone()];
        Ok(Self {
            policy: CosignaturePolicy::new(origin, log.verifier_key().clone(), cosigners, 1)?,
            cosigner,
            keys,
            sequencer,
        })
    }

    /// Its name.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        self.policy.origin()
    }

    /// The key of its checkpoints.
    #[must_use]
    pub const fn log_key(&self) -> &VerifierKey {
        self.policy.log_key()
    }

    /// Says when its checkpoints stood.
    #[must_use]
    pub const fn cosigner(&self) -> &Cosigner {
        &self.cosigner
    }

    /// What a cosigned note says.
    pub(super) fn witnessed(&self, note: &str) -> Result<Witnessed, CosignatureError> {
        let cosigned = self.policy.verify(note)?;
        Ok(Witnessed {
            checkpoint: cosigned.checkpoint().clone(),
            time: cosigned.by().unwrap_or_default(),
        })
    }

    /// Waits until an entry that was staged is in the log.
    pub(super) async fn placed(&self, id: Uuid) -> Option<AuditError> {
        self.sequencer
            .staged(TenantId::PLATFORM_LOG, id)
            .await
            .err()
    }

    /// Seals an entry's salt under its tenant's key, in a record that no rotation touches.
    pub(super) async fn seal(
        &self,
        tenant: &TenantId,
        size: u64,
        salt: &PlatformSalt,
    ) -> Result<Vec<u8>, KeyStoreError> {
        let (name, context) = (salts_key()?, salt_context(size)?);
        let sealed = self.keys.seal((tenant, &name), &context, salt.expose());
        Ok(sealed.await?.bytes)
    }
}

/// Opens what [`PlatformLog::seal`] sealed.
pub(super) async fn open_salt(
    keys: &KeyStore,
    tenant: &TenantId,
    size: u64,
    sealed: &[u8],
) -> Result<PlatformSalt, KeyStoreError> {
    let (name, context) = (salts_key()?, salt_context(size)?);
    let opened = keys.open_under(tenant, &name, &context, sealed).await?;
    let salt = <[u8; 32]>::try_from(opened.as_slice()).map_err(|_| KeyStoreError::Failed)?;
    Ok(PlatformSalt::from_bytes(&Zeroizing::new(salt)))
}

fn salts_key() -> Result<KeyRef, KeyStoreError> {
    EXPORT.parse().map_err(|_| KeyStoreError::NoKey)
}

fn salt_context(size: u64) -> Result<EncryptionContext, KeyStoreError> {
    let pairs = [
        ("purpose", "audit-anchor".to_owned()),
        ("size", size.to_string()),
    ];
    EncryptionContext::new(pairs).map_err(|_| KeyStoreError::Failed)
}

/// The hashes of the consistency proof from a tree to the same with these leaves (RFC 6962,
/// section 2.1.2). What is left of the new leaves is all in the frontier.
pub(super) fn growth(old: &Frontier, new: &[Hash]) -> Vec<Hash> {
    let (Some(last), false) = (old.parts().last(), new.is_empty()) else {
        return Vec::new();
    };
    let (_, proofs) = old.append_batch(new);
    let Some(first) = proofs.first() else {
        return Vec::new();
    };
    // The first new leaf begins the subtree to the right of the old tree's last perfect one, which
    // is as large; above the two, both have one way to the root.
    let width = 1_usize.checked_shl(old.size().trailing_zeros());
    let width = width.unwrap_or(usize::MAX).min(new.len());
    let within = usize::try_from(width.next_power_of_two().trailing_zeros()).unwrap_or(0);
    let beside = new.get(..width).map(root);
    let above = first.hashes.iter().skip(within + 1).copied();
    let own = (old.parts().len() > 1).then_some(*last);
    own.into_iter().chain(beside).chain(above).collect()
}

#[cfg(test)]
mod tests {
    use strongroom_auditchain::prove_consistency;

    use super::*;

    #[test]
    fn growth_is_proved_as_from_the_whole_tree() {
        let leaves: Vec<Hash> = (0..70_u8).map(|i| Hash::of_leaf(&[i])).collect();
        let mut old = Frontier::new();
        for from in 0..leaves.len() {
            for to in from..=leaves.len() {
                let whole = prove_consistency(&leaves, from as u64, to as u64);
                let expected = whole.map(|proof| proof.hashes).unwrap_or_default();
                assert_eq!(growth(&old, &leaves[from..to]), expected, "{from} to {to}");
            }
            old.push(leaves[from]);
        }
    }
}
