//! How long a tenant's payloads are kept, by its own choice.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use strongroom_auditchain::Retention;
use strongroom_tenancy::{ActorId, ActorKind};
use uuid::Uuid;

use super::{column, internal, seconds};
use crate::app::App;
use crate::body::Json;
use crate::gates::{Caller, RequestHandle, TenantContext, commit_recorded};
use crate::postgres::Access;
use crate::problem::{Kind, Problem};

/// Most agents that a tenant marks.
const MOST_MARKED: usize = 1_000;

/// A choice to be put in force, whole: what it leaves out is as if it had never been chosen.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewRetention {
    /// How many days agents' payloads are kept, 30 to 365; 90 when absent.
    agent_days: Option<u16>,
    /// Agents that are marked high-risk, as `agent:` and a UUID: 184 days at least.
    #[serde(default)]
    high_risk_agents: Vec<String>,
}

/// What is in force.
///
/// # Errors
/// A problem.
pub async fn read(tenant: TenantContext) -> Result<Response, Problem> {
    const READ: &str = "select agent_days, high_risk, changed_at from app.retention";
    let mut tx = tenant.begin(Access::Read).await?;
    let rows = tx.query(READ, &[]).await?;
    tx.rollback().await;
    let body = match rows.first() {
        None => shown(Retention::DEFAULT_DAYS.into(), &[], None)?,
        Some(row) => shown(
            column(row, 0)?,
            &column::<Vec<Uuid>>(row, 1)?,
            Some(column(row, 2)?),
        )?,
    };
    Ok(axum::Json(body).into_response())
}

/// Puts a choice in force. What it makes due goes at the next daily look.
///
/// # Errors
/// `invalid-field` for a number of days outside the bounds, or a name that is no agent's.
pub async fn store(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
    tenant: TenantContext,
    Json(asked): Json<NewRetention>,
) -> Result<Response, Problem> {
    const UPSERT: &str = "insert into app.retention (tenant_id, agent_days, high_risk, changed_at) \
         values ($1, $2, $3, $4) on conflict (tenant_id) do update \
         set agent_days = excluded.agent_days, high_risk = excluded.high_risk, \
         changed_at = excluded.changed_at";
    // What the vault keeps goes sooner with a shorter time, and never later than was said when it came.
    const SHORTEN: &str = "update app.pii_values set ends_at = kept_at + 86400 * $1::bigint \
         where ends_at > kept_at + 86400 * $1::bigint";
    let days = asked.agent_days.unwrap_or(Retention::DEFAULT_DAYS);
    Retention::new(days).map_err(|error| {
        Problem::new(Kind::InvalidField, error.to_string()).with_param("agent_days")
    })?;
    let marked = agents(&asked.high_risk_agents)?;
    let (days, at) = (i32::from(days), seconds(app.clock.unix_seconds()));
    let mut tx = tenant.begin(Access::Write).await?;
    tx.query(UPSERT, &[tenant.tenant().as_uuid(), &days, &marked, &at])
        .await?;
    tx.query(SHORTEN, &[&i64::from(days)]).await?;
    let resource = Some(format!("retention/{days}/high-risk/{}", marked.len()));
    commit_recorded(&app, &request, &caller, tx, "retention.store", resource).await?;
    Ok(axum::Json(shown(days, &marked, Some(at))?).into_response())
}

fn agents(named: &[String]) -> Result<Vec<Uuid>, Problem> {
    let refused = |detail| Problem::new(Kind::InvalidField, detail).with_param("high_risk_agents");
    if named.len() > MOST_MARKED {
        return Err(refused("expected at most 1000 agents"));
    }
    let mut marked = BTreeSet::new();
    for name in named {
        let id: Option<ActorId> = name.parse().ok();
        let agent = id.filter(|id| id.kind() == ActorKind::Agent);
        let agent = agent.ok_or_else(|| refused("expected agents, as agent:<uuid>"))?;
        marked.insert(*agent.id());
    }
    Ok(marked.into_iter().collect())
}

fn shown(days: i32, marked: &[Uuid], changed_at: Option<i64>) -> Result<Value, Problem> {
    let agents = marked.iter().map(|id| ActorId::new(ActorKind::Agent, *id));
    let agents: Result<Vec<ActorId>, _> = agents.collect();
    Ok(json!({
        "agent_days": days,
        "high_risk_agents": agents.map_err(internal)?,
        "high_risk_days": days.max(Retention::HIGH_RISK_DAYS.into()),
        "compliance_days": Retention::COMPLIANCE_DAYS,
        "changed_at": changed_at,
    }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn only_agents_are_marked_and_each_once() {
        let agent = "agent:0190b2a4-8c7e-7d3a-9f00-0242ac120002".to_owned();
        assert_eq!(agents(&[agent.clone(), agent.clone()]).unwrap().len(), 1);
        for bad in [
            "",
            "agent:",
            "0190b2a4-8c7e-7d3a-9f00-0242ac120002",
            "user:0190b2a4-8c7e-7d3a-9f00-0242ac120002",
            "agent:0190B2A4-8C7E-7D3A-9F00-0242AC120002",
            "agent:00000000-0000-0000-0000-000000000000",
        ] {
            let problem = agents(&[agent.clone(), bad.to_owned()]).unwrap_err();
            assert_eq!(problem.param(), Some("high_risk_agents"), "{bad}");
        }
        assert!(agents(&vec![agent; MOST_MARKED + 1]).is_err());
    }
}
