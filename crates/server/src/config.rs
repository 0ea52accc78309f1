//! Configuration: a file, then the environment over it; every key is in one table.

mod addresses;
mod checkpoints;
mod keys;
mod network;
mod zones;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use strongroom_tenant_token::{Algorithm, RotationPolicy, RotationPolicyError};

use addresses::{issuer, listen, metrics, upstream};
pub use keys::{KEYS, Key, explain};
pub use network::Network;
pub use zones::{Standby, ZoneMode, ZoneName, Zones};

/// The platform's configuration, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where metrics are read, if anywhere.
    pub metrics: Option<SocketAddr>,
    /// `iss` of tokens.
    pub issuer: String,
    /// `aud` of tokens.
    pub audience: String,
    /// Where the keyrings and a private cluster live.
    pub state_dir: PathBuf,
    /// Where what was last signed of each log is kept, apart from the database.
    pub checkpoints: PathBuf,
    /// An external database.
    pub database_url: Option<String>,
    /// Its roles' passwords.
    pub database_password_dir: Option<PathBuf>,
    /// Most connections of the gateway's role.
    pub database_connections: usize,
    /// How many zones hold an event before it is acknowledged, and where they are.
    pub zones: Zones,
    /// The provider.
    pub upstream: Option<reqwest::Url>,
    /// How long the provider may take, in seconds.
    pub upstream_timeout_seconds: u64,
    /// Rate limits.
    pub limits: Limits,
    /// Whether webhooks may go to loopback.
    pub webhooks_allow_loopback: bool,
    /// Networks of a TLS proxy in front.
    pub trusted_proxies: Vec<Network>,
    /// Life of an access token, in seconds.
    pub token_lifetime_seconds: u64,
    /// The version of the pepper that API keys are hashed under; 0 for none.
    pub api_key_pepper: u32,
    /// How long a verifier may keep the public keys of access tokens, in seconds.
    pub token_verifier_cache_seconds: u64,
    /// How keys of access tokens sign that are made from now on.
    pub token_algorithm: Algorithm,
    /// When the keys of access tokens are rotated, and their overlaps.
    pub token_rotation: RotationPolicy,
    /// How often logs that grew are signed, in seconds.
    pub checkpoint_seconds: u64,
    /// How often each log is read from its first entry to its last.
    pub verify_seconds: u64,
    /// When tenants' keys are rotated.
    pub keys: KeyTimes,
    /// What is logged.
    pub log: String,
}

/// When keys are rotated, and how long what is destroyed may linger.
#[derive(Clone, Copy, Debug)]
pub struct KeyTimes {
    /// After how many days a key is rotated.
    pub rotation_days: u32,
    /// How long an old version is kept that nothing is wrapped under, in seconds.
    pub overlap_seconds: u64,
    /// How long backups are kept, in days.
    pub backup_retention_days: u32,
}

/// The rate limits' figures.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests in 10 s from one address.
    pub edge_per_10_seconds: u32,
    /// Requests a second from one address.
    pub proxy_per_second: u32,
    /// Requests at once from one address.
    pub proxy_burst: u32,
    /// Requests a second of one caller on one route.
    pub caller_per_second: u32,
    /// Requests at once of one caller on one route.
    pub caller_burst: u32,
    /// Longest request body, in bytes.
    pub body_bytes: usize,
    /// Chat calls at once, of everybody.
    pub concurrent_calls: usize,
}

/// A key or value that is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("configuration: {key}: {reason}")]
pub struct ConfigError {
    /// The key's name, or the file's.
    pub key: String,
    /// What is wrong with the value.
    pub reason: String,
}

