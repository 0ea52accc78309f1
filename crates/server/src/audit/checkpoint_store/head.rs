//! A log's head: its last checkpoint, and the frontier from which its entries go on.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use strongroom_auditchain::{Checkpoint, Frontier, Origin, VerifierKey};

const LABEL: &str = "strongroom.dev/checkpoint-head/v1";

/// The last checkpoint of a log, as it was signed.
#[derive(Clone, Debug)]
pub struct Head {
    checkpoint: Checkpoint,
    note: String,
    frontier: Frontier,
    text: String,
}

impl Head {
    /// What is to be kept of a checkpoint that was just signed.
    #[must_use]
    pub fn new(checkpoint: Checkpoint, note: String, frontier: Frontier) -> Self {
        let parts = STANDARD.encode(frontier.to_bytes());
        let text = format!("{LABEL}\nfrontier {parts}\n\n{note}");
        Self {
            checkpoint,
            note,
            frontier,
            text,
        }
    }

    /// Reads what was kept, if the log's key signed it and the frontier is the checkpoint's.
    #[must_use]
    pub fn parse(text: &str, key: &VerifierKey, origin: &Origin) -> Option<Self> {
        let rest = text.strip_prefix(LABEL)?.strip_prefix("\nfrontier ")?;
        let (parts, note) = rest.split_once("\n\n")?;
        let checkpoint = Checkpoint::verify(note, key, origin).ok()?;
        let parts = STANDARD.decode(parts).ok()?;
        let frontier = Frontier::from_bytes(checkpoint.size, &parts).ok()?;
        (frontier.root() == checkpoint.root).then(|| Self {
            checkpoint,
            note: note.to_owned(),
            frontier,
            text: text.to_owned(),
        })
    }

    /// What was signed.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The signed note.
    #[must_use]
    pub fn note(&self) -> &str {
        &self.note
    }

    /// The tree of the checkpoint's size.
    #[must_use]
    pub const fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// The file.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}
