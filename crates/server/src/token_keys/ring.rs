//! The stored ring: read whole, written by who names the version that was read.

use strongroom_tenancy::TenantId;
use strongroom_tenant_token::{JwkSet, KeyEntry, KeyRing, KeyState, PublicKey, RotationPolicy};
use tokio_postgres::Row;

use super::change::ChangeError;
use super::malformed;
use crate::keystore::Sealed;
use crate::postgres::{JobTx, QueryError, column};

/// The oldest first: of keys that are gone, these are forgotten first.
const READ: &str = "select r.version, r.generation, r.replace_early, k.kid, k.jwk, k.state, k.since \
     from app.token_key_rings r left join app.token_keys k using (tenant_id) \
     where r.tenant_id = $1 order by k.since, k.kid";

const SWAP: &str = "update app.token_key_rings set version = version + 1, generation = $3, \
     replace_early = $4 where tenant_id = $1 and version = $2 returning version";

const MOVE: &str = "update app.token_keys set state = $3, since = $4 \
     where tenant_id = $1 and kid = $2";

const ADD: &str = "insert into app.token_keys (tenant_id, kid, jwk, state, since) \
     values ($1, $2, $3, $4, $5)";

const FORGET: &str = "delete from app.token_keys where tenant_id = $1 and kid = $2";

const STORE_HALF: &str = "insert into app.platform_keys \
     (tenant_id, purpose, kid, sealed, created_at, kek, kek_version) \
     values ($1, 'token', $2, $3, $4, $5, $6)";

/// Every private half but those of keys that sign or will, the one of former days included.
const DROP_HALVES: &str = "delete from app.platform_keys \
     where tenant_id = $1 and purpose = 'token' and kid <> all ($2)";

/// What the database holds of the ring.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stored {
    pub(super) ring: KeyRing,
    /// The next key is to sign before the active one's time is over.
    pub(super) replace_early: bool,
    version: i64,
}

/// A key's state, as the row and the API have it.
pub(crate) const fn state_name(state: KeyState) -> &'static str {
    match state {
        KeyState::Next => "next",
        KeyState::Active => "active",
        KeyState::Retiring => "retiring",
        KeyState::Gone => "gone",
    }
}

pub(super) async fn read(tx: &mut JobTx, policy: RotationPolicy) -> Result<Stored, ChangeError> {
    let rows = tx.query(READ, &[TenantId::PLATFORM.as_uuid()]).await?;
    let first = rows.first().ok_or_else(|| malformed("ring"))?;
    let version = column(first, 0)?;
    let generation = u64::try_from(column::<i64>(first, 1)?);
    let replace_early = column(first, 2)?;
    let mut entries = Vec::with_capacity(rows.len());
    for row in &rows {
        entries.extend(entry(row)?);
    }
    let generation = generation.map_err(|_| malformed("generation"))?;
    Ok(Stored {
        ring: KeyRing::restore(policy, entries, generation)?,
        replace_early,
        version,
    })
}

/// One key; none in the row of a ring without keys.
fn entry(row: &Row) -> Result<Option<KeyEntry>, QueryError> {
    let Some(kid) = column::<Option<String>>(row, 3)? else {
        return Ok(None);
    };
    let state: String = column(row, 5)?;
    let states = [
        KeyState::Next,
        KeyState::Active,
        KeyState::Retiring,
        KeyState::Gone,
    ];
    let state = states.into_iter().find(|known| state_name(*known) == state);
    Ok(Some(KeyEntry {
        key: public_key(&kid, &column::<String>(row, 4)?)?,
        state: state.ok_or_else(|| malformed("state"))?,
        since: u64::try_from(column::<i64>(row, 6)?).map_err(|_| malformed("since"))?,
    }))
}

fn public_key(kid: &str, jwk: &str) -> Result<PublicKey, QueryError> {
    let set = JwkSet::parse(&format!(r#"{{"keys":[{jwk}]}}"#)).map_err(|_| malformed("jwk"))?;
    let key = set.find(kid).cloned();
    key.ok_or_else(|| malformed("kid"))
}

/// Writes what became of the ring, if it is still as it was read; whether it was. `made` is the
/// private half of a key that is new.
pub(super) async fn write(
    tx: &mut JobTx,
    before: &Stored,
    after: &Stored,
    made: Option<&Sealed>,
) -> Result<bool, ChangeError> {
    let platform = TenantId::PLATFORM;
    let tenant = platform.as_uuid();
    let generation = seconds(after.ring.generation());
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
        [tenant, &before.version, &generation, &after.replace_early];
    if tx.query(SWAP, &params).await?.is_empty() {
        return Ok(false);
    }
    let (old, new) = (before.ring.entries(), after.ring.entries());
    for entry in old {
        if find(new, entry).is_none() {
            if entry.state != KeyState::Gone {
                // By the way, so that it is gone before it is forgotten.
                let (kid, gone) = (entry.key.kid(), state_name(KeyState::Gone));
                let since = seconds(entry.since);
                tx.query(MOVE, &[tenant, &kid, &gone, &since]).await?;
            }
            tx.query(FORGET, &[tenant, &entry.key.kid()]).await?;
        }
    }
    let mut changed: Vec<_> = new.iter().filter(|e| find(old, e) != Some(*e)).collect();
    // The active key makes room before the next one is active.
    changed.sort_by_key(|entry| std::cmp::Reverse(entry.state));
    for entry in changed {
        let (kid, state) = (entry.key.kid(), state_name(entry.state));
        let since = seconds(entry.since);
        if find(old, entry).is_some() {
            tx.query(MOVE, &[tenant, &kid, &state, &since]).await?;
            continue;
        }
        let half = made.ok_or(ChangeError::Malformed("a new key without its private half"))?;
        let jwk = entry.key.to_jwk();
        tx.query(ADD, &[tenant, &kid, &jwk, &state, &since]).await?;
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 6] = [
            tenant,
            &kid,
            &half.bytes,
            &since,
            &half.kek,
            &half.kek_version,
        ];
        tx.query(STORE_HALF, &params).await?;
    }
    let signs = |entry: &&KeyEntry| matches!(entry.state, KeyState::Next | KeyState::Active);
    let signing: Vec<_> = new.iter().filter(signs).map(|e| e.key.kid()).collect();
    tx.query(DROP_HALVES, &[tenant, &signing]).await?;
    Ok(true)
}

/// What the entries say of the same key.
pub(super) fn find<'a>(entries: &'a [KeyEntry], of: &KeyEntry) -> Option<&'a KeyEntry> {
    entries.iter().find(|entry| entry.key.kid() == of.key.kid())
}

fn seconds(at: u64) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}
