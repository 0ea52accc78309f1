//! Ours beside its peers: one process, interleaved, thread CPU time.

pub mod apikey;
pub mod auditchain;
pub mod case;
pub mod envelope;
pub mod pii;
pub mod report;
pub mod tenant_token;
pub mod webhook_sig;
