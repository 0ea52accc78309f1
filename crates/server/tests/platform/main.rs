//! The platform's promises, one file each, against a real PostgreSQL.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod acceptance;
mod audit_export;
mod audit_tamper;
mod bad_input;
mod checkpoint_store;
mod claim_attacks;
mod cluster_starts;
mod database;
mod dropped_requests;
mod erasures;
mod fake_issuer;
mod first_call;
mod generation_rights;
mod generations;
mod hang_ups;
mod idle;
mod isolation_check;
mod key_gate;
mod key_limits;
mod key_rotation;
mod keystore;
mod kills;
mod left_behind;
mod login;
mod login_ends;
mod login_keys;
mod metrics;
mod oidc_provider;
mod originals;
mod peppers;
mod platform;
mod platform_log;
mod presidio;
mod refresh_times;
mod refusals;
mod renewals;
mod replay_guard;
mod request_id_thread;
mod retention;
mod rotation_kills;
mod rotation_times;
mod sealing;
mod sequencing;
mod shutdown;
mod single_rows;
mod stored_keys;
mod subject_erasures;
mod subject_rows;
mod subjects;
mod sweeps;
mod three_zones;
mod token_key_changes;
mod token_keys;
mod token_renewal;
mod token_revocation;
mod unauthorised_coverage;
mod vault;
mod webhook_delivery;
mod webhook_locks;
mod webhook_operations;
mod webhook_outbox;
mod webhook_retention;
mod zone_absence;
mod zone_admission;
mod zone_kills;
mod zone_ledger;
mod zone_loss;
mod zone_times;
