//! The owner's work: roles, migrations and claim keys. The running server never does it.

use std::fmt::Write as _;
use std::path::Path;

use strongroom_rls::{ClaimKey, NameError, Names};

use super::endpoint::{Endpoint, EndpointError};
use super::roles::{LOOKUP_OWNER, Role, TABLE_OWNER, ZONES_OWNER};
use super::session::{Session, SessionError};

/// One step of the schema. Steps are only ever added.
struct Migration {
    name: &'static str,
    sql: &'static str,
    /// Tables that the step puts under the tenant claim, for the gateway alone.
    protects: &'static [&'static str],
    /// Functions that the look-up owner is to own.
    lookups: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration {
        name: "0001_platform",
        sql: include_str!("../../migrations/0001_platform.sql"),
        protects: &[
            "app.tenants",
            "app.api_keys",
            "app.provider_credentials",
            "app.pii_policies",
            "app.webhook_endpoints",
            "app.webhook_outbox",
            "app.audit_logs",
            "app.audit_staged",
            "app.audit_leaves",
            "app.audit_payloads",
            "app.audit_checkpoints",
            "app.platform_keys",
            "app.generations",
            "app.tenant_keks",
            "app.tenant_deks",
            "app.key_rotations",
            "app.key_schedules",
        ],
        lookups: include_str!("../../migrations/0001_lookups.sql"),
    },
    Migration {
        name: "0002_webhooks",
        sql: include_str!("../../migrations/0002_webhooks.sql"),
        protects: &["app.webhook_old_secrets", "app.webhook_attempts"],
        lookups: "",
    },
    Migration {
        name: "0003_api_keys",
        sql: include_str!("../../migrations/0003_api_keys.sql"),
        protects: &[],
        lookups: include_str!("../../migrations/0003_lookups.sql"),
    },
    Migration {
        name: "0004_key_ids",
        sql: include_str!("../../migrations/0004_key_ids.sql"),
        protects: &[],
        lookups: "",
    },
    Migration {
        name: "0005_tokens",
        sql: include_str!("../../migrations/0005_tokens.sql"),
        protects: &[
            "app.token_epochs",
            "app.token_revocations",
            "app.refresh_families",
        ],
        lookups: include_str!("../../migrations/0005_lookups.sql"),
    },
    Migration {
        name: "0005_family_ids",
        sql: include_str!("../../migrations/0005_family_ids.sql"),
        protects: &[],
        lookups: "",
    },
    Migration {
        name: "0006_token_keys",
        sql: include_str!("../../migrations/0006_token_keys.sql"),
        protects: &["app.token_keys", "app.token_key_rings"],
        lookups: "",
    },
    Migration {
        name: "0007_identity",
        sql: include_str!("../../migrations/0007_identity.sql"),
        protects: &["app.identity_providers"],
        lookups: include_str!("../../migrations/0007_lookups.sql"),
    },
    Migration {
        name: "0008_receipts",
        sql: include_str!("../../migrations/0008_receipts.sql"),
        protects: &["app.webhook_receipts"],
        lookups: "",
    },
    Migration {
        name: "0009_outbox",
        sql: include_str!("../../migrations/0009_outbox.sql"),
        protects: &[],
        lookups: "",
    },
    Migration {
        name: "0010_peppers",
        sql: include_str!("../../migrations/0010_peppers.sql"),
        protects: &[],
        lookups: include_str!("../../migrations/0010_lookups.sql"),
    },
    Migration {
        name: "0011_renewals",
        sql: include_str!("../../migrations/0011_renewals.sql"),
        protects: &[],
        lookups: include_str!("../../migrations/0011_lookups.sql"),
    },
    Migration {
        name: "0012_zones",
        sql: include_str!("../../migrations/0012_zones.sql"),
        protects: &["app.audit_degraded_checkpoints"],
        lookups: include_str!("../../migrations/0012_lookups.sql"),
    },
    Migration {
        name: "0014_retention",
        sql: include_str!("../../migrations/0014_retention.sql"),
        protects: &["app.retention", "app.retention_runs", "app.erasures"],
        lookups: include_str!("../../migrations/0014_lookups.sql"),
    },
    Migration {
        name: "0015_platform_log",
        sql: include_str!("../../migrations/0015_platform_log.sql"),
        protects: &["app.audit_anchors", "app.audit_cosigned"],
        lookups: "",
    },
    Migration {
        name: "0016_subjects",
        sql: include_str!("../../migrations/0016_subjects.sql"),
        protects: &["app.subjects"],
        lookups: "",
    },
    Migration {
        name: "0017_zone_losses",
        sql: include_str!("../../migrations/0017_zone_losses.sql"),
        protects: &[],
        lookups: "",
    },
    Migration {
        name: "0018_verification_runs",
        sql: include_str!("../../migrations/0018_verification_runs.sql"),
        protects: &["app.verification_runs"],
        lookups: "",
    },
    Migration {
        name: "0019_growth",
        sql: include_str!("../../migrations/0019_growth.sql"),
        protects: &[],
        lookups: "",
    },
    Migration {
        name: "0020_vault",
        sql: include_str!("../../migrations/0020_vault.sql"),
        protects: &["app.pii_values", "app.pii_linking_keys"],
        lookups: "",
    },
];

