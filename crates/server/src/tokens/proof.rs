//! What a login was proved by, and whether that still counts as the session begins.

use strongroom_tenancy::{Actor, ActorId, TenantId};
use uuid::Uuid;

use super::standing::beside_credentials;
use crate::postgres::{QueryError, TenantTx, actors};
use crate::problem::{Kind, Problem};

/// An ID token, as it was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// What of the connection was believed: another UUID, once it believes another issuer.
    pub trust: Uuid,
    /// `iat` of the ID token, in Unix seconds.
    pub issued_at: u64,
    /// Who the person was before pseudonyms: a revocation of those days names them so.
    pub former: ActorId,
}

impl Proof {
    /// Whether the connection still believes the token's issuer, and nobody has ended what the
    /// actor, or everybody, had when the token was made: up to 30 s later, as the issuer's clock
    /// may be ahead. Until the transaction ends neither changes.
    ///
    /// # Errors
    /// [`QueryError`].
    pub(super) async fn stands(
        &self,
        tx: &mut TenantTx,
        actor: &Actor,
    ) -> Result<bool, QueryError> {
        const STANDS: &str = "select p.name from app.identity_providers p \
             where p.trust = $1 and p.deleted_at is null \
             and not exists (select from app.token_revocations r where r.kind = 'actor' \
               and r.subject = any ($2) and $3 <= r.revoked_at + 30) \
             and not exists (select from app.token_epochs e where $3 <= e.grown_at + 30) \
             for share of p";
        beside_credentials(tx).await?;
        let issued_at = i64::try_from(self.issued_at).unwrap_or(i64::MAX);
        let mut names = actors(actor);
        names.push(self.former.to_string());
        let found = tx.query(STANDS, &[&self.trust, &names, &issued_at]).await?;
        Ok(!found.is_empty())
    }

    /// What is answered when it does not: the same as to any other token that is refused.
    pub(super) fn refused(&self, tenant: &TenantId) -> Problem {
        tracing::info!(%tenant, reason = "proof_over", "login refused");
        Problem::new(Kind::CredentialRefused, "the credential is not accepted")
    }
}
