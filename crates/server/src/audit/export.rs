//! The export: a tenant's log as files in one archive, up to its newest checkpoint, sent as it is
//! read. Files lie as those of an embedded store's log (`docs/spec/audit-store.md`, section 5),
//! beside a file `export` that says what they are.
//!
//! The platform's own log goes in the same form, to its operator.
//!
//! In memory are a page of entries, the tiles of the right edge, and one payload at a time.

mod anchors;

use std::collections::BTreeMap;
use std::io;

use axum::body::Bytes;
use strongroom_auditchain::store::{EntryForm, Manifest, PayloadForm};
use strongroom_auditchain::{
    Checkpoint, EntryBundle, Frontier, Hash, Origin, TILE_WIDTH, TileKind, TilePath, VerifierKey,
    grow_tiles,
};
use strongroom_tenancy::{ActorId, RequestId, TenantId};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::archive::{END, header, padding};
use super::due::AGENT_KINDS;
use super::payloads::{PayloadError, open_payload};
use crate::keystore::{KeyStore, KeyStoreError};
use crate::postgres::{Access, Gateway, QueryError, TenantTx, column, integer};

/// Entries read in one transaction, a multiple of a bundle's.
const PAGE: u64 = 2048;

/// Pieces that wait for the client.
const AHEAD: usize = 4;

const HEAD: &str = "select l.origin, c.size, c.note from app.audit_logs l \
     join app.audit_checkpoints c using (tenant_id) order by c.size desc limit 1";

const CHECKPOINTS: &str = "select size, note from app.audit_checkpoints \
     where size > $1 and size <= $2 order by size limit 1000";

const ENTRIES: &str =
    "select idx, leaf from app.audit_leaves where idx >= $1 and idx < $2 order by idx";

const PAYLOAD: &str = "select p.event_id, p.sealed from app.audit_leaves l \
     join app.audit_payloads p using (tenant_id, event_id) where l.idx = $1";

const WITH_PAYLOADS: &str = "select l.idx from app.audit_leaves l \
     where l.idx >= $1 and l.idx < $2 and exists (select from app.audit_payloads p \
       where p.event_id = l.event_id) order by l.idx";

/// What is needed to export a tenant's log, in the name of one who may read it.
pub struct Exporter {
    /// Tenants' rows.
    pub gateway: Gateway,
    /// Opens payloads, and the salts of anchors.
    pub keys: KeyStore,
    /// Whether payloads go with the log.
    pub with_payloads: bool,
    /// Whose log.
    pub tenant: TenantId,
    /// In whose name.
    pub actor: ActorId,
    /// By which request.
    pub request: RequestId,
    /// The key of receipts' batches.
    pub batch_key: VerifierKey,
}

/// An export that is about to be sent.
pub struct Export {
    exporter: Exporter,
    origin: Origin,
    checkpoint: Checkpoint,
    note: String,
    log_key: VerifierKey,
}

/// Why an export ends before its end. What was sent is no export then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The log could not be read.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A payload could not be opened.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The log is not what a log is.
    #[error("the log cannot be exported: {0}")]
    Log(&'static str),
    /// The client went.
    #[error("the client has gone")]
    Gone,
}

type Pieces = mpsc::Sender<io::Result<Bytes>>;

impl Exporter {
    /// Looks for the newest checkpoint, which `log_key` must have signed under the log's name. None
    /// before the first.
    ///
    /// # Errors
    /// [`ExportError`].
    pub async fn begin(
        self,
        log_key: impl FnOnce(&Origin) -> Option<VerifierKey>,
    ) -> Result<Option<Export>, ExportError> {
        let mut tx = self.begin_tx().await?;
        let rows = tx.query(HEAD, &[]).await?;
        tx.rollback().await;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let origin: String = column(row, 0)?;
        let origin: Origin = origin.parse().map_err(|_| ExportError::Log("its name"))?;
        let note: String = column(row, 2)?;
        let log_key = log_key(&origin).ok_or(ExportError::Log("its name"))?;
        let checkpoint = Checkpoint::verify(&note, &log_key, &origin)
            .map_err(|_| ExportError::Log("its newest checkpoint"))?;
        Ok(Some(Export {
            exporter: self,
            origin,
            checkpoint,
            note,
            log_key,
        }))
    }

    async fn begin_tx(&self) -> Result<TenantTx, QueryError> {
        self.gateway
            .begin(self.tenant, self.actor, &self.request, Access::Read)
            .await
    }
}