impl Config {
    /// Reads the file, if one is given, and the process's environment over it.
    ///
    /// # Errors
    /// [`ConfigError`] names the first key that is unknown or has a bad value.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let text = file
            .map(|path| std::fs::read_to_string(path).map_err(|e| refuse(&path.display(), &e)))
            .transpose()?;
        Self::from_sources(text.as_deref(), std::env::vars())
    }

    /// Reads a TOML text and environment variables over it.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_sources(
        file: Option<&str>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut values: BTreeMap<&'static str, String> = BTreeMap::new();
        if let Some(text) = file {
            let table: toml::Table = text
                .parse()
                .map_err(|e: toml::de::Error| refuse(&"file", &e.message()))?;
            flatten("", &table, &mut values)?;
        }
        for (name, value) in environment {
            if name == "DATABASE_URL" {
                values.entry("database.url").or_insert(value);
            } else if let Some(rest) = name.strip_prefix("STRONGROOM_") {
                let known = KEYS
                    .iter()
                    .find(|k| k.name.replace('.', "_").to_uppercase() == rest);
                let known = known.ok_or_else(|| refuse(&name, &"is not a known variable"))?;
                values.insert(known.name, value);
            }
        }
        Self::from_values(&Values(values))
    }

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let trusted_proxies = values
            .text("behind_tls_proxy.trusted")
            .split(',')
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(|text| {
                text.parse()
                    .map_err(|e: String| refuse(&"behind_tls_proxy.trusted", &e))
            })
            .collect::<Result<Vec<Network>, _>>()?;
        let listen = listen(values.text("listen"), !trusted_proxies.is_empty())?;
        let metrics = metrics(values.text("metrics.listen"), listen)?;
        let state_dir = state_dir(values.text("state_dir"));
        let config = Self {
            checkpoints: checkpoints::checkpoints(
                values.text("checkpoints.directory"),
                &state_dir,
            )?,
            listen,
            metrics,
            issuer: issuer(values.text("issuer"))?,
            audience: non_empty("audience", values.text("audience"))?,
            state_dir,
            database_url: optional(values.text("database.url")),
            database_password_dir: optional(values.text("database.password_dir")).map(Into::into),
            database_connections: values.between("database.connections", 1, 1000)?,
            zones: zones(values)?,
            upstream: upstream(values.text("upstream.base_url"))?,
            upstream_timeout_seconds: values.between("upstream.timeout_seconds", 1, 600)?,
            limits: Limits {
                edge_per_10_seconds: values.between("limits.edge_per_10_seconds", 1, u32::MAX)?,
                proxy_per_second: values.between("limits.proxy_per_second", 1, u32::MAX)?,
                proxy_burst: values.between("limits.proxy_burst", 1, u32::MAX)?,
                caller_per_second: values.between("limits.caller_per_second", 1, u32::MAX)?,
                caller_burst: values.between("limits.caller_burst", 1, u32::MAX)?,
                body_bytes: values.between("limits.body_bytes", 1024, 8 << 20)?,
                concurrent_calls: values.between("limits.concurrent_calls", 1, 100_000)?,
            },
            webhooks_allow_loopback: values.parsed("webhooks.allow_loopback")?,
            trusted_proxies,
            token_lifetime_seconds: values.between("tokens.lifetime_seconds", 1, 900)?,
            api_key_pepper: values.between("api_keys.pepper", 0, 1_000_000)?,
            token_verifier_cache_seconds: values.between(
                "tokens.verifier_cache_seconds",
                0,
                3600,
            )?,
            token_algorithm: values.parsed("tokens.algorithm")?,
            token_rotation: token_rotation(values)?,
            checkpoint_seconds: values.between("audit.checkpoint_seconds", 10, 300)?,
            verify_seconds: values.between("audit.verify_seconds", 600, 604_800)?,
            keys: KeyTimes {
                rotation_days: values.between("keys.rotation_days", 1, 365)?,
                overlap_seconds: values.between("keys.overlap_seconds", 1, 3600)?,
                backup_retention_days: values.between("keys.backup_retention_days", 0, 3650)?,
            },
            log: values.text("log").to_owned(),
        };
        Ok(config)
    }

    /// The host of the issuer's URL: the stem of the names of logs and audit keys.
    #[must_use]
    pub fn host(&self) -> &str {
        let rest = self
            .issuer
            .split_once("://")
            .map_or(self.issuer.as_str(), |(_, rest)| rest);
        rest.split(['/', ':']).next().unwrap_or(rest)
    }

    /// The folder in which the local KMS keeps a keyring for each tenant.
    #[must_use]
    pub fn keyrings(&self) -> PathBuf {
        self.state_dir.join("keys")
    }
}

/// The overlaps follow from how long tokens live and verifiers keep keys.
fn token_rotation(values: &Values) -> Result<RotationPolicy, ConfigError> {
    let days: u64 = values.between("tokens.rotation_days", 1, 30)?;
    let lifetime = values.parsed("tokens.lifetime_seconds")?;
    let kept = values.parsed("tokens.verifier_cache_seconds")?;
    RotationPolicy::new(days.saturating_mul(86_400), lifetime, kept).map_err(|error| {
        let key = match error {
            RotationPolicyError::TokenLifetime => "tokens.lifetime_seconds",
            RotationPolicyError::VerifierCache => "tokens.verifier_cache_seconds",
            _ => "tokens.rotation_days",
        };
        refuse(&key, &error)
    })
}

fn zones(values: &Values) -> Result<Zones, ConfigError> {
    let key = "zones.standbys";
    let listed = values.text(key).split(',').map(str::trim);
    let standbys = listed
        .filter(|text| !text.is_empty())
        .map(|text| text.parse().map_err(|e: String| refuse(&key, &e)))
        .collect::<Result<Vec<Standby>, _>>()?;
    Zones::new(values.parsed("zones.mode")?, standbys).map_err(|reason| refuse(&key, &reason))
}

