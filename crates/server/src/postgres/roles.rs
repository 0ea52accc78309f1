//! The roles: one login role for each way in, none of them superuser, owner or BYPASSRLS.

/// A login role of the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Handles tenants' requests; sees rows through a verified claim only.
    Gateway,
    /// Looks up one API key at a time, through one function.
    Authenticator,
    /// Gives staged events their place in the audit logs.
    Sequencer,
    /// Signs checkpoints.
    Checkpointer,
    /// Delivers webhooks.
    Deliverer,
    /// Reads and keeps wrapped keys: the platform's, and each tenant's.
    Keymaster,
    /// Learns what was revoked; reads one table and writes none.
    Watcher,
    /// Deletes what is over: revocations that no token outlives, families, sealed successors.
    Sweeper,
    /// Erases payloads that are due, through one function that looks for itself.
    Eraser,
}

impl Role {
    /// Every login role.
    pub const ALL: [Self; 9] = [
        Self::Gateway,
        Self::Authenticator,
        Self::Sequencer,
        Self::Checkpointer,
        Self::Deliverer,
        Self::Keymaster,
        Self::Watcher,
        Self::Sweeper,
        Self::Eraser,
    ];

    /// The role's name in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "strongroom_gateway",
            Self::Authenticator => "strongroom_auth",
            Self::Sequencer => "strongroom_sequencer",
            Self::Checkpointer => "strongroom_checkpointer",
            Self::Deliverer => "strongroom_deliverer",
            Self::Keymaster => "strongroom_keymaster",
            Self::Watcher => "strongroom_watcher",
            Self::Sweeper => "strongroom_sweeper",
            Self::Eraser => "strongroom_eraser",
        }
    }

    /// The functions that run as their owner and that this role may call, the verifier apart.
    #[must_use]
    pub const fn definer_functions(self) -> &'static [&'static str] {
        match self {
            Self::Authenticator => &[
                "app.find_api_key",
                "app.find_identity_provider",
                "app.find_session_provider",
                "app.note_key_uses",
                "app.token_is_revoked",
                "app.find_refresh_families",
            ],
            Self::Sequencer => &["app.renew_families", "app.zones"],
            Self::Checkpointer => &["app.zones", "app.zone"],
            Self::Eraser => &["app.erase_payloads"],
            _ => &[],
        }
    }
}

/// Owns the tables; cannot log in.
pub(super) const TABLE_OWNER: &str = "strongroom_owner";

/// Owns the authenticator's look-up functions; cannot log in.
pub(super) const LOOKUP_OWNER: &str = "strongroom_auth_owner";

/// Owns the functions that say who streams, and may see it; cannot log in.
pub(super) const ZONES_OWNER: &str = "strongroom_zones_owner";

/// Tables that hold no tenant's data, each with its reason; every other is under forced
/// row-level security.
pub(super) const EXEMPT_TABLES: &[(&str, &str)] = &[
    (
        "app.schema_migrations",
        "names of migrations that were run; no login role may read it",
    ),
    (
        "app.api_key_ids",
        "public ids of keys, so that none is given out twice; no login role may read it",
    ),
    (
        "app.refresh_family_ids",
        "public ids of families, so that none is taken twice; no login role may read it",
    ),
    (
        "app.zone_probes",
        "zones' names and random numbers; the checkpointer alone may read and write it",
    ),
    (
        "app.zone_losses",
        "what is told of zones in the platform's log; the checkpointer alone may read and write it",
    ),
];