impl Export {
    /// Sends the archive in pieces, as fast as they are taken.
    #[must_use]
    pub fn send(self) -> mpsc::Receiver<io::Result<Bytes>> {
        let (pieces, taken) = mpsc::channel(AHEAD);
        tokio::spawn(async move {
            if let Err(error) = self.write(&pieces).await {
                if !matches!(error, ExportError::Gone) {
                    tracing::error!(%error, origin = %self.origin, "an export broke off");
                }
                // The connection ends without the end of the body: nobody takes it for whole.
                let _ = pieces.send(Err(io::Error::other("broken off"))).await;
            }
        });
        taken
    }

    async fn write(&self, to: &Pieces) -> Result<(), ExportError> {
        file(to, "export", self.manifest().to_string().as_bytes()).await?;
        file(to, "origin", format!("{}\n", self.origin).as_bytes()).await?;
        file(to, "checkpoint", self.note.as_bytes()).await?;
        self.checkpoints(to).await?;
        if self.is_platforms() {
            self.cosigned(to).await?;
        } else {
            self.anchors(to).await?;
        }
        let mut tree = Frontier::new();
        let mut edge: BTreeMap<TilePath, Vec<u8>> = BTreeMap::new();
        while tree.size() < self.checkpoint.size {
            let from = tree.size();
            let end = self.checkpoint.size.min(from.saturating_add(PAGE));
            let entries = self.entries(from, end).await?;
            for entries in entries.chunks(usize::from(TILE_WIDTH)) {
                self.tile(to, &mut tree, &mut edge, entries).await?;
            }
        }
        for (path, bytes) in &edge {
            file(to, &path.to_string(), bytes).await?;
        }
        send(to, &END).await
    }

    fn manifest(&self) -> Manifest {
        let agents = if self.is_platforms() {
            &[]
        } else {
            AGENT_KINDS.as_slice()
        };
        Manifest {
            origin: self.origin.clone(),
            size: self.checkpoint.size,
            entries: if self.is_platforms() {
                EntryForm::Platform
            } else {
                EntryForm::Events
            },
            payloads: if self.exporter.with_payloads {
                PayloadForm::Opened
            } else {
                PayloadForm::LeftOut
            },
            agents: agents.iter().map(ToString::to_string).collect(),
            log_key: self.log_key.clone(),
            batch_key: Some(self.exporter.batch_key.clone()),
        }
    }

    fn is_platforms(&self) -> bool {
        self.exporter.tenant == TenantId::PLATFORM_LOG
    }

    async fn checkpoints(&self, to: &Pieces) -> Result<(), ExportError> {
        let (mut after, last) = (0_i64, integer(self.checkpoint.size));
        loop {
            let mut tx = self.exporter.begin_tx().await?;
            let rows = tx.query(CHECKPOINTS, &[&after, &last]).await?;
            tx.rollback().await;
            if rows.is_empty() {
                return Ok(());
            }
            for row in &rows {
                after = column(row, 0)?;
                let note: String = column(row, 1)?;
                file(to, &format!("checkpoints/{after}"), note.as_bytes()).await?;
            }
        }
    }

    async fn entries(&self, from: u64, end: u64) -> Result<Vec<Vec<u8>>, ExportError> {
        let mut tx = self.exporter.begin_tx().await?;
        let rows = tx.query(ENTRIES, &[&integer(from), &integer(end)]).await?;
        tx.rollback().await;
        let mut entries = Vec::with_capacity(rows.len());
        for (row, expected) in rows.iter().zip(from..) {
            if column::<i64>(row, 0)? != integer(expected) {
                return Err(ExportError::Log("entries are missing"));
            }
            entries.push(column(row, 1)?);
        }
        if entries.len() as u64 != end - from {
            return Err(ExportError::Log("entries are missing"));
        }
        Ok(entries)
    }

