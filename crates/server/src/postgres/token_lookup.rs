//! What the authenticator asks of tokens: whether one was revoked, and a refresh token's family.

use std::collections::HashMap;

use strongroom_tenancy::{Actor, ActorId, TenantId};
use strongroom_tenant_token::refresh::{Family, FamilyId, Grant, RevokedBecause};
use strongroom_tenant_token::{Authentication, Claims};
use tokio_postgres::Row;
use zeroize::Zeroizing;

use super::auth_lookup::{AuthLookup, ask};
use super::pool::Pool;
use super::row::{column, integer};
use super::transaction::QueryError;

const IS_REVOKED: &str = "select app.token_is_revoked($1, $2, $3, $4, $5, $6)";

const FAMILIES: &str = "select tenant_id, version, actors, capabilities, session_id, client_id, \
     auth_time, auth_class, auth_methods, lineage, generation, newest, parent, successor, \
     begun_at, rotated_at, revoked_at, revoked_reason, epoch, now, id \
     from app.find_refresh_families($1)";

/// A family as it is stored.
pub struct StoredFamily {
    /// The family; revoked, too, when its epoch is over.
    pub family: Family,
    /// Its tenant's epoch at the login.
    pub epoch: u64,
    /// The database's time, in Unix seconds.
    pub now: u64,
}

impl AuthLookup {
    /// Whether a token was revoked, itself or with its session, an actor of its chain or its
    /// tenant's epoch.
    ///
    /// # Errors
    /// [`QueryError`] when the database does not answer.
    pub async fn token_is_revoked(&self, claims: &Claims) -> Result<bool, QueryError> {
        let rows = self
            .ask(
                IS_REVOKED,
                &[
                    claims.tenant.as_uuid(),
                    &claims.token_id.to_string(),
                    &claims.session_id.to_string(),
                    &actors(&claims.actor),
                    &integer(claims.issued_at),
                    &integer(claims.epoch),
                ],
            )
            .await?;
        let row = rows.first();
        column(
            row.ok_or_else(|| QueryError::Row("no answer".to_owned()))?,
            0,
        )
    }

    /// The family of this id, if there is one; asked with others that are looked for at this time.
    ///
    /// # Errors
    /// [`QueryError`] when the database does not answer, or a column is malformed.
    pub async fn refresh_family(&self, id: &FamilyId) -> Result<Option<StoredFamily>, QueryError> {
        let found = self.families.ask(*id).await;
        found.unwrap_or(Err(QueryError::Busy))
    }
}

/// The family of each id.
pub(super) async fn find_families(
    pool: Pool,
    ids: Vec<FamilyId>,
) -> Vec<Result<Option<StoredFamily>, QueryError>> {
    let mut texts: Vec<&str> = ids.iter().map(FamilyId::as_str).collect();
    texts.sort_unstable();
    texts.dedup();
    let rows = match ask(&pool, FAMILIES, &[&texts]).await {
        Ok(rows) => rows,
        Err(error) => return ids.iter().map(|_| Err(error.clone())).collect(),
    };
    let mut found: HashMap<&str, &Row> = HashMap::with_capacity(rows.len());
    for row in &rows {
        if let Ok(id) = row.try_get(20) {
            found.insert(id, row);
        }
    }
    ids.iter()
        .map(|id| {
            let row = found.get(id.as_str());
            row.map(|row| stored_family(*id, row)).transpose()
        })
        .collect()
}

/// An actor's chain as it is stored: who acts, then for whom, nearest first.
#[must_use]
pub(crate) fn actors(actor: &Actor) -> Vec<String> {
    let chain = std::iter::once(actor.id()).chain(actor.on_behalf_of());
    chain.map(ToString::to_string).collect()
}

/// The actor of a stored chain.
///
/// # Errors
/// [`QueryError::Row`] when it is malformed.
pub(crate) fn actor(chain: &[String]) -> Result<Actor, QueryError> {
    let ids: Result<Vec<ActorId>, _> = chain.iter().map(|id| id.parse()).collect();
    let ids = ids.map_err(|_| shape("actors"))?;
    let (id, on_behalf_of) = ids.split_first().ok_or_else(|| shape("actors"))?;
    Actor::delegated(*id, on_behalf_of.to_vec()).map_err(|_| shape("actors"))
}

fn stored_family(id: FamilyId, row: &Row) -> Result<StoredFamily, QueryError> {
    let number = |index: usize| -> Result<u64, QueryError> {
        u64::try_from(column::<i64>(row, index)?).map_err(|_| shape("a number"))
    };
    let hash = |bytes: Vec<u8>| <[u8; 32]>::try_from(bytes).map_err(|_| shape("a hash"));
    let lineage = Zeroizing::new(column::<Vec<u8>>(row, 9)?);
    let parent: Option<Vec<u8>> = column(row, 12)?;
    let successor: Option<Vec<u8>> = column(row, 13)?;
    let revoked_at: Option<i64> = column(row, 16)?;
    let reason: Option<String> = column(row, 17)?;
    let because = match reason.as_deref() {
        Some("reuse") => RevokedBecause::Reuse,
        _ => RevokedBecause::Request,
    };
    let family = Family {
        id,
        version: number(1)?,
        grant: Grant {
            tenant: TenantId::from_uuid(column(row, 0)?).map_err(|_| shape("tenant_id"))?,
            actor: actor(&column::<Vec<String>>(row, 2)?)?,
            capabilities: column::<String>(row, 3)?
                .parse()
                .map_err(|_| shape("capabilities"))?,
            session_id: column(row, 4)?,
            client_id: column(row, 5)?,
            authentication: Authentication {
                time: number(6)?,
                class: column(row, 7)?,
                methods: column(row, 8)?,
            },
        },
        lineage: Zeroizing::new(
            <[u8; 32]>::try_from(lineage.as_slice()).map_err(|_| shape("lineage"))?,
        ),
        generation: number(10)?,
        current: hash(column(row, 11)?)?,
        parent: parent.map(hash).transpose()?,
        successor: successor
            .map(|sealed| sealed.try_into().map_err(|_| shape("successor")))
            .transpose()?,
        begun_at: number(14)?,
        rotated_at: number(15)?,
        revoked: revoked_at.map(|at| (u64::try_from(at).unwrap_or(0), because)),
    };
    Ok(StoredFamily {
        family,
        epoch: number(18)?,
        now: number(19)?,
    })
}

fn shape(what: &'static str) -> QueryError {
    QueryError::Row(format!("{what}: malformed"))
}