/// A connection of the database's owner: a superuser, or a role that may create roles.
pub struct Owner {
    session: Session,
    names: Names,
}

/// Why the owner's work failed. Nothing of the failed step remains.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrationError {
    /// The database cannot be reached.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The database refused.
    #[error("the database refused: {0}")]
    Database(String),
    /// A name is not a plain SQL identifier.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A password could not be made or written.
    #[error("{0}: {1}")]
    Password(&'static str, String),
}

impl From<tokio_postgres::Error> for MigrationError {
    fn from(error: tokio_postgres::Error) -> Self {
        // The cause says what happened; the error itself only "db error" or "error communicating".
        let cause = std::error::Error::source(&error);
        Self::Database(cause.map_or_else(|| error.to_string(), ToString::to_string))
    }
}

impl From<SessionError> for MigrationError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Endpoint(error) => Self::Endpoint(error),
            SessionError::Database(error) => error.into(),
        }
    }
}

impl Owner {
    /// Connects as the owner.
    ///
    /// # Errors
    /// [`MigrationError`] when the database cannot be reached.
    pub async fn connect(endpoint: &Endpoint, role: &str) -> Result<Self, MigrationError> {
        let session = Session::connect(endpoint, role).await?;
        Ok(Self {
            session,
            names: Names::default(),
        })
    }

    /// Creates a database unless it is there.
    ///
    /// # Errors
    /// [`MigrationError`] when the database refuses.
    pub async fn create_database(&self) -> Result<(), MigrationError> {
        let client = self.session.client();
        let known = client
            .query(
                "select from pg_catalog.pg_database where datname = 'strongroom'",
                &[],
            )
            .await?;
        if known.is_empty() {
            client.batch_execute("create database strongroom").await?;
        }
        Ok(())
    }

    /// Makes the roles, installs the verifier and runs the migrations that have not run, all in
    /// one transaction. Answers how many ran.
    ///
    /// # Errors
    /// [`MigrationError`]; nothing was changed then.
    pub async fn migrate(&self) -> Result<usize, MigrationError> {
        let client = self.session.client();
        client.batch_execute("begin").await?;
        let done = self.migrate_in_transaction().await;
        client
            .batch_execute(if done.is_ok() { "commit" } else { "rollback" })
            .await?;
        done
    }

    async fn migrate_in_transaction(&self) -> Result<usize, MigrationError> {
        let client = self.session.client();
        client.batch_execute(&roles_sql()).await?;
        client.batch_execute(&self.names.install_sql()).await?;
        for role in Role::ALL {
            client
                .batch_execute(&self.names.grant_sql(role.name())?)
                .await?;
        }
        client.batch_execute(SCHEMA_SQL).await?;
        let mut ran = 0;
        for migration in MIGRATIONS {
            let known = client
                .query(
                    "select from app.schema_migrations where name = $1",
                    &[&migration.name],
                )
                .await?;
            if !known.is_empty() {
                continue;
            }
            client
                .batch_execute(&format!("set local role {TABLE_OWNER}"))
                .await?;
            client.batch_execute(migration.sql).await?;
            for table in migration.protects {
                let sql = self.names.protect_sql(table, &[Role::Gateway.name()])?;
                client.batch_execute(&sql).await?;
            }
            client
                .batch_execute(&format!("set local role {LOOKUP_OWNER}"))
                .await?;
            client.batch_execute(migration.lookups).await?;
            client.batch_execute("reset role").await?;
            client
                .execute(
                    "insert into app.schema_migrations (name) values ($1)",
                    &[&migration.name],
                )
                .await?;
            ran += 1;
        }
        client.batch_execute(RELEASE_SQL).await?;
        Ok(ran)
    }

    /// Gives the database a claim key to verify with.
    ///
    /// # Errors
    /// [`MigrationError`] when the database refuses.
    pub async fn add_claim_key(&self, key: &ClaimKey) -> Result<(), MigrationError> {
        let pads = key.padded();
        let statement = self
            .session
            .client()
            .prepare(&self.names.add_key_sql())
            .await?;
        self.session
            .client()
            .query(
                &statement,
                &[
                    &key.id().as_str(),
                    &pads.expose_inner(),
                    &pads.expose_outer(),
                ],
            )
            .await?;
        Ok(())
    }

