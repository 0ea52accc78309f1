//! The vault: single values that a policy's reversible rules took out of texts, each sealed under its
//! tenant's key for its class, channel and token. Of the texts nothing is here.
//!
//! A call gathers what its texts give up ([`Taken`]); it is kept, and the event of it durable, before
//! any of these texts leaves. A value goes when the tenant's agents' texts of that day go.

mod linking;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use secrecy::{ExposeSecret, SecretString};
use strongroom_envelope::{ContextError, EncryptionContext, Plaintext};
use strongroom_pii::{Binding, RestorePolicy, Restorer, Token, Vault, VaultError};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::app::App;
use crate::audit::STAGE_EVENT;
use crate::gates::{Caller, RequestContext, TenantContext, success};
use crate::keystore::KeyStoreError;
use crate::postgres::{Access, QueryError, TenantTx, column, integer};
use crate::problem::{Kind, Problem};

pub(crate) use linking::{ensure_linking_key, linking_context, linking_key, linking_key_in};

/// A value goes with what the tenant's agents said on the day on which it came.
const INSERT: &str = "insert into app.pii_values \
     (tenant_id, token, class, channel, sealed, dek_id, event_id, kept_at, ends_at) \
     select $1, u.t, u.c, u.h, u.s, u.d, $7, $8::bigint, \
       $8::bigint + 86400 * coalesce((select r.agent_days from app.retention r), 90) \
     from unnest($2::text[], $3::text[], $4::text[], $5::bytea[], $6::bytea[]) as u (t, c, h, s, d)";

/// By the choice that is in force as well: a value may have come while it was made.
const READ: &str = "select class, channel, sealed, event_id, kept_at from app.pii_values v \
     where token = $1 and ends_at > $2 and kept_at + 86400 * \
       coalesce((select r.agent_days from app.retention r), 400) > $2";

/// Most values of one call's texts.
const MOST: usize = 10_000;

/// How many values are sealed before others have their turn.
const AT_ONCE: usize = 64;

/// What the texts of one call gave up, until it is kept.
#[derive(Default)]
pub struct Taken {
    values: Mutex<Vec<(Binding, SecretString)>>,
    is_full: AtomicBool,
}

impl Taken {
    /// Whether it is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.lock().is_ok_and(|values| values.is_empty())
    }

    /// Whether more was found than one call may give up.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    /// The tokens of it, with their values.
    #[must_use]
    pub fn restorer(&self, policy: RestorePolicy) -> Restorer {
        let mut restorer = Restorer::new(policy);
        if let Ok(values) = self.values.lock() {
            for (binding, value) in values.iter() {
                restorer.insert(binding.class.clone(), &binding.token, copy(value));
            }
        }
        restorer
    }
}

fn copy(value: &SecretString) -> SecretString {
    SecretString::from(value.expose_secret().to_owned())
}

impl Vault for Taken {
    fn keep(&self, binding: &Binding, value: &SecretString) -> Result<(), VaultError> {
        let mut values = self.values.lock().map_err(|_| VaultError)?;
        if values.len() >= MOST {
            self.is_full.store(true, Ordering::Relaxed);
            return Err(VaultError);
        }
        values.push((binding.clone(), copy(value)));
        Ok(())
    }

    fn open(&self, binding: &Binding) -> Result<Option<SecretString>, VaultError> {
        let values = self.values.lock().map_err(|_| VaultError)?;
        let mut found = values.iter().filter(|(known, _)| known == binding);
        Ok(found.next().map(|(_, value)| copy(value)))
    }
}

/// What binds a sealed value to its place; its tenant's key does to the tenant.
///
/// # Errors
/// Never: ids and tokens are within bounds.
pub fn context(class: &str, channel: &str, token: &str) -> Result<EncryptionContext, ContextError> {
    EncryptionContext::new([
        ("purpose", "pii-value"),
        ("class", class),
        ("channel", channel),
        ("token", token),
    ])
}

/// Values that are sealed and not stored yet, by columns.
#[derive(Default)]
pub(crate) struct Sealed {
    tokens: Vec<String>,
    classes: Vec<String>,
    channels: Vec<&'static str>,
    records: Vec<Vec<u8>>,
    data_keys: Vec<Vec<u8>>,
}

impl Sealed {
    /// Seals what was taken; it is no longer in `taken`'s hands alone.
    pub(crate) async fn of(
        app: &App,
        tenant: &TenantContext,
        taken: &Taken,
    ) -> Result<Self, Problem> {
        let values: Vec<(Binding, SecretString)> = {
            let taken = taken.values.lock().map_err(|_| unavailable())?;
            let copies = taken
                .iter()
                .map(|(binding, value)| (binding.clone(), copy(value)));
            copies.collect()
        };
        let mut sealed = Self::default();
        for (index, (binding, value)) in values.iter().enumerate() {
            if index % AT_ONCE == AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
            let (class, channel) = (binding.class.id(), binding.channel.as_str());
            let context = context(class, channel, binding.token.as_str()).map_err(|error| {
                tracing::error!(%error, "a value could not be bound");
                unavailable()
            })?;
            let owner = tenant.tenant();
            let record = app
                .keys
                .seal_detached(&owner, &context, value.expose_secret().as_bytes());
            let (dek, bytes) = record.await?;
            sealed.tokens.push(binding.token.to_string());
            sealed.classes.push(class.to_owned());
            sealed.channels.push(channel);
            sealed.records.push(bytes);
            sealed.data_keys.push(dek.as_bytes().to_vec());
        }
        Ok(sealed)
    }

