//! One log's checkpoint: from its entries, if they go on from what was signed of it.

use std::collections::HashMap;

use strongroom_auditchain::{Checkpoint, Frontier, Hash, Origin, PlatformEntry};
use tokio_postgres::Row;
use uuid::Uuid;

use super::super::checkpoint_store::{Head, Known};
use super::super::history::{blocking, grow};
use super::super::zones::{Agreement, DegradedNote, Reading, root_in};
use super::{CheckpointError, Checkpointer};
use crate::postgres::{JobTx, QueryError, column};

/// What came of one log.
pub(super) enum Done {
    /// What is to be published, by ascending size.
    Signed(Vec<Signed>),
    /// Zones are missing; nothing is signed of a log that nobody held anything of.
    Degraded {
        note: Option<DegradedNote>,
        missing: Vec<String>,
    },
}

/// A checkpoint that is to be published.
pub(super) struct Signed {
    pub(super) tenant: Uuid,
    pub(super) head: Head,
    /// What it takes the place of in the checkpoint store.
    pub(super) before: Option<Head>,
    /// Whether it is there already: whoever signed it did not come to publish it.
    pub(super) is_kept: bool,
    /// Its entry in the platform's log.
    pub(super) entry: Option<Entry>,
}

/// An entry of the platform's log, and its salt, sealed: none for a tenant whose keys are destroyed.
pub(super) struct Entry {
    pub(super) id: Uuid,
    pub(super) entry: PlatformEntry,
    pub(super) sealed: Option<Vec<u8>>,
}

impl Checkpointer {
    /// What the checkpoint store has of these logs, and `lines` have.
    pub(super) async fn known(
        &self,
        rows: &[Row],
        mut lines: HashMap<Origin, (u64, Hash)>,
    ) -> Result<HashMap<String, Known>, CheckpointError> {
        let Some(store) = self.store.clone() else {
            return Ok(HashMap::new());
        };
        let mut origins: Vec<Origin> = Vec::with_capacity(rows.len());
        for row in rows {
            // One that is malformed is refused by itself.
            origins.extend(column::<String>(row, 1)?.parse().ok());
        }
        let known = blocking(move || {
            let mut known = HashMap::with_capacity(origins.len());
            for origin in origins {
                let (head, line) = (store.head(&origin)?, lines.remove(&origin));
                known.insert(origin.as_str().to_owned(), Known { head, line });
            }
            Ok(known)
        });
        Ok(known.await?)
    }

    /// Signs a log's head, if it extends what was signed before.
    pub(super) async fn checkpoint(
        &self,
        tx: &mut JobTx,
        tenant: Uuid,
        row: &Row,
        known: Option<&Known>,
        reading: Option<&Reading<'_>>,
    ) -> Result<Done, CheckpointError> {
        let origin: String = column(row, 1)?;
        let size: i64 = column(row, 2)?;
        let refuse = |reason| CheckpointError::Inconsistent {
            origin: origin.clone(),
            reason,
        };
        let length = u64::try_from(size).map_err(|_| refuse("its size is negative"))?;
        let frontier = Frontier::from_bytes(length, &column::<Vec<u8>>(row, 3)?)
            .map_err(|_| refuse("its frontier is malformed"))?;
        let name: Origin = origin
            .parse()
            .map_err(|_| refuse("its origin is malformed"))?;
        let signer = self.signer.with_name(name.as_str());
        let signer = signer.map_err(|error| CheckpointError::Sign(error.to_string()))?;

        let mut tree = match column::<Option<String>>(row, 5)? {
            None => Frontier::new(),
            Some(note) => {
                let before = Checkpoint::verify(&note, signer.verifier_key(), &name)
                    .map_err(|_| refuse("its last checkpoint is not ours"))?;
                let kept: Option<Vec<u8>> = column(row, 6)?;
                let kept = Frontier::from_bytes(before.size, &kept.unwrap_or_default())
                    .map_err(|_| refuse("the frontier of its last checkpoint is malformed"))?;
                if kept.root() != before.root || length < before.size {
                    return Err(refuse("it shrank, or what was signed was changed"));
                }
                kept
            }
        };
        let before = tree.clone();
        let mut signed = Vec::with_capacity(1);
        if self.store.is_some() {
            let nothing = Known::default();
            let known = known.unwrap_or(&nothing);
            let unpublished = goes_on(tx, tenant, known, &mut tree, length).await?;
            let unpublished = unpublished.map_err(&refuse)?;
            signed.extend(unpublished.map(|head| Signed {
                tenant,
                head,
                before: None,
                is_kept: true,
                entry: None,
            }));
        }
        // From the entries themselves: a head alone could say anything.
        if !grow(tx, &tenant, &mut tree, length).await? {
            return Err(refuse("entries are missing"));
        }
        if tree.root() != frontier.root() {
            return Err(refuse("its entries are not those of its head"));
        }
        if let Some(reading) = reading {
            match reading
                .agree(tx, tenant, &before, length, tree.root())
                .await?
            {
                Agreement::All => {}
                Agreement::Differs(zone) => {
                    return Err(CheckpointError::ZoneDiffers { origin, zone });
                }
                Agreement::Missing(missing) => {
                    let known: i64 = column(row, 7)?;
                    let known = before.size().max(known.unsigned_abs());
                    let size = reading.held_by_all(tenant, known, length);
                    let root = root_in(tx, tenant, &before, size).await?;
                    let root = root.ok_or_else(|| refuse("entries are missing"))?;
                    let note = (size > 0).then(|| {
                        DegradedNote::sign(&self.signer, tenant, &name, (size, root), &missing)
                    });
                    let note = note.transpose();
                    return Ok(Done::Degraded {
                        note: note.map_err(|error| CheckpointError::Sign(error.to_string()))?,
                        missing: missing.iter().map(ToString::to_string).collect(),
                    });
                }
            }
        }
        let kept = known.and_then(|known| known.head.clone());
        if kept
            .as_ref()
            .is_some_and(|head| head.checkpoint().size == length)
        {
            return Ok(Done::Signed(signed));
        }
        let checkpoint = Checkpoint {
            origin: name,
            size: length,
            root: tree.root(),
        };
        let note = checkpoint
            .sign(&signer)
            .map_err(|error| CheckpointError::Sign(error.to_string()))?;
        signed.push(Signed {
            tenant,
            head: Head::new(checkpoint, note, tree),
            before: kept,
            is_kept: false,
            entry: None,
        });
        Ok(Done::Signed(signed))
    }
}

/// Checks that a log begins with all that the checkpoint store has of it; `tree`, which is that of
/// its last published checkpoint, grows along. Answers the store's checkpoint if it was never
/// published, or why the log is not signed.
async fn goes_on(
    tx: &mut JobTx,
    tenant: Uuid,
    known: &Known,
    tree: &mut Frontier,
    length: u64,
) -> Result<Result<Option<Head>, &'static str>, QueryError> {
    let published = tree.size();
    let head = known.head.as_ref();
    let kept = head.map_or(0, |head| head.checkpoint().size);
    if kept < published {
        return Ok(Err("the checkpoint store has an older checkpoint than it"));
    }
    for (size, root) in known.signed() {
        if size > length {
            return Ok(Err("it was set back: more of it was signed before"));
        }
        if size < published {
            continue;
        }
        if !grow(tx, &tenant, tree, size).await? {
            return Ok(Err("entries are missing"));
        }
        if tree.root() != root {
            return Ok(Err("it has another history than what was signed before"));
        }
    }
    Ok(Ok(head.filter(|_| kept > published).cloned()))
}
