//! The embedded store, on real directories and on disks that fail.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod agreement;
mod base;
mod basics;
mod damage;
mod erasure;
mod events;
mod faulty;
mod folders;
mod frames;
mod identity;
mod kills;
mod memory;
mod model;
mod pauses;
mod readers;
mod restarts;
mod scrub;
mod shelf;
mod signed;
mod within_bundles;
