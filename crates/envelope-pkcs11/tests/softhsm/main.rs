//! The provider on SoftHSM2, a token in software: what its real return codes are, and that the
//! conformance suite passes. `cargo xtask soak --only pkcs11` runs it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod conformance;
mod session;
mod soft_token;
mod states;
