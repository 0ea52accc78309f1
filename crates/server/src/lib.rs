//! The reference platform: a gateway in front of any LLM provider through which a tenant's call
//! passes every gate.
//!
//! [`router`] has every route on one page, [`gates`] one file a gate, [`postgres`] the three
//! handles that alone make queries, [`audit`] the log that every answer waits for.

pub mod app;
pub mod audit;
pub mod body;
pub mod clock;
pub mod config;
pub mod files;
pub mod form;
pub mod gates;
pub mod generations;
pub mod init;
pub mod jobs;
pub mod keys;
pub mod keystore;
pub mod login;
pub mod metrics;
pub mod peppers;
pub mod postgres;
pub mod problem;
pub mod replay_guard;
pub mod router;
pub mod routes;
pub mod serve;
pub mod subjects;
pub mod supervise;
pub mod telemetry;
pub mod token_keys;
pub mod tokens;
pub mod trial;
pub mod upstream;
pub mod vault;