    /// Stores them in a transaction whose event this is.
    pub(crate) async fn store(
        &self,
        tx: &mut TenantTx,
        event: Uuid,
        now: u64,
    ) -> Result<(), QueryError> {
        let (owner, now) = (*tx.tenant().as_uuid(), integer(now));
        let params: [&(dyn ToSql + Sync); 8] = [
            &owner,
            &self.tokens,
            &self.classes,
            &self.channels,
            &self.records,
            &self.data_keys,
            &event,
            &now,
        ];
        tx.query(INSERT, &params).await.map(drop)
    }
}

/// Keeps what was taken out of a call's texts: when this returns, the values are stored, and the event
/// that says how many is durable.
///
/// # Errors
/// A problem: the texts must then go nowhere.
pub async fn keep(
    app: &App,
    request: &RequestContext,
    caller: &Caller,
    tenant: &TenantContext,
    taken: &Taken,
) -> Result<(), Problem> {
    if taken.is_empty() {
        return Ok(());
    }
    let sealed = Sealed::of(app, tenant, taken).await?;
    let resource = Some(format!("vault/values/{}", sealed.tokens.len()));
    let actor = caller.actor().clone();
    let (event, leaf) = success(app, request, actor, "pii.keep", resource)?;
    let mut tx = tenant.begin(Access::Write).await?;
    sealed
        .store(&mut tx, event, app.clock.unix_seconds())
        .await?;
    let owner = tx.tenant();
    tx.query(STAGE_EVENT, &[owner.as_uuid(), &event, &leaf.as_bytes()])
        .await?;
    tx.commit().await?;
    app.sequencer.staged(owner, event).await?;
    Ok(())
}

/// A value that is kept.
pub struct Kept {
    /// The class's id.
    pub class: String,
    /// Where it was found.
    pub channel: String,
    /// The value.
    pub value: Plaintext,
    /// The event that says that it was kept.
    pub event: Uuid,
    /// When it was kept, in Unix seconds.
    pub kept_at: i64,
}

/// The value behind a tenant's token; none for a token of another's, one that was never made, and one
/// whose time is over.
///
/// # Errors
/// A problem; of kind `record-unopened` when the row is not what was sealed.
pub async fn open(
    app: &App,
    tenant: &TenantContext,
    token: &Token,
) -> Result<Option<Kept>, Problem> {
    let now = integer(app.clock.unix_seconds());
    let mut tx = tenant.begin(Access::Read).await?;
    let rows = tx.query(READ, &[&token.as_str(), &now]).await?;
    tx.rollback().await;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let (class, channel): (String, String) = (column(row, 0)?, column(row, 1)?);
    let sealed: Vec<u8> = column(row, 2)?;
    let unopened = || Problem::new(Kind::RecordUnopened, "the value does not open");
    let context = context(&class, &channel, token.as_str()).map_err(|_| unopened())?;
    let owner = tenant.tenant();
    let opened = app.keys.open_detached(&owner, &context, &sealed).await;
    let value = opened.map_err(|error| match error {
        KeyStoreError::Failed | KeyStoreError::NoKey => unopened(),
        error => error.into(),
    })?;
    Ok(Some(Kept {
        class,
        channel,
        value,
        event: column(row, 3)?,
        kept_at: column(row, 4)?,
    }))
}

fn unavailable() -> Problem {
    Problem::new(Kind::Internal, "the values could not be kept")
}

#[cfg(test)]
mod tests {
    use strongroom_pii::{Channel, Class};
    use strongroom_tenancy::TenantId;

    use super::*;

    #[test]
    fn a_call_gives_up_ten_thousand_values_and_no_more() {
        let taken = Taken::default();
        let binding = |number: usize| Binding {
            tenant: TenantId::PLATFORM,
            class: Class::Email,
            channel: Channel::Prompt,
            token: Token::from_random(&Class::Email, &[number.to_le_bytes()[0]; Token::RANDOM]),
        };
        let value = SecretString::from("ann@example.com");
        for number in 0..MOST {
            assert_eq!(taken.keep(&binding(number), &value), Ok(()));
        }
        assert!(!taken.is_full());
        assert_eq!(taken.keep(&binding(0), &value), Err(VaultError));
        assert!(taken.is_full());
    }
}
