//! The embedded store: many logs in files, durable before they acknowledge.
//!
//! [`Store`] keeps its files in one to seven [`Zone`]s, acknowledges an entry once its batch is on
//! disk in a quorum of them, and remembers what it signed in a [`CheckpointStore`] apart
//! (`docs/spec/audit-store.md`).

mod answer;
mod base;
mod batch_in_hand;
mod beneath;
mod checked;
mod checkpoint_store;
mod claim;
mod committer;
mod creation;
mod directory;
mod equal;
mod export;
mod files;
mod filling;
mod folders;
mod guard;
mod hand;
mod head;
mod history;
mod identity;
mod ids;
mod inbox;
mod integration;
mod integrator;
mod keeper;
mod log_state;
mod logs;
mod mirror;
mod opening;
mod paths;
mod payloads;
mod quorum;
mod read_only;
mod replay;
mod retry;
mod scrub;
mod stored_log;
mod sweep;
mod temporary;
mod wal;
mod zone;
mod zone_writer;
mod zones;

use std::io;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

pub use beneath::Beneath;
pub use checkpoint_store::{CheckpointStore, Swap, SwapError};
pub use claim::{Claim, Claimed};
pub use directory::Directory;
pub use export::{
    EXPORT_LABEL, Export, ExportError, ExportOptions, MAX_MANIFEST_BYTES, Manifest, export,
};
pub use guard::{Inconsistent, StoreKeys};
pub use identity::MAX_ZONES;
pub use log_state::log_folder;
pub use opening::{OpenError, Recovery};
pub use paths::list_paths;
pub use payloads::{MAX_STORED_PAYLOAD_BYTES, PayloadBundle};
pub use read_only::ReadOnlyDirectory;
pub use scrub::{
    CURSOR_LABEL, CadencePeriod, Cursor, CursorError, EntryForm, Erased, MAX_CURSOR_BYTES,
    PayloadCounts, PayloadForm, Scrub, ScrubError, Scrubbed, scrub,
};
pub use stored_log::{StoredLog, StoredLogError};
pub use wal::{EntryRecord, Frame, FrameError, MAX_FRAME_BYTES, Record, StoreId, find_frame};
pub use zone::{Frames, Zone, ZoneRead};

use crate::{BatchError, Checkpoint, Classes, Hash, Leaf, Origin, Receipt};
use answer::{Awaited, answer};
use committer::{Append, Command, Committer, Shared};
use guard::Guard;
use inbox::Inbox;
use integrator::Integrator;
use keeper::Keeper;
use log_state::Tail;
use logs::Logs;
use quorum::Quorum;
use zones::Zones;

/// When it is worth trying again.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Bounds of what a store takes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The most entries of a batch: 1 to 8,192; 4,096 unless said otherwise.
    pub batch_entries: usize,
    /// A batch of so many bytes takes no further entry: 1 to 8 MiB; 1 MiB unless said otherwise.
    pub batch_bytes: usize,
    /// How long a batch waits for as many entries as the one before had, at most, and never longer
    /// than a quarter of what that one took; 1 ms unless said otherwise.
    pub linger: Duration,
    /// The most entries that wait; beyond it callers are told to come back. 1 to 1,048,576; 16,384
    /// unless said otherwise.
    pub queue_entries: usize,
    /// The most bytes that wait, from 1 on; 64 MiB unless said otherwise.
    pub queue_bytes: usize,
    /// The most bytes that are durable and not in tiles yet; beyond it callers are told to come
    /// back. They are in memory, and an opening reads them again. 4 MiB to 2 GiB; 256 MiB unless
    /// said otherwise.
    pub behind_bytes: usize,
    /// How long a zone may take for one call before it is given up as lost: 1 ms to 1 hour; 30 s
    /// unless said otherwise.
    pub patience: Duration,
}

impl Limits {
    /// The first field that is outside what it may be.
    fn fault(&self) -> Option<&'static str> {
        let patience = Duration::from_millis(1)..=Duration::from_secs(3600);
        let fits = [
            ("batch_entries", (1..=8192).contains(&self.batch_entries)),
            ("batch_bytes", (1..=8 << 20).contains(&self.batch_bytes)),
            ("queue_entries", (1..=1 << 20).contains(&self.queue_entries)),
            ("queue_bytes", self.queue_bytes >= 1),
            (
                "behind_bytes",
                (4 << 20..=2 << 30).contains(&self.behind_bytes),
            ),
            ("patience", patience.contains(&self.patience)),
        ];
        let mut faults = fits.into_iter().filter(|(_, fits)| !fits);
        faults.next().map(|(field, _)| field)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            batch_entries: 4096,
            batch_bytes: 1024 * 1024,
            linger: Duration::from_millis(1),
            queue_entries: 16 * 1024,
            queue_bytes: 64 * 1024 * 1024,
            behind_bytes: 256 * 1024 * 1024,
            patience: Duration::from_secs(30),
        }
    }
}

