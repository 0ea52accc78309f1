//! The reference platform: a gateway in front of any LLM provider through which a tenant's call
//! passes every gate.

pub mod clock;
pub mod files;
pub mod postgres;
