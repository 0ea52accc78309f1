//! The embedded store, on real directories and on disks that fail.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod basics;
mod damage;
mod erasure;
mod events;
mod faulty;
mod frames;
mod kills;
mod model;
mod scrub;
mod shelf;
mod within_bundles;
