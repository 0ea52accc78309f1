//! AWS KMS through the official client: against a fake of ours on loopback, and, where
//! `STRONGROOM_MOTO` names one, against moto's server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod answers;
mod cases;
mod conformance;
mod fake;
mod limits;
mod moto;
mod secrecy;
mod separation;
mod target;
