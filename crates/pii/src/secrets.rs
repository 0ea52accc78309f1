//! Credentials: by what their issuers write in front, by what they are made of, or by the name
//! that they are given.

mod argument;
pub(crate) mod assigned;
mod code;
pub(crate) mod command;
pub(crate) mod connection;
pub(crate) mod jwt;
mod line;
pub(crate) mod listed;
pub(crate) mod manifest;
mod name;
mod pattern;
pub(crate) mod pem;
pub(crate) mod prose;
mod read;
mod spelling;
mod stand_in;
pub(crate) mod strongroom;
mod value;
pub(crate) mod vendor;
mod vendors;

use crate::class::Kind;
use crate::detection::EvidenceSet;
use crate::engine::candidate::{Candidate, Tail, Tier};

/// A secret that needs no words around it.
fn certain(kind: Kind, start: usize, end: usize, base: i16, evidence: EvidenceSet) -> Candidate {
    Candidate {
        class: kind as u16,
        start,
        end,
        base,
        evidence,
        tier: Tier::Secret,
        weighed: false,
        tail: Tail::None,
    }
}
