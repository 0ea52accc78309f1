//! Families of refresh tokens in PostgreSQL: each change in one transaction with its event.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use strongroom_tenancy::Actor;
use strongroom_tenant_token::refresh::{
    Family, FamilyId, GRACE, RefreshError, RefreshStore, RevokedBecause, StoreFuture,
    StoreUnavailable,
};

use super::proof::Proof;
use super::revocation::{Ended, end};
use super::standing::hold_credentials;
use crate::app::App;
use crate::audit::{AuditError, Renewal};
use crate::gates::{RequestContext, commit_recorded_by, success};
use crate::postgres::{Access, CommitError, TenantTx, actors, integer};
use crate::problem::{Kind, Problem};
use crate::routes::webhooks;
use crate::subjects::is_derived;

const INSERT: &str = "insert into app.refresh_families (tenant_id, id, version, actors, \
     capabilities, session_id, client_id, auth_time, auth_class, auth_methods, epoch, lineage, \
     generation, newest, begun_at, rotated_at, trust) \
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11, $12, $13, $14, $15, $16) \
     returning epoch";

const SWAP: &str = "update app.refresh_families set version = $3, generation = $4, newest = $5, \
     parent = $6, successor = $7, rotated_at = $8, revoked_at = $9, revoked_reason = $10 \
     where id = $1 and version = $2 returning id";

/// The families, as one request finds and changes them.
pub struct Families<'a> {
    app: &'a App,
    request: &'a RequestContext,
    proof: Option<Proof>,
    seen: Mutex<Seen>,
}

/// What the request found.
#[derive(Default)]
struct Seen {
    /// The family's epoch.
    epoch: u64,
    /// Whose family it is.
    owner: Option<(strongroom_tenancy::TenantId, Actor)>,
    /// Its generation.
    generation: u64,
    /// The database's time of the reading.
    now: Option<u64>,
    /// What became of a change that is not known, or not acknowledged, or was not let happen.
    problem: Option<Problem>,
}

impl<'a> Families<'a> {
    /// The families, for a request.
    #[must_use]
    pub fn new(app: &'a App, request: &'a RequestContext) -> Self {
        Self {
            app,
            request,
            proof: None,
            seen: Mutex::default(),
        }
    }

    /// A family begins by this proof, or not at all.
    #[must_use]
    pub fn proved_by(self, proof: Option<Proof>) -> Self {
        Self { proof, ..self }
    }

    /// The epoch of the family that was begun or read last.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.seen().epoch
    }

    /// What a client is told: one thing for all that is wrong with its token.
    #[must_use]
    pub fn problem(&self, error: &RefreshError) -> Problem {
        if *error == RefreshError::Unavailable {
            if let Some(problem) = self.seen().problem.clone() {
                return problem;
            }
            let problem = Problem::new(Kind::Unavailable, "the token was not renewed");
            return problem.with_retry_after(1);
        }
        tracing::info!(reason = error.code(), "refresh token refused");
        // The family gave the token out, so whose it is is known and its log can say so.
        let owner = self.seen().owner.clone();
        if let Some((tenant, actor)) = owner.filter(|_| Self::is_genuine(error)) {
            self.request.identify(tenant, Some(actor));
        }
        Problem::new(Kind::GrantRefused, "the refresh token is not accepted")
    }

    /// Whether the token that was shown is one that a family gave out.
    #[must_use]
    pub fn is_genuine(error: &RefreshError) -> bool {
        matches!(
            error,
            RefreshError::WrongClient
                | RefreshError::Expired
                | RefreshError::Revoked
                | RefreshError::ReuseDetected(_)
        )
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn begin(&self, family: &Family) -> Result<TenantTx, StoreUnavailable> {
        let grant = &family.grant;
        let begun = self
            .app
            .gateway
            .begin(
                grant.tenant,
                *grant.actor.id(),
                &self.request.id,
                Access::Write,
            )
            .await;
        begun.map_err(|error| unavailable(&error))
    }

    async fn commit(
        &self,
        tx: TenantTx,
        family: &Family,
        kind: &'static str,
    ) -> Result<(), StoreUnavailable> {
        let grant = &family.grant;
        self.identify(family);
        let resource = Some(format!("session/{}", grant.session_id));
        let actor = grant.actor.clone();
        let committed = commit_recorded_by(self.app, self.request, actor, tx, kind, resource).await;
        committed
            .map(drop)
            .map_err(|problem| self.is_refused(problem))
    }
}