    /// One bundle with its payloads, and the tiles that became full by it.
    async fn tile(
        &self,
        to: &Pieces,
        tree: &mut Frontier,
        edge: &mut BTreeMap<TilePath, Vec<u8>>,
        entries: &[Vec<u8>],
    ) -> Result<(), ExportError> {
        let first = tree.size();
        let index = first / u64::from(TILE_WIDTH);
        let width = u16::try_from(entries.len()).unwrap_or(TILE_WIDTH);
        let malformed = || ExportError::Log("its size");
        let path = TilePath::new(TileKind::Entries, index, width).map_err(|_| malformed())?;
        let mut bundle = Vec::new();
        for entry in entries {
            EntryBundle::append(&mut bundle, entry)
                .map_err(|_| ExportError::Log("an entry is too long"))?;
        }
        file(to, &path.to_string(), &bundle).await?;
        if self.exporter.with_payloads {
            self.payloads(to, &self.exporter.keys, first, &path).await?;
        }
        let hashes: Vec<Hash> = entries.iter().map(|entry| Hash::of_leaf(entry)).collect();
        let tiles = grow_tiles(edge, tree, &hashes).map_err(|_| malformed())?;
        for tile in tiles {
            // A wider tile supersedes the partial one in its place.
            edge.retain(|known, _| known.full() != tile.path.full());
            if tile.path.is_partial() {
                edge.insert(tile.path, tile.bytes);
            } else {
                file(to, &tile.path.to_string(), &tile.bytes).await?;
            }
        }
        hashes.into_iter().for_each(|hash| tree.push(hash));
        Ok(())
    }

    /// The opened payloads of a bundle, where there are any. A file's length comes before it, so that
    /// each is opened twice: they do not all fit into memory.
    async fn payloads(
        &self,
        to: &Pieces,
        keys: &KeyStore,
        first: u64,
        bundle: &TilePath,
    ) -> Result<(), ExportError> {
        let end = first.saturating_add(bundle.width().into());
        let mut tx = self.exporter.begin_tx().await?;
        let rows = tx
            .query(WITH_PAYLOADS, &[&integer(first), &integer(end)])
            .await?;
        tx.rollback().await;
        let mut lengths: BTreeMap<u64, u32> = BTreeMap::new();
        for row in &rows {
            let index = column::<i64>(row, 0)?.unsigned_abs();
            if let Some(opened) = self.payload(keys, index).await? {
                let length = u32::try_from(opened.len());
                lengths.insert(index, length.map_err(|_| ExportError::Log("a payload"))?);
            }
        }
        if lengths.is_empty() {
            return Ok(());
        }
        let total: u64 = lengths.values().map(|length| u64::from(*length)).sum();
        let total = total + 4 * u64::from(bundle.width());
        let path = bundle.to_string().replacen("tile/entries", "payload", 1);
        let head = header(&path, total).ok_or(ExportError::Log("a payload bundle"))?;
        send(to, &head).await?;
        for index in first..end {
            let length = lengths.get(&index).copied().unwrap_or(0);
            send(to, &length.to_be_bytes()).await?;
            if length > 0 {
                let opened = self.payload(keys, index).await?.unwrap_or_default();
                if opened.len() as u64 != u64::from(length) {
                    return Err(ExportError::Log("a payload was erased meanwhile"));
                }
                send(to, &opened).await?;
            }
        }
        send(to, padding(total)).await
    }

    /// A payload, opened; none when it is not there, or does not open.
    async fn payload(
        &self,
        keys: &KeyStore,
        index: u64,
    ) -> Result<Option<zeroize::Zeroizing<Vec<u8>>>, ExportError> {
        let mut tx = self.exporter.begin_tx().await?;
        let rows = tx.query(PAYLOAD, &[&integer(index)]).await?;
        tx.rollback().await;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let (id, sealed): (Uuid, Vec<u8>) = (column(row, 0)?, column(row, 1)?);
        match open_payload(keys, &self.exporter.tenant, id, &sealed).await {
            Ok(opened) => Ok(Some(opened.encode())),
            // It is as if it were missing: the entry that commits to it stands, and shows it.
            Err(PayloadError::Keys(error @ (KeyStoreError::NoKey | KeyStoreError::Failed))) => {
                tracing::error!(%error, index, "a payload was not exported");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

async fn file(to: &Pieces, path: &str, bytes: &[u8]) -> Result<(), ExportError> {
    let length = bytes.len() as u64;
    let head = header(path, length).ok_or(ExportError::Log("a file's path"))?;
    send(to, &head).await?;
    send(to, bytes).await?;
    send(to, padding(length)).await
}

async fn send(to: &Pieces, bytes: &[u8]) -> Result<(), ExportError> {
    if bytes.is_empty() {
        return Ok(());
    }
    let sent = to.send(Ok(Bytes::copy_from_slice(bytes))).await;
    sent.map_err(|_| ExportError::Gone)
}
