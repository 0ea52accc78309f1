//! The audit log: events, the one sequencer, checkpoints and the verification pass.

mod archive;
mod batch;
mod checkpoint_store;
mod checkpoints;
mod due;
mod events;
mod export;
mod follower;
mod history;
mod intake;
mod items;
mod opening;
mod payload_pass;
mod payloads;
mod platform_log;
mod renewals;
mod rows;
mod sequencer;
mod verification;
mod zones;

pub use checkpoint_store::{CheckpointStore, Head, Known, StoreError};
pub use checkpoints::{CheckpointError, Checkpointer};
pub use due::{Due, Plan, Rules, classes};
pub use events::{BREAK_GLASS, Draft, EventError, new_event_id};
pub use export::{Export, ExportError, Exporter};
pub use opening::{Adopted, OpenError, adopt, open_store, platform_log_name};
pub use payload_pass::{ErasedRun, MOST_LISTED, PayloadReport};
pub(crate) use payloads::payload_context;
pub use payloads::{PayloadError, SealedPayload, open_payload, seal_payload};
pub use platform_log::{PlatformLog, PlatformLogError};
pub use renewals::Renewal;
pub use sequencer::{AuditError, Sequencer, SequencerHandle};
pub use verification::{TenantReport, verify_tenant};
pub use zones::{Monitor, ZoneSet, ZoneSetError};

use strongroom_auditchain::Origin;

/// Stages an event in its writer's own transaction; the sequencer takes it up from there.
pub const STAGE_EVENT: &str =
    "insert into app.audit_staged (tenant_id, event_id, leaf) values ($1, $2, $3)";

/// Draws the opaque name of a new log: it says nothing of its tenant.
///
/// # Errors
/// When the operating system gives no randomness, or the host cannot stand in a name.
pub fn new_origin(host: &str) -> Result<Origin, EventError> {
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).map_err(|_| EventError::Randomness)?;
    format!("{host}/log/{}", hex::encode(random))
        .parse()
        .map_err(|_| EventError::Origin)
}
