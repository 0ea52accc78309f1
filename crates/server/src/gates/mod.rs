//! The gates, one file each, in their order: request id, rate limit, authenticate, authorise,
//! tenant context, PII, handler, audit.
//!
//! Each leaves evidence in the request for the next, in a type that only it can make: a route
//! behind a gate that was left out finds no evidence and answers `internal`, never data.

mod audit;
mod authenticate;
mod authorise;
mod caller;
mod count;
mod pii;
mod rate_limit;
mod refusals;
mod request_id;
mod tenant_context;

pub(crate) use audit::success;
pub use audit::{acknowledge_staged, audit, commit_recorded, commit_recorded_by, record};
pub use authenticate::{authenticate, present_key};
pub use authorise::authorise;
pub use caller::{Caller, Credential};
pub use count::count;
pub(crate) use pii::policy_in;
pub use pii::{Redacted, active_policy, examine, redact_chat};
pub use rate_limit::{RateLimits, limit_address};
pub use refusals::{Counted, Noted, Refusals};
pub use request_id::{RequestContext, RequestHandle, request_id};
pub use tenant_context::{TenantContext, tenant_context};
