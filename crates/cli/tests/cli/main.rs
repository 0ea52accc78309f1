//! Every command of the real binary: what succeeds, what is refused (1), what is unusable (2).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod apikey;
mod audit;
mod audit_log;
mod audit_platform;
#[cfg(target_os = "linux")]
mod audit_progress;
mod audit_verify;
mod command_line;
mod envelope;
mod pii;
mod rls;
mod shell;
#[cfg(target_os = "linux")]
mod terminal;
mod token;
mod webhook;