impl RefreshStore for Families<'_> {
    fn insert<'b>(&'b self, family: &'b Family) -> StoreFuture<'b, ()> {
        Box::pin(async move {
            let mut tx = self.begin(family).await?;
            let grant = &family.grant;
            let authentication = &grant.authentication;
            if let Some(proof) = &self.proof {
                let stands = proof.stands(&mut tx, &grant.actor).await;
                if !stands.map_err(|error| unavailable(&error))? {
                    tx.rollback().await;
                    self.seen().problem = Some(proof.refused(&grant.tenant));
                    return Err(StoreUnavailable);
                }
            }
            let rows = tx
                .query(
                    INSERT,
                    &[
                        grant.tenant.as_uuid(),
                        &family.id.as_str(),
                        &integer(family.version),
                        &actors(&grant.actor),
                        &grant.capabilities.to_string(),
                        &grant.session_id,
                        &grant.client_id,
                        &integer(authentication.time),
                        &authentication.class,
                        &authentication.methods,
                        &family.lineage.as_slice(),
                        &integer(family.generation),
                        &family.current.as_slice(),
                        &integer(family.begun_at),
                        &integer(family.rotated_at),
                        &self.proof.map(|proof| proof.trust),
                    ],
                )
                .await
                .map_err(|error| unavailable(&error))?;
            // The database says which: the tenant's as it is now.
            let epoch = rows.first().map(|row| row.try_get::<_, i64>(0));
            let epoch = epoch.transpose().map_err(|error| unavailable(&error))?;
            self.seen().epoch = epoch
                .and_then(|epoch| u64::try_from(epoch).ok())
                .unwrap_or(0);
            self.commit(tx, family, "login").await
        })
    }

    fn read<'b>(&'b self, id: &'b FamilyId) -> StoreFuture<'b, Option<Family>> {
        Box::pin(async move {
            let found = self.app.lookup.refresh_family(id).await;
            let found = found.map_err(|error| unavailable(&error))?;
            let Some(found) = found.filter(|found| !is_of_derived(&found.family)) else {
                return Ok(None);
            };
            let mut seen = self.seen();
            let grant = &found.family.grant;
            seen.epoch = found.epoch;
            seen.owner = Some((grant.tenant, grant.actor.clone()));
            seen.generation = found.family.generation;
            seen.now = Some(found.now);
            Ok(Some(found.family))
        })
    }

    fn clock(&self) -> Option<u64> {
        self.seen().now
    }

    fn swap<'b>(&'b self, expected: u64, next: &'b Family) -> StoreFuture<'b, bool> {
        Box::pin(async move {
            self.check_rate(next)?;
            let is_rotation = next.generation > self.seen().generation;
            if let Some(renewal) = Renewal::of(expected, next).filter(|_| is_rotation)
                && self.renew(renewal, next).await?
            {
                return Ok(true);
            }
            let mut tx = self.begin(next).await?;
            let (revoked_at, reason) = match next.revoked {
                None => (None, None),
                Some((at, RevokedBecause::Reuse)) => (Some(integer(at)), Some("reuse")),
                Some((at, _)) => (Some(integer(at)), Some("request")),
            };
            if revoked_at.is_some() {
                // In the one order of locks: with the family its session ends.
                let held = hold_credentials(&mut tx).await;
                held.map_err(|error| unavailable(&error))?;
            }
            let swapped = tx
                .query(
                    SWAP,
                    &[
                        &next.id.as_str(),
                        &integer(expected),
                        &integer(next.version),
                        &integer(next.generation),
                        &next.current.as_slice(),
                        &next.parent.as_ref().map(<[u8; 32]>::as_slice),
                        &next.successor.as_ref().map(<[u8; 60]>::as_slice),
                        &integer(next.rotated_at),
                        &revoked_at,
                        &reason,
                    ],
                )
                .await
                .map_err(|error| unavailable(&error))?;
            if swapped.is_empty() {
                tx.rollback().await;
                return Ok(false);
            }
            let kind = match (next.revoked, is_rotation) {
                (Some((_, RevokedBecause::Reuse)), _) => "token.reuse",
                (Some(_), _) => "token.revoke",
                (None, true) => "token.refresh",
                (None, false) => "token.refresh_repeat",
            };
            if let Some(at) = revoked_at {
                self.end_session(&mut tx, next, at).await?;
            }
            self.commit(tx, next, kind).await?;
            Ok(true)
        })
    }
}

