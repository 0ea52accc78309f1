//! Every configuration key there is, in one table.

/// One key: its name in the file, its default and what it means. In the environment it is
/// `STRONGROOM_` and the name in upper case, dots as underscores.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The dotted name.
    pub name: &'static str,
    /// The default, as it would be written; empty for none.
    pub default: &'static str,
    /// What it means, its unit and what it takes.
    pub meaning: &'static str,
}

const fn key(name: &'static str, default: &'static str, meaning: &'static str) -> Key {
    Key {
        name,
        default,
        meaning,
    }
}

/// Every key there is.
pub const KEYS: &[Key] = &[
    key(
        "listen",
        "127.0.0.1:8080",
        "address and port; must be loopback unless behind_tls_proxy.trusted is set",
    ),
    key(
        "metrics.listen",
        "",
        "address and port of GET /metrics, for Prometheus; must be loopback, since whoever reaches it \
         may read it; it names no tenant",
    ),
    key(
        "issuer",
        "https://strongroom.localhost",
        "the platform's public URL: `iss` of tokens; its host names audit logs and keys",
    ),
    key("audience", "strongroom-gateway", "`aud` of access tokens"),
    key(
        "state_dir",
        "",
        "folder for the keyrings and a private cluster; default /var/lib/strongroom as root, \
         else ~/.local/state/strongroom",
    ),
    key(
        "checkpoints.directory",
        "",
        "folder for what was last signed of each audit log, on a disk that is not set back with the \
         database's; nodes of one database share it; default the folder checkpoints in state_dir",
    ),
    key(
        "database.url",
        "",
        "PostgreSQL 15 or later, on a local socket or loopback, without user or password; \
         DATABASE_URL means the same; without it `run` starts a private cluster",
    ),
    key(
        "database.password_dir",
        "",
        "folder with a file for each login role that holds its password; none for peer \
         authentication",
    ),
    key(
        "database.connections",
        "16",
        "most connections of the gateway's role",
    ),
    key(
        "zones.mode",
        "one",
        "how many zones hold an event before it is acknowledged: one, the database's disk alone; \
         any_2, it and both standbys, and while one is missing nothing is appended; any_1, it and \
         either standby",
    ),
    key(
        "zones.standbys",
        "",
        "the two standbys of any_2 and any_1 (comma between), each NAME=URL: its application_name, \
         and where to read it directly, as of database.url",
    ),
    key(
        "upstream.base_url",
        "",
        "the OpenAI-compatible provider, up to and without /chat/completions; https, or http on \
         loopback; without it chat calls are refused",
    ),
    key(
        "upstream.timeout_seconds",
        "60",
        "how long the provider may take, 1 to 600",
    ),
    key(
        "limits.edge_per_10_seconds",
        "100",
        "requests in 10 s from one address",
    ),
    key(
        "limits.proxy_per_second",
        "10",
        "requests a second from one address",
    ),
    key(
        "limits.proxy_burst",
        "20",
        "requests at once from one address",
    ),
    key(
        "limits.caller_per_second",
        "10",
        "requests a second of one caller on one route",
    ),
    key(
        "limits.caller_burst",
        "20",
        "requests at once of one caller on one route",
    ),
    key(
        "limits.body_bytes",
        "1048576",
        "longest request body, 1024 to 8388608 bytes",
    ),
    key(
        "limits.concurrent_calls",
        "256",
        "chat calls at once, of everybody, 1 to 100000; further ones are told to come back",
    ),
    key(
        "webhooks.allow_loopback",
        "false",
        "whether webhooks may go to, and identity providers be on, http and loopback addresses; for \
         development",
    ),
    key(
        "behind_tls_proxy.trusted",
        "",
        "networks (CIDR, comma between) whose X-Forwarded-For is believed; setting it allows a \
         listen address that is not loopback, and requests from elsewhere are refused",
    ),
    key(
        "tokens.lifetime_seconds",
        "900",
        "life of an access token, 1 to 900",
    ),
    key(
        "api_keys.pepper",
        "0",
        "version of the pepper that API keys are hashed under, 0 for SHA-256 alone; made when it \
         is first named, and each key is hashed anew at its next use",
    ),
    key(
        "tokens.algorithm",
        "EdDSA",
        "how keys sign that are made from now on: EdDSA, or ES256 for verifiers without Ed25519",
    ),
    key(
        "tokens.rotation_days",
        "7",
        "how many days a key signs access tokens before the next one does, 1 to 30",
    ),
    key(
        "tokens.verifier_cache_seconds",
        "300",
        "how long others may keep the JWK Set, 0 to 3600: a key is published twice that long before \
         it signs, at least 600 s, and for a token's life, 30 s and that long after, at least 1800 s",
    ),
    key(
        "audit.checkpoint_seconds",
        "300",
        "how often logs that grew are signed, 10 to 300",
    ),
    key(
        "audit.verify_seconds",
        "86400",
        "how often each audit log is verified from its first entry to its last, 600 to 604800; one \
         that is not intact is an alarm, and an event of the platform's log",
    ),
    key(
        "keys.rotation_days",
        "90",
        "how old a tenant's key-encryption key becomes before it is rotated, 1 to 365 days, unless \
         the tenant has a schedule of its own",
    ),
    key(
        "keys.overlap_seconds",
        "60",
        "how long the old version of a rotated key is kept once nothing is wrapped under it, 1 to \
         3600; longer than any request takes from reading a sealed row to opening it",
    ),
    key(
        "keys.backup_retention_days",
        "35",
        "how long backups of the database are kept, 0 to 3650 days: what receipts of destroyed \
         keys say",
    ),
    key("log", "info", "what is logged, in tracing's filter syntax"),
];

/// The table of keys as it stands in the documentation.
#[must_use]
pub fn explain() -> String {
    let mut text = String::from("| key | default | meaning |\n|---|---|---|\n");
    for key in KEYS {
        let default = if key.default.is_empty() {
            "none".to_owned()
        } else {
            format!("`{}`", key.default)
        };
        text.push_str(&format!(
            "| `{}` | {default} | {} |\n",
            key.name, key.meaning
        ));
    }
    text
}