/// Everything that a store is opened with.
pub struct StoreConfig {
    /// The zones by number; none for one that cannot be reached.
    pub zones: Vec<Option<Arc<dyn Zone>>>,
    /// What was signed, apart from the zones.
    pub checkpoints: Arc<CheckpointStore>,
    /// The keys under which it signs.
    pub keys: Arc<dyn StoreKeys>,
    /// Which kinds of event are of which class: an erasure may cover one class alone.
    pub classes: Classes,
    /// Bounds of what it takes.
    pub limits: Limits,
    /// Whether an empty zone is filled from the others: after a disk was replaced.
    pub adopt_empty_zones: bool,
}

/// An open store.
///
/// Entries that come at the same time are written together: one flush a zone and one signature,
/// however many logs they are of. Every error of a write loses the zone until the store is opened
/// anew, and with too few zones left the whole store takes nothing more.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path();
/// use std::sync::Arc;
/// use strongroom_auditchain::store::{CheckpointStore, Directory, Store, StoreConfig, Zone};
/// use strongroom_auditchain::{Classes, Ed25519Signer, Event, Leaf, Outcome};
/// use strongroom_tenancy::RequestId;
///
/// let keys = Ed25519Signer::from_seed("audit.example.com/batch", &[1; 32])?;
/// let zone: Arc<dyn Zone> = Arc::new(Directory::open(path.join("zone-0"))?);
/// Store::create(&[Arc::clone(&zone)], 1)?;
/// let checkpoints = CheckpointStore::open(path.join("signed"), keys.verifier_key())?;
/// let (store, _) = Store::open(StoreConfig {
///     zones: vec![Some(zone)],
///     checkpoints: Arc::new(checkpoints),
///     keys: Arc::new(keys.same()),
///     classes: Classes::new(["chat."])?,
///     limits: Default::default(),
///     adopt_empty_zones: false,
/// })?;
///
/// # let leaf = Leaf::encode(&Event {
/// #     id: *RequestId::from_parts(1_700_000_000_000, &[1; 10]).as_uuid(),
/// #     time_us: 1_700_000_000_000_000,
/// #     kind: "chat.completed".parse()?,
/// #     actor: None,
/// #     resource: None,
/// #     credential: None,
/// #     request_id: RequestId::from_parts(1_700_000_000_000, &[2; 10]),
/// #     policy: None,
/// #     source: "gateway".to_owned(),
/// #     outcome: Outcome::Success,
/// #     commitments: strongroom_auditchain::Commitments::NONE,
/// # })?;
/// let origin = "audit.example.com/t/acme".parse()?;
/// let appended = store.append(&origin, leaf, Vec::new())?;
/// assert_eq!(appended.receipt.verify(keys.verifier_key())?.index(), 0);
/// let done = store.checkpoint()?;
/// assert_eq!(done.signed[0].size, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Store {
    inbox: Arc<Inbox>,
    shared: Arc<Shared>,
    limits: Limits,
    integrator: Arc<Integrator>,
    keeper: Option<Keeper>,
    threads: Vec<JoinHandle<()>>,
}

/// An entry that is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Where it stands, signed.
    pub receipt: Receipt,
    /// In how many zones it is at least.
    pub zones: u8,
}

/// An entry on its way.
#[derive(Debug)]
pub struct Ticket(Awaited);