impl Families<'_> {
    /// The plain case, with whatever else is written at this time. When it does not hold, the
    /// change is to be made by itself, which then says whether somebody else was first.
    async fn renew(&self, renewal: Renewal, next: &Family) -> Result<bool, StoreUnavailable> {
        self.identify(next);
        let resource = Some(format!("session/{}", next.grant.session_id));
        let actor = next.grant.actor.clone();
        let event = success(self.app, self.request, actor, "token.refresh", resource);
        let (event, leaf) = event.map_err(|problem| self.is_refused(problem))?;
        let begun = Instant::now();
        match self.app.sequencer.renew(renewal, event, leaf).await {
            Ok(Some(receipt)) => {
                self.request.acknowledge(&receipt);
                Ok(true)
            }
            // Asked again beyond the grace, what held unseen would pass for a reuse.
            Ok(None) if begun.elapsed() < Duration::from_secs(GRACE / 2) => Ok(false),
            Ok(None) => Err(self.is_refused(CommitError::Unknown.into())),
            Err(error @ (AuditError::Busy | AuditError::ZoneMissing | AuditError::SetBack)) => {
                Err(self.is_refused(error.into()))
            }
            Err(AuditError::Unavailable) => {
                // The event may be on its way, with the renewal.
                self.request.conclude();
                Err(self.is_refused(CommitError::Unknown.into()))
            }
        }
    }

    fn identify(&self, family: &Family) {
        let grant = &family.grant;
        self.request
            .identify(grant.tenant, Some(grant.actor.clone()));
        self.request.is_of_session(grant.session_id);
    }

    fn is_refused(&self, problem: Problem) -> StoreUnavailable {
        self.seen().problem = Some(problem);
        StoreUnavailable
    }

    /// Who holds a token changes its family no more often than a caller may call.
    fn check_rate(&self, family: &Family) -> Result<(), StoreUnavailable> {
        let (tenant, actor) = (family.grant.tenant, &family.grant.actor);
        let checked = self
            .app
            .limits
            .check_caller(tenant, *actor.id(), "token.refresh");
        checked.map_err(|problem| {
            self.request.identify(tenant, Some(actor.clone()));
            self.seen().problem = Some(problem);
            StoreUnavailable
        })
    }

    /// With a family its session's access tokens end, and the tenant is told.
    async fn end_session(
        &self,
        tx: &mut TenantTx,
        family: &Family,
        at: i64,
    ) -> Result<(), StoreUnavailable> {
        let session = family.grant.session_id;
        let is_reuse = matches!(family.revoked, Some((_, RevokedBecause::Reuse)));
        let data = json!({
            "session_id": session.to_string(),
            "actor": family.grant.actor.id(),
            "reason": if is_reuse { "reuse" } else { "request" },
        });
        let told = webhooks::enqueue(self.app, tx, "session.revoked", data).await;
        told.map_err(|_| StoreUnavailable)?;
        let ended = end(tx, &Ended::Session(session), at).await;
        ended.map_err(|error| unavailable(&error))
    }
}

/// Whether a login is of the days before pseudonyms: it is not renewed, so that no new entry says
/// whose it is to whoever can compute that.
fn is_of_derived(family: &Family) -> bool {
    let actor = &family.grant.actor;
    let mut chain = std::iter::once(actor.id()).chain(actor.on_behalf_of());
    chain.any(is_derived)
}

fn unavailable(error: &dyn std::fmt::Display) -> StoreUnavailable {
    tracing::error!(%error, "a family of refresh tokens was not read or changed");
    StoreUnavailable
}
