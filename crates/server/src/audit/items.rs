//! What the sequencer is given, and how it answers.

use strongroom_auditchain::{Hash, Leaf, Receipt};
use strongroom_tenancy::TenantId;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::payloads::SealedPayload;
use super::renewals::Renewal;
use super::sequencer::AuditError;

pub(super) type Answer = oneshot::Sender<Result<Receipt, AuditError>>;

/// None: the renewal does not hold, and its event is not written.
pub(super) type RenewalAnswer = oneshot::Sender<Result<Option<Receipt>, AuditError>>;

/// One event on its way into a log.
pub(super) enum Item {
    /// An event in memory, with its sealed payload.
    Append {
        tenant: TenantId,
        event_id: Uuid,
        leaf: Leaf,
        payload: Option<SealedPayload>,
        answer: Answer,
    },
    /// An event that a committed transaction staged.
    Staged {
        tenant: TenantId,
        event_id: Uuid,
        answer: Answer,
    },
    /// The event of a renewal, written if that holds.
    Renew {
        renewal: Renewal,
        event_id: Uuid,
        leaf: Leaf,
        answer: RenewalAnswer,
    },
}

/// An entry of the batch in hand, whichever way it came.
pub(super) struct Entry {
    pub(super) tenant: TenantId,
    pub(super) event_id: Uuid,
    pub(super) leaf: Vec<u8>,
    pub(super) leaf_hash: Hash,
    pub(super) payload: Option<SealedPayload>,
}

impl Item {
    pub(super) const fn key(&self) -> (TenantId, Uuid) {
        match self {
            Self::Append {
                tenant, event_id, ..
            }
            | Self::Staged {
                tenant, event_id, ..
            } => (*tenant, *event_id),
            Self::Renew {
                renewal, event_id, ..
            } => (renewal.tenant(), *event_id),
        }
    }
}