/// Why an entry was not acknowledged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// Too much is waiting; nothing was written. Come back after this time.
    #[error("audit store: busy; try again in {} ms", .0.as_millis())]
    Busy(Duration),
    /// The payload is longer than [`MAX_STORED_PAYLOAD_BYTES`].
    #[error("audit store: the payload is longer than 1 MiB")]
    PayloadTooLong,
    /// It was being written when too few zones were left. It may be there when the store is opened
    /// anew, or not: append it again then, under the same event id.
    #[error("audit store: it is not known whether the entry was written: {0}")]
    Unknown(String),
    /// Too few zones are left; nothing was written. The store must be opened anew.
    #[error("audit store: takes nothing more: {0}")]
    Poisoned(String),
    /// The log is not what was signed of it; nothing was written.
    #[error(transparent)]
    Inconsistent(#[from] Arc<Inconsistent>),
    /// Another event of this log has the event id: one that differs in more than its time and the
    /// salts of its commitments. Nothing was written.
    #[error("audit store: another event has this id, at index {index}")]
    Conflict {
        /// Where it stands.
        index: u64,
    },
    /// The log could not be read; nothing was written.
    #[error("audit store: {0}")]
    Read(#[source] Arc<io::Error>),
    /// The entry is durable, and the batch could not be signed. Append it again, under the same
    /// event id, for a receipt.
    #[error("audit store: {0}")]
    Sign(#[source] Arc<BatchError>),
    /// The store is closed.
    #[error("audit store: closed")]
    Closed,
}

/// The checkpoints that were signed.
#[derive(Debug, Default)]
pub struct Checkpointed {
    /// One for each log that grew.
    pub signed: Vec<Checkpoint>,
    /// The logs that were not signed.
    pub refused: Vec<Refused>,
}

/// A log that was not signed.
#[derive(Debug)]
pub struct Refused {
    /// Which.
    pub origin: Origin,
    /// Why not.
    pub why: String,
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Too few zones are left.
    #[error("audit store: {0}")]
    Zones(#[source] io::Error),
    /// The checkpoints could not be kept apart: none of them was published.
    #[error(transparent)]
    Keep(#[from] SwapError),
    /// Nothing can be cut.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The store is closed.
    #[error("audit store: closed")]
    Closed,
}

impl Store {
    /// Makes a new store in empty zones, with a quorum of so many.
    ///
    /// # Errors
    /// [`OpenError::Quorum`] for numbers that do not fit, [`OpenError::NotEmpty`] for a zone that
    /// holds something.
    pub fn create(zones: &[Arc<dyn Zone>], quorum: usize) -> Result<(), OpenError> {
        creation::create(zones, quorum)
    }

    /// Opens a store: finds its history, makes the zones equal, takes what was left in frames into
    /// tiles.
    ///
    /// # Errors
    /// [`OpenError`]; nothing that was acknowledged is changed then.
    pub fn open(config: StoreConfig) -> Result<(Self, Recovery), OpenError> {
        let StoreConfig {
            zones,
            checkpoints,
            keys,
            classes,
            limits,
            adopt_empty_zones,
        } = config;
        if let Some(field) = limits.fault() {
            return Err(OpenError::Limits(field));
        }
        let known = |store: &StoreId| checkpoints.bind(store);
        let opened = opening::open(&zones, adopt_empty_zones, known)?;
        let guard = Arc::new(Guard { checkpoints, keys });
        let inbox = Arc::new(Inbox::new(limits));
        let shared = Arc::new(Shared::default());
        let (full, asked) = sync_channel::<()>(1);
        let zones_said = u8::try_from(opened.quorum).map_err(|_| OpenError::Quorum)?;
        let (places, patience) = (&opened.zones, limits.patience);
        let zones = Zones::start(places, opened.quorum, patience).map_err(OpenError::Threads)?;
        let zones = Arc::new(zones);
        let quorum = Quorum::start(places, opened.quorum, patience).map_err(OpenError::Threads)?;
        let mut recovery = opened.recovery.clone();
        recovery.epoch = opened.last.0 + 1;
        let mut committer = Committer {
            store: opened.store,
            epoch: recovery.epoch,
            sequence: opened.last.1,
            acknowledged: opened.last.1,
            quorum,
            logs: Logs::new(Arc::clone(&zones), Arc::clone(&guard)),
            numbered: 0,
            file_bytes: 0,
            tail_bytes: 0,
            signer: guard.keys.batches(),
            zones: zones_said,
            limits,
            shared: Arc::clone(&shared),
            full: Box::new(move || {
                // One request that waits is enough.
                let _ = full.try_send(());
            }),
        };
        let begun = committer.open(opened.zones.len());
        begun.map_err(|error| OpenError::Begin(error.into()))?;
        let integrator = Arc::new(Integrator {
            inbox: Arc::clone(&inbox),
            guard: Arc::clone(&guard),
            classes,
            zones,
            unsigned: Mutex::new(opened.base.unsigned.iter().cloned().collect()),
        });
        let replayed = opened.replay()?;
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            let thread = std::thread::Builder::new().name(name.to_owned());
            thread.spawn(work).map_err(OpenError::Threads)
        };
        // What the replay tells it is read while it is told.
        let queue = Arc::clone(&inbox);
        let committing = spawn("audit-committer", Box::new(move || committer.run(&queue)))?;
        // From here on whatever fails ends the committer.
        let mut store = Self {
            inbox,
            shared: Arc::clone(&shared),
            limits,
            integrator: Arc::clone(&integrator),
            keeper: None,
            threads: vec![committing],
        };
        if let Err(error) = integrator.replay(replayed) {
            let _ = store.inbox.command(Command::Poison(error.to_string()));
            return Err(OpenError::Integrate(error.into()));
        }
        let background = Arc::clone(&integrator);
        store.threads.push(spawn(
            "audit-integrator",
            Box::new(move || {
                while asked.recv().is_ok() {
                    // What is the matter is told to whoever asks for a checkpoint, or appends.
                    let _ = background.run(false);
                }
            }),
        )?);
        let keeper = Keeper::start(shared, guard, zones_said).map_err(OpenError::Threads)?;
        store.keeper = Some(keeper);
        Ok((store, recovery))
    }

    /// Appends an entry and waits until it is durable. `payload` is kept beside it until it is
    /// erased: seal it first. An event id that is there already is not written again, and gets the
    /// receipt of the entry that it has.
    ///
    /// # Errors
    /// [`AppendError`]: each says whether the entry may be there.
    pub fn append(
        &self,
        origin: &Origin,
        leaf: Leaf,
        payload: Vec<u8>,
    ) -> Result<Appended, AppendError> {
        self.submit(origin, leaf, payload)?.wait()
    }

    /// The same without waiting: the entry is not durable before the ticket says so.
    ///
    /// # Errors
    /// [`AppendError`] when it is not even taken.
    pub fn submit(
        &self,
        origin: &Origin,
        leaf: Leaf,
        payload: Vec<u8>,
    ) -> Result<Ticket, AppendError> {
        if payload.len() > MAX_STORED_PAYLOAD_BYTES {
            return Err(AppendError::PayloadTooLong);
        }
        if let Some(why) = &*locked(&self.shared.poisoned) {
            return Err(AppendError::Poisoned(why.clone()));
        }
        if self.shared.behind.load(Ordering::Relaxed) >= self.limits.behind_bytes {
            return Err(AppendError::Busy(RETRY_AFTER));
        }
        let (answer, answered) = answer();
        let append = Append {
            origin: origin.clone(),
            leaf: Hash::of_leaf(leaf.as_bytes()),
            entry: Tail {
                event_id: leaf.event_id(),
                leaf: leaf.into_bytes(),
                payload,
            },
            answer,
        };
        self.inbox.append(append)?;
        Ok(Ticket(answered))
    }

    /// Takes what is in frames into tiles, and signs a checkpoint of each log that grew since its
    /// last one. A log that did not grow costs nothing.
    ///
    /// # Errors
    /// [`CheckpointError`]. A log that is not what was signed of it is no error: it is among those
    /// that were refused, and the others are signed.
    pub fn checkpoint(&self) -> Result<Checkpointed, CheckpointError> {
        self.integrator.run(true)
    }

    /// Takes what is in frames into tiles, and carries out erasures; signs nothing.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn integrate(&self) -> Result<(), CheckpointError> {
        self.integrator.run(false).map(drop)
    }

    /// The zones that are not in use, and why.
    #[must_use]
    pub fn lost_zones(&self) -> Vec<(usize, String)> {
        let mut lost = locked(&self.shared.lost).clone();
        // Of those that the integrator has lost the committer may not know yet.
        for (zone, why) in self.integrator.zones.lost() {
            if lost.iter().all(|(known, _)| *known != zone) {
                lost.push((zone, why));
            }
        }
        lost
    }

    /// Why batches' roots are not kept apart at the moment, if they are not.
    #[must_use]
    pub fn keeping_fails(&self) -> Option<String> {
        self.keeper.as_ref().and_then(Keeper::failure)
    }
}

/// Everything that was taken is answered, and the frames say that the store was closed.
impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.inbox.command(Command::Stop);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
        self.keeper = None;
    }
}

impl Ticket {
    /// Waits until the entry is durable.
    ///
    /// # Errors
    /// [`AppendError`].
    pub fn wait(self) -> Result<Appended, AppendError> {
        self.0.wait()?.appended()
    }
}

impl AppendError {
    /// The same for the next in line.
    fn again(&self) -> Self {
        match self {
            Self::Busy(after) => Self::Busy(*after),
            Self::PayloadTooLong => Self::PayloadTooLong,
            Self::Unknown(why) => Self::Unknown(why.clone()),
            Self::Poisoned(why) => Self::Poisoned(why.clone()),
            Self::Inconsistent(why) => Self::Inconsistent(Arc::clone(why)),
            Self::Conflict { index } => Self::Conflict { index: *index },
            Self::Read(why) => Self::Read(Arc::clone(why)),
            Self::Sign(why) => Self::Sign(Arc::clone(why)),
            Self::Closed => Self::Closed,
        }
    }
}

/// A lock; what it guards is whole even if a holder panicked.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
