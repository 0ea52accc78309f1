//! `strongroom-auditchain` beside other trees, and its store beside the disk alone.

pub mod ceiling;
pub mod durable;
pub mod entries;
pub mod memory;
pub mod peers;
mod slow_zone;
pub mod trees;
pub mod verification;

use std::error::Error;

use crate::report::Report;

/// Measures trees in memory, what they and the store take, durable appends, and verification.
pub fn measure(report: &mut Report) -> Result<(), Box<dyn Error>> {
    if report.wants("trees") {
        trees::measure(report)?;
    }
    if report.wants("verify") {
        verification::measure(report)?;
    }
    if report.wants("memory") {
        memory::measure(report)?;
    }
    durable::measure(report)
}
