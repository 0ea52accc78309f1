//! Acceptance: an access token is taken at one instant at which nothing of it was revoked.

use std::sync::Arc;

use strongroom_apikey::{KeyError, KeyId, Visit};
use strongroom_tenancy::TenantId;
use strongroom_tenant_token::{Claims, LEEWAY, Rejection, Standing, VerifiedToken};

use crate::app::App;
use crate::generations::{Generation, LeaseLapsed};
use crate::token_keys::TokenKeysUnavailable;

/// How often a token is asked about again because something of its tenant, or of the platform, was
/// revoked meanwhile.
const TRIES: usize = 4;

/// Why a token is not accepted.
#[derive(Debug)]
pub enum Refusal {
    /// It is not genuine, not in its time, not for here, or was revoked.
    Token(Rejection),
    /// The API key that it was exchanged for is no longer accepted.
    Key {
        /// What the token says.
        claims: Box<Claims>,
        /// The key.
        key: KeyId,
        /// Why.
        reason: KeyError,
    },
    /// That cannot be found out now.
    Unavailable,
}

impl From<TokenKeysUnavailable> for Refusal {
    fn from(_: TokenKeysUnavailable) -> Self {
        Self::Unavailable
    }
}

impl From<LeaseLapsed> for Refusal {
    fn from(_: LeaseLapsed) -> Self {
        Self::Unavailable
    }
}

/// Accepts an access token, or says why not.
///
/// What is kept of its standing counts in the tenant's generation that it was asked in, and the key
/// that signed in the platform's. The last things read are these generations, under a lease: all
/// that was asked before still holds then, so that instant is the acceptance, and it comes after
/// all look-ups.
///
/// # Errors
/// [`Refusal`].
pub async fn accept(app: &App, token: &str, visit: &Visit) -> Result<Arc<VerifiedToken>, Refusal> {
    let (platform, tokens) = (TenantId::PLATFORM, &app.tokens);
    for _ in 0..TRIES {
        let keys = app.generations.confirm().await?.generation(platform);
        let authentic = app
            .token_keys
            .check(|verifier| tokens.authenticate(verifier, token, app.clock.unix_seconds()));
        let authentic = authentic.await?.map_err(Refusal::Token)?;
        let claims = authentic.claims();
        let tenant = claims.tenant;
        let before = app.generations.confirm().await?.generation(tenant);
        let visit = Visit {
            now: app.clock.unix_seconds(),
            ..*visit
        };
        vouch(app, claims, &visit).await?;
        let standing = standing(app, claims, authentic.good_as_of(), before).await;
        // The look-ups took their time: a token whose own is over by now is looked at once more.
        if app.clock.unix_seconds() >= claims.expires_at.saturating_add(LEEWAY) {
            continue;
        }
        // The lease may have lapsed meanwhile, which says nothing of the token.
        let Ok(lease) = app.generations.lease() else {
            continue;
        };
        let is_same = lease.generation(tenant) == before;
        if is_same && lease.generation(platform) == keys {
            let admitted = app.tokens.admit(authentic, standing, before.number());
            return admitted.map_err(Refusal::Token);
        }
    }
    Err(Refusal::Unavailable)
}

/// A token ends with the API key that it was exchanged for; one that a login gave has none.
async fn vouch(app: &App, claims: &Claims, visit: &Visit) -> Result<(), Refusal> {
    let Ok(key) = claims.client_id.parse::<KeyId>() else {
        return Ok(());
    };
    let vouched = app
        .key_gate
        .vouch_for(&key, &claims.tenant, visit, &app.lookup, &app.generations)
        .await;
    vouched.map_err(|reason| Refusal::Key {
        claims: Box::new(claims.clone()),
        key,
        reason,
    })
}

async fn standing(
    app: &App,
    claims: &Claims,
    good_as_of: Option<u64>,
    now: Generation,
) -> Standing {
    if good_as_of == Some(now.number()) {
        return Standing::Good;
    }
    match app.lookup.token_is_revoked(claims).await {
        Ok(false) => Standing::Good,
        Ok(true) => Standing::Revoked,
        Err(error) => {
            tracing::error!(%error, "whether a token was revoked was not found out");
            Standing::Unknown
        }
    }
}
