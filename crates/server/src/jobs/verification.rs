//! Verification: once a day each log is read from its first entry to its last, and whoever finds one
//! that is not what was signed says so at once.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use strongroom_auditchain::{Ed25519Signer, Outcome};
use strongroom_tenancy::{Actor, ActorError, ActorId, ActorKind, TenantId};
use tokio_util::sync::CancellationToken;

use super::Holdup;
use crate::audit::{
    AuditError, Draft, EventError, Sequencer, TenantReport, new_event_id, verify_tenant,
};
use crate::clock::Clock;
use crate::postgres::{CommitError, Gateway, Job, QueryError, column, integer};

/// How often it is looked whether a log is due.
const POLL: Duration = Duration::from_secs(10);

/// How long a log that a node has taken is left to it, in seconds. A pass that takes longer is begun
/// by another too: it only reads.
const TAKEN_SECONDS: u64 = 60 * 60;

/// How long a log that could not be read is left alone, in seconds.
const HELD_SECONDS: u64 = 5 * 60;

/// The kind of what the platform's log says of a log that is not intact.
pub const NOT_INTACT: &str = "audit.not_intact";

/// When logs are due for the first time that began since the last look.
const FIRST: &str = "update app.verification_runs set due_at = $1 where due_at is null";

const TAKE: &str = "update app.verification_runs set due_at = $2 where tenant_id = ( \
       select tenant_id from app.verification_runs where due_at <= $1 \
       order by due_at limit 1 for no key update skip locked) \
     returning tenant_id";

const FOUND: &str = "update app.verification_runs set due_at = $2, finished_at = $3, entries = $4, \
       findings = $5, first_found = $6 where tenant_id = $1";

const HOLD: &str = "update app.verification_runs set due_at = $2 where tenant_id = $1";

/// Verifies every log by schedule.
pub struct Verifier {
    /// Keeps when each is due.
    pub job: Job,
    /// Reads the logs, each through its tenant's claim.
    pub gateway: Gateway,
    /// The key that logs' checkpoints are signed under.
    pub signer: Arc<Ed25519Signer>,
    /// Takes what the platform's log says of one that is not intact.
    pub sequencer: Sequencer,
    /// Says what is due.
    pub clock: Arc<dyn Clock>,
    /// How often each log is read.
    pub every_seconds: u64,
    /// How often one was found not to be intact.
    pub not_intact: Counter,
}

/// Why a log was not verified. It is due again in minutes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifierError {
    /// The database did not answer.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// What was found was not stored.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The platform's log took no entry.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// An event could not be written.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The platform is no actor.
    #[error(transparent)]
    Actor(#[from] ActorError),
}

impl Verifier {
    /// Verifies every log that is due now. Answers how many of them are not intact.
    ///
    /// # Errors
    /// [`VerifierError`] when nothing can be taken up; a log that cannot be read does not keep the
    /// others.
    pub async fn look(&self, stop: &CancellationToken) -> Result<u64, VerifierError> {
        let first = self.clock.unix_seconds().saturating_add(self.every_seconds);
        let mut tx = self.job.begin().await?;
        tx.query(FIRST, &[&integer(first)]).await?;
        tx.commit().await?;
        let mut broken = 0;
        while !stop.is_cancelled() {
            let Some(tenant) = self.take().await? else {
                break;
            };
            match self.verify(tenant).await {
                Ok(is_intact) => broken += u64::from(!is_intact),
                Err(error) => {
                    tracing::error!(%error, %tenant, "an audit log was not verified");
                    let mut tx = self.job.begin().await?;
                    let again = integer(self.clock.unix_seconds().saturating_add(HELD_SECONDS));
                    tx.query(HOLD, &[tenant.as_uuid(), &again]).await?;
                    tx.commit().await?;
                }
            }
        }
        Ok(broken)
    }

    async fn take(&self) -> Result<Option<TenantId>, VerifierError> {
        let now = self.clock.unix_seconds();
        let until = integer(now.saturating_add(TAKEN_SECONDS));
        let mut tx = self.job.begin().await?;
        let rows = tx.query(TAKE, &[&integer(now), &until]).await?;
        let tenant = match rows.first() {
            None => None,
            Some(row) => {
                let tenant = TenantId::from_uuid(column(row, 0)?);
                Some(tenant.map_err(|error| QueryError::Row(error.to_string()))?)
            }
        };
        tx.commit().await?;
        Ok(tenant)
    }

    /// Whether a tenant's log is what was signed of it.
    async fn verify(&self, tenant: TenantId) -> Result<bool, VerifierError> {
        let platform = ActorId::new(ActorKind::Platform, *TenantId::PLATFORM.as_uuid())?;
        let request = super::request_id(self.clock.as_ref())?;
        let (gateway, signer) = (&self.gateway, self.signer.as_ref());
        let checked = verify_tenant(gateway, signer, tenant, platform, &request).await?;
        let findings = findings(&checked);
        let first = first(&checked);
        if let Some(finding) = &first {
            let origin = checked.report.origin.as_str();
            tracing::error!(
                alarm = NOT_INTACT,
                origin,
                findings,
                first = finding,
                "audit log not intact"
            );
            self.not_intact.inc();
            self.say(Actor::new(platform), request, origin).await?;
        }
        let now = self.clock.unix_seconds();
        let mut tx = self.job.begin().await?;
        tx.query(
            FOUND,
            &[
                tenant.as_uuid(),
                &integer(now.saturating_add(self.every_seconds)),
                &integer(now),
                &integer(checked.report.entries),
                &integer(findings),
                &first,
            ],
        )
        .await?;
        tx.commit().await?;
        Ok(first.is_none())
    }

    /// The platform's log has it too: whoever changed one log has not changed what that one says.
    async fn say(
        &self,
        platform: Actor,
        request: strongroom_tenancy::RequestId,
        origin: &str,
    ) -> Result<(), VerifierError> {
        let id = new_event_id(self.clock.as_ref())?;
        let draft = Draft {
            kind: NOT_INTACT,
            actor: Some(platform),
            request,
            resource: Some(origin.to_owned()),
            credential: None,
            policy: None,
            outcome: Outcome::Success,
        };
        let leaf = draft.leaf(id, self.clock.unix_micros(), Vec::new())?;
        self.sequencer
            .append(TenantId::PLATFORM, id, leaf, None)
            .await?;
        Ok(())
    }

    /// Looks until told to stop.
    pub(super) async fn run(self, holdup: Holdup, stop: CancellationToken) {
        while holdup.is_over(&stop).await {
            if let Err(error) = self.look(&stop).await {
                tracing::error!(%error, "audit logs were not verified");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }
}

fn findings(checked: &TenantReport) -> u64 {
    let listed = checked.report.findings.len() as u64;
    listed
        .saturating_add(checked.report.omitted)
        .saturating_add(checked.payloads.missing)
}

/// The first finding in words; none of a log that is intact.
fn first(checked: &TenantReport) -> Option<String> {
    let missing = || {
        let index = checked.payloads.missing_at.first()?;
        Some(format!("entry {index}: its payload is missing"))
    };
    let first = checked.report.findings.first();
    first.map(ToString::to_string).or_else(missing)
}