    /// Gives every login role that has no file in a folder a new random password, and writes it
    /// to that file (mode 0600). For a database that does not know its users by their sockets.
    /// Safe to repeat. The database is sent a SCRAM-SHA-256 verifier (RFC 5802), never the
    /// password: what it logs of the statement lets nobody in.
    ///
    /// # Errors
    /// [`MigrationError`] when a file cannot be written or the database refuses.
    pub async fn set_passwords(&self, dir: &Path) -> Result<(), MigrationError> {
        let failed =
            |error: std::io::Error| MigrationError::Password("password file", error.to_string());
        for role in Role::ALL {
            let path = dir.join(role.name());
            if path.try_exists().map_err(failed)? {
                continue;
            }
            let mut bytes = zeroize::Zeroizing::new([0_u8; 32]);
            getrandom::fill(bytes.as_mut_slice())
                .map_err(|error| MigrationError::Password("randomness", error.to_string()))?;
            let password = zeroize::Zeroizing::new(hex::encode(bytes.as_slice()));
            let verifier = postgres_protocol::password::scram_sha_256(password.as_bytes());
            // ALTER ROLE takes no parameters; a verifier holds no character that SQL would quote.
            let sql = format!("alter role {} password '{verifier}'", role.name());
            self.session.client().batch_execute(&sql).await?;
            // The file last: without it, a repetition starts this role again.
            crate::files::write_secret(&path, password.as_bytes()).map_err(failed)?;
        }
        Ok(())
    }
}

/// The login roles with their limits, and the two that own things.
fn roles_sql() -> String {
    let mut sql = String::new();
    for owner in [TABLE_OWNER, LOOKUP_OWNER] {
        let _ = write!(
            sql,
            "do $$ begin if not exists (select from pg_catalog.pg_roles where rolname = '{owner}') \
             then create role {owner} nologin noinherit; end if; end $$;\n\
             grant {owner} to current_user;\n"
        );
    }
    // It has its rights from the role that monitors have, and where that may not be given away, what
    // it owns says nothing: the self-check of zones then says so.
    let _ = write!(
        sql,
        "do $$ begin if not exists (select from pg_catalog.pg_roles where rolname = '{ZONES_OWNER}') \
         then create role {ZONES_OWNER} nologin inherit; end if; end $$;\n\
         grant {ZONES_OWNER} to current_user;\n\
         do $$ begin grant pg_read_all_stats to {ZONES_OWNER}; \
         exception when insufficient_privilege then null; end $$;\n"
    );
    for role in Role::ALL {
        let name = role.name();
        let _ = write!(
            sql,
            "do $$ begin if not exists (select from pg_catalog.pg_roles where rolname = '{name}') \
             then create role {name} login noinherit; end if; end $$;\n\
             alter role {name} set statement_timeout = '30s';\n\
             alter role {name} set lock_timeout = '10s';\n\
             alter role {name} set idle_in_transaction_session_timeout = '60s';\n\
             alter role {name} set client_connection_check_interval = '500ms';\n\
             alter role {name} set synchronous_commit = on;\n\
             alter role {name} set search_path = '';\n"
        );
        if role == Role::Sequencer {
            // It sends its first statements along with its BEGIN.
            let _ = writeln!(
                sql,
                "alter role {name} set default_transaction_read_only = on;"
            );
        }
    }
    sql
}

/// Nothing is granted to PUBLIC, and the owners may work in `app` until [`RELEASE_SQL`].
const SCHEMA_SQL: &str = "
do $$ begin
  execute format('revoke all on database %I from public', current_database());
  execute format('grant connect on database %I to strongroom_gateway, strongroom_auth, \
    strongroom_sequencer, strongroom_checkpointer, strongroom_deliverer, strongroom_keymaster, \
    strongroom_watcher, strongroom_sweeper, strongroom_eraser',
    current_database());
end $$;
revoke all on schema public from public;
-- What goes round every policy: large objects have none, and a role may end its own sessions,
-- other tenants' requests among them. Only a superuser can take these away.
do $$ declare f regprocedure; begin
  if (select r.rolsuper from pg_catalog.pg_roles r where r.rolname = current_user) then
    for f in select p.oid::regprocedure from pg_catalog.pg_proc p
      where p.pronamespace = 'pg_catalog'::regnamespace
      and (p.proname ~ '^lo_' or p.proname in ('loread', 'lowrite', 'pg_cancel_backend',
           'pg_terminate_backend'))
    loop
      execute format('revoke execute on function %s from public', f);
    end loop;
  end if;
end $$;
create table if not exists app.schema_migrations (
  name   text        primary key,
  ran_at timestamptz not null default now()
);
revoke all on app.schema_migrations from public;
grant usage, create on schema app to strongroom_owner, strongroom_auth_owner,
  strongroom_zones_owner;
";

const RELEASE_SQL: &str = "
revoke create on schema app from strongroom_owner, strongroom_auth_owner, strongroom_zones_owner;
revoke strongroom_owner, strongroom_auth_owner, strongroom_zones_owner from current_user;
";