struct Values(BTreeMap<&'static str, String>);

impl Values {
    fn text(&self, name: &str) -> &str {
        let default = || {
            KEYS.iter()
                .find(|k| k.name == name)
                .map_or("", |k| k.default)
        };
        self.0.get(name).map_or_else(default, String::as_str)
    }

    fn parsed<T: FromStr<Err: fmt::Display>>(&self, name: &str) -> Result<T, ConfigError> {
        self.text(name)
            .parse()
            .map_err(|e: T::Err| refuse(&name, &e))
    }

    fn between<T>(&self, name: &str, least: T, most: T) -> Result<T, ConfigError>
    where
        T: FromStr<Err: fmt::Display> + PartialOrd + fmt::Display,
    {
        let value: T = self.parsed(name)?;
        if value < least || value > most {
            return Err(refuse(&name, &format!("expected {least} to {most}")));
        }
        Ok(value)
    }
}

fn flatten(
    prefix: &str,
    table: &toml::Table,
    values: &mut BTreeMap<&'static str, String>,
) -> Result<(), ConfigError> {
    for (name, value) in table {
        let name = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        if let toml::Value::Table(inner) = value {
            flatten(&name, inner, values)?;
            continue;
        }
        let known = KEYS.iter().find(|k| k.name == name);
        let known = known.ok_or_else(|| refuse(&name, &"is not a known key"))?;
        let text = match value {
            toml::Value::String(text) => text.clone(),
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(choice) => choice.to_string(),
            toml::Value::Array(items) if items.iter().all(toml::Value::is_str) => items
                .iter()
                .filter_map(toml::Value::as_str)
                .collect::<Vec<_>>()
                .join(","),
            _ => {
                return Err(refuse(
                    &name,
                    &"expected text, a number, true, false or a list of text",
                ));
            }
        };
        values.insert(known.name, text);
    }
    Ok(())
}

fn refuse(key: &dyn fmt::Display, reason: &dyn fmt::Display) -> ConfigError {
    ConfigError {
        key: key.to_string(),
        reason: reason.to_string(),
    }
}

fn optional(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn non_empty(key: &'static str, text: &str) -> Result<String, ConfigError> {
    optional(text).ok_or_else(|| refuse(&key, &"must not be empty"))
}

fn state_dir(text: &str) -> PathBuf {
    if !text.is_empty() {
        return PathBuf::from(text);
    }
    if rustix::process::getuid().is_root() {
        return PathBuf::from("/var/lib/strongroom");
    }
    let home = std::env::var_os("HOME").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
    home.join(".local/state/strongroom")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(file: &str) -> Result<Config, ConfigError> {
        Config::from_sources(Some(file), [])
    }

    #[test]
    fn the_defaults_hold() {
        let config = with("").unwrap();
        assert!(config.listen.ip().is_loopback());
        assert_eq!(config.host(), "strongroom.localhost");
        assert_eq!(config.limits.edge_per_10_seconds, 100);
        assert_eq!(
            (config.limits.proxy_per_second, config.limits.proxy_burst),
            (10, 20)
        );
        assert_eq!(config.checkpoint_seconds, 300);
        assert_eq!(config.token_rotation, RotationPolicy::default());
    }

    #[test]
    fn a_bad_value_is_refused_with_its_name_and_the_reason() {
        for (file, key, reason) in [
            ("listen = 'here'", "listen", "invalid socket address"),
            ("listen = '0.0.0.0:80'", "listen", "must be loopback"),
            (
                "metrics.listen = 'here'",
                "metrics.listen",
                "invalid socket address",
            ),
            (
                "metrics.listen = '0.0.0.0:9464'",
                "metrics.listen",
                "must be loopback",
            ),
            (
                "metrics.listen = '127.0.0.1:8080'",
                "metrics.listen",
                "a port of its own",
            ),
            ("issuer = 'http://x.example'", "issuer", "https"),
            ("issuer = 'https://u@x.example'", "issuer", "without user"),
            ("audience = ''", "audience", "must not be empty"),
            (
                "zones.mode = 'three'",
                "zones.mode",
                "expected one, any_2 or any_1",
            ),
            (
                "zones.mode = 'any_2'",
                "zones.standbys",
                "expected two standbys",
            ),
            (
                "zones.standbys = ['z2=postgresql:///x?host=/a']",
                "zones.standbys",
                "zones.mode one",
            ),
            (
                "zones.mode = 'any_1'\nzones.standbys = ['z2=postgresql:///x?host=/a', \
                 'z2=postgresql:///x?host=/b']",
                "zones.standbys",
                "of its own",
            ),
            (
                "zones.mode = 'any_1'\nzones.standbys = ['z2=postgresql:///x?host=/a', \
                 'z3=postgresql:///x?host=/a']",
                "zones.standbys",
                "of its own",
            ),
            ("zones.standbys = 'z2'", "zones.standbys", "NAME=URL"),
            (
                "zones.standbys = 'Z-2=postgresql:///x?host=/a'",
                "zones.standbys",
                "a letter first",
            ),
            (
                "zones.standbys = 'any=x'",
                "zones.standbys",
                "a letter first",
            ),
            (
                "zones.standbys = 'z2=postgresql://db.example.com/x'",
                "zones.standbys",
                "as of database.url",
            ),
            (
                "upstream.base_url = 'http://api.example.com/v1'",
                "upstream.base_url",
                "https",
            ),
            (
                "upstream.base_url = 'https://k:s@api.example.com'",
                "upstream.base_url",
                "password",
            ),
            (
                "upstream.timeout_seconds = 0",
                "upstream.timeout_seconds",
                "expected 1 to 600",
            ),
            (
                "limits.body_bytes = 1",
                "limits.body_bytes",
                "expected 1024",
            ),
            (
                "limits.proxy_burst = 'many'",
                "limits.proxy_burst",
                "invalid digit",
            ),
            (
                "webhooks.allow_loopback = 'yes'",
                "webhooks.allow_loopback",
                "provided string",
            ),
            (
                "behind_tls_proxy.trusted = ['10.0.0.0']",
                "behind_tls_proxy.trusted",
                "a network",
            ),
            (
                "behind_tls_proxy.trusted = ['10.0.0.0/33']",
                "behind_tls_proxy.trusted",
                "a network",
            ),
            (
                "audit.checkpoint_seconds = 301",
                "audit.checkpoint_seconds",
                "expected 10 to 300",
            ),
            (
                "tokens.algorithm = 'RS256'",
                "tokens.algorithm",
                "EdDSA, Ed25519 or ES256",
            ),
            (
                "tokens.rotation_days = 31",
                "tokens.rotation_days",
                "expected 1 to 30",
            ),
            (
                "tokens.verifier_cache_seconds = 3601",
                "tokens.verifier_cache_seconds",
                "expected 0 to 3600",
            ),
            ("listne = '127.0.0.1:1'", "listne", "not a known key"),
            (
                "limits.edge = { a = 1 }",
                "limits.edge.a",
                "not a known key",
            ),
            ("log = 1.5", "log", "expected text"),
            ("not toml", "file", ""),
        ] {
            let error = with(file).unwrap_err();
            assert_eq!(error.key, key, "{file}");
            assert!(error.reason.contains(reason), "{file}: {error}");
        }
    }

    #[test]
    fn the_environment_is_over_the_file_and_its_names_are_checked() {
        let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let config = Config::from_sources(
            Some("audience = 'file'"),
            [
                set("STRONGROOM_AUDIENCE", "environment"),
                set("PATH", "/bin"),
            ],
        );
        assert_eq!(config.unwrap().audience, "environment");
        let error = Config::from_sources(None, [set("STRONGROOM_AUDIENSE", "x")]).unwrap_err();
        assert_eq!(error.key, "STRONGROOM_AUDIENSE");
        let url = Config::from_sources(None, [set("DATABASE_URL", "postgresql:///x?host=/run")]);
        assert!(url.unwrap().database_url.is_some());
    }

    #[test]
    fn zones_say_what_the_database_must() {
        let standbys =
            "zones.standbys = ['z2=postgresql:///x?host=/a', 'z3=postgresql:///x?host=/b']";
        for (mode, names) in [("any_2", "ANY 2 (z2, z3)"), ("any_1", "ANY 1 (z2, z3)")] {
            let zones = with(&format!("zones.mode = '{mode}'\n{standbys}"))
                .unwrap()
                .zones;
            assert_eq!(zones.standby_names(), names);
        }
        let one = with("").unwrap().zones;
        assert_eq!(
            (one.mode, one.standby_names().as_str()),
            (ZoneMode::One, "")
        );
    }

    #[test]
    fn behind_a_proxy_any_address_may_be_listened_on() {
        let file = "listen = '0.0.0.0:80'\nbehind_tls_proxy.trusted = ['10.0.0.0/8', '::1/128']";
        let config = with(file).unwrap();
        let inside = |text: &str| {
            config
                .trusted_proxies
                .iter()
                .any(|network| network.contains(text.parse().unwrap()))
        };
        assert!(inside("10.255.0.1") && inside("::ffff:10.1.2.3") && inside("::1"));
        assert!(!inside("11.0.0.1") && !inside("::2"));
    }

    /// The page that documents the keys is this table.
    #[test]
    fn every_key_is_documented() {
        let page = include_str!("../../../docs/operating/configuration.md");
        assert!(
            page.contains(&explain()),
            "docs/operating/configuration.md is not what `strongroom-server config` prints"
        );
    }
}
