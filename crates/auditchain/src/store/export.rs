//! The export: one log with everything that an auditor needs, `docs/spec/audit-export.md`.

use std::fmt;
use std::io;
use std::str::FromStr;

use super::files::LogFiles;
use super::log_state::log_folder;
use super::payloads;
use super::scrub::{EntryForm, PayloadForm};
use super::zone::ZoneRead;
use crate::lines::{Lines, decimal};
use crate::{
    Checkpoint, Classes, ClassesError, MAX_ANCHOR_BYTES, MAX_NOTE_BYTES, Origin, TilePath,
    TileReader as _, VerifierKey, bundles_for, tiles_for,
};

/// The first line of an export's manifest.
pub const EXPORT_LABEL: &str = "strongroom.dev/audit-export/v1";

/// The longest manifest, in bytes.
pub const MAX_MANIFEST_BYTES: usize = 64 * 1024;

/// The most kinds of event that a manifest lists.
const MAX_KINDS: usize = 256;

const MANIFEST: &str = "export";

/// What an export says of itself. Nothing in it is signed: keys that it names are for comparison
/// with those that the reader has from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The log.
    pub origin: Origin,
    /// How many entries it has: the size of its newest checkpoint.
    pub size: u64,
    /// What they are.
    pub entries: EntryForm,
    /// In what form the payloads are.
    pub payloads: PayloadForm,
    /// The kinds of event that are agents', as [`Classes::new`] takes them.
    pub agents: Vec<String>,
    /// The key of its checkpoints.
    pub log_key: VerifierKey,
    /// The key of its receipts' batches.
    pub batch_key: Option<VerifierKey>,
}

/// What goes into an export.
pub struct ExportOptions<'a> {
    /// What the log's entries are.
    pub entries: EntryForm,
    /// Whether payloads go with it, as they were written.
    pub with_payloads: bool,
    /// The kinds of event that are agents', as [`Classes::new`] takes them.
    pub agents: &'a [String],
    /// The key of its checkpoints.
    pub log_key: &'a VerifierKey,
    /// The key of its receipts' batches.
    pub batch_key: Option<&'a VerifierKey>,
}

/// An export, to be read as a store's zone is.
pub struct Export {
    files: Box<dyn ZoneRead>,
    folder: String,
    manifest: Manifest,
}

/// Why there is no export, or files are none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// A file could not be read or written.
    #[error("export: {0}")]
    Io(#[from] io::Error),
    /// There is no manifest.
    #[error("export: has no file named export")]
    NoManifest,
    /// The manifest is longer than [`MAX_MANIFEST_BYTES`], or no text.
    #[error("export: the manifest is no text of at most 64 KiB")]
    NoText,
    /// The first line is another.
    #[error("export: unknown format")]
    Label,
    /// A line of the manifest is missing or malformed.
    #[error("export: malformed {0}")]
    Line(&'static str),
    /// The log has no checkpoint yet.
    #[error("export: the log has no checkpoint")]
    NoCheckpoint,
    /// The newest checkpoint is not what the key signed.
    #[error("export: the log's newest checkpoint does not verify")]
    Checkpoint,
    /// A file of the log is missing.
    #[error("export: {0} is missing")]
    Missing(TilePath),
    /// The kinds of agents' events.
    #[error(transparent)]
    Classes(#[from] ClassesError),
}

impl Export {
    /// Takes the files of a folder or an archive.
    ///
    /// # Errors
    /// [`ExportError`] without a well-formed manifest. Whether the rest is sound is for
    /// [`super::scrub`] to see.
    pub fn open(files: Box<dyn ZoneRead>) -> Result<Self, ExportError> {
        let bytes = match files.read(MANIFEST, MAX_MANIFEST_BYTES as u64) {
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                return Err(ExportError::NoText);
            }
            read => read?.ok_or(ExportError::NoManifest)?,
        };
        let text = String::from_utf8(bytes).map_err(|_| ExportError::NoText)?;
        let manifest: Manifest = text.parse()?;
        Ok(Self {
            files,
            folder: format!("{}/", log_folder(&manifest.origin)),
            manifest,
        })
    }

    /// What it says of itself.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn within<'a>(&self, path: &'a str) -> Option<&'a str> {
        path.strip_prefix(&self.folder)
    }
}

/// Its one log is where a zone has it.
impl ZoneRead for Export {
    fn read(&self, path: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        self.within(path)
            .map_or(Ok(None), |path| self.files.read(path, most))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<(String, Option<u64>)>> {
        self.within(folder)
            .map_or(Ok(Vec::new()), |folder| self.files.list(folder))
    }
}

/// Writes an export of a log up to its newest checkpoint: each file's path and bytes, always in the
/// same order.
///
/// # Errors
/// [`ExportError`]; what was written is no export then.
pub fn export(
    zone: &dyn ZoneRead,
    origin: &Origin,
    options: &ExportOptions<'_>,
    mut write: impl FnMut(&str, &[u8]) -> io::Result<()>,
) -> Result<Manifest, ExportError> {
    let folder = log_folder(origin);
    let text = |path: &str, most: usize| zone.read(&format!("{folder}/{path}"), most as u64);
    let newest = text("checkpoint", MAX_NOTE_BYTES)?.ok_or(ExportError::NoCheckpoint)?;
    let note = std::str::from_utf8(&newest).map_err(|_| ExportError::Checkpoint)?;
    let verified = Checkpoint::verify(note, options.log_key, origin);
    let size = verified.map_err(|_| ExportError::Checkpoint)?.size;
    let payloads = options.with_payloads && options.entries == EntryForm::Events;
    let manifest = Manifest {
        origin: origin.clone(),
        size,
        entries: options.entries,
        payloads: if payloads {
            PayloadForm::AsWritten
        } else {
            PayloadForm::LeftOut
        },
        agents: options.agents.to_vec(),
        log_key: options.log_key.clone(),
        batch_key: options.batch_key.cloned(),
    };
    manifest.classes()?;
    write(MANIFEST, manifest.to_string().as_bytes())?;
    write("origin", format!("{origin}\n").as_bytes())?;
    write("checkpoint", &newest)?;
    for (kind, most) in [
        ("checkpoints", MAX_NOTE_BYTES),
        ("anchors", MAX_ANCHOR_BYTES),
        ("cosigned", MAX_NOTE_BYTES),
    ] {
        let names = zone.list(&format!("{folder}/{kind}"))?;
        let mut numbers: Vec<u64> = names.iter().filter_map(|(name, _)| decimal(name)).collect();
        numbers.sort_unstable();
        for number in numbers {
            let path = format!("{kind}/{number}");
            // One that was signed while this is written is not of it.
            let later = kind != "cosigned" && number > size;
            if let Some(bytes) = text(&path, most)?.filter(|_| !later) {
                write(&path, &bytes)?;
            }
        }
    }
    let files = LogFiles::of(zone, origin);
    for path in tiles_for(0, size).chain(bundles_for(0, size)) {
        let bytes = files.read(&path)?.ok_or(ExportError::Missing(path))?;
        write(&path.to_string(), &bytes)?;
    }
    for path in bundles_for(0, size).take_while(|_| payloads) {
        let index = path.index();
        if let Some(bundle) = payloads::read(zone, &folder, index, size)? {
            let at = payloads::path("", &path);
            write(at.trim_start_matches('/'), &bundle.encode())?;
        }
    }
    Ok(manifest)
}

impl Manifest {
    /// Which kinds of event are of which class.
    ///
    /// # Errors
    /// [`ClassesError`] for kinds that are none.
    pub fn classes(&self) -> Result<Classes, ClassesError> {
        Classes::new(self.agents.iter().map(String::as_str))
    }
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{EXPORT_LABEL}\norigin {}\nsize {}",
            self.origin, self.size
        )?;
        let entries = match self.entries {
            EntryForm::Events => "events",
            EntryForm::Platform => "platform",
        };
        let payloads = match self.payloads {
            PayloadForm::AsWritten => "as-written",
            PayloadForm::Opened => "opened",
            PayloadForm::LeftOut => "left-out",
        };
        writeln!(
            f,
            "entries {entries}\npayloads {payloads}\nlog-key {}",
            self.log_key
        )?;
        if let Some(key) = &self.batch_key {
            writeln!(f, "batch-key {key}")?;
        }
        self.agents
            .iter()
            .try_for_each(|kind| writeln!(f, "agent {kind}"))
    }
}

impl FromStr for Manifest {
    type Err = ExportError;

    fn from_str(text: &str) -> Result<Self, ExportError> {
        if text.len() > MAX_MANIFEST_BYTES {
            return Err(ExportError::NoText);
        }
        let mut lines = Lines::new(text);
        if lines.line() != Some(EXPORT_LABEL) {
            return Err(ExportError::Label);
        }
        let origin = lines.keyed("origin").and_then(|it| it.parse().ok());
        let origin = origin.ok_or(ExportError::Line("origin"))?;
        let size = lines.keyed("size").and_then(decimal);
        let size = size.ok_or(ExportError::Line("size"))?;
        let entries = match lines.keyed("entries") {
            Some("events") => EntryForm::Events,
            Some("platform") => EntryForm::Platform,
            _ => return Err(ExportError::Line("entries")),
        };
        let payloads = match lines.keyed("payloads") {
            Some("as-written") => PayloadForm::AsWritten,
            Some("opened") => PayloadForm::Opened,
            Some("left-out") => PayloadForm::LeftOut,
            _ => return Err(ExportError::Line("payloads")),
        };
        let log_key = lines.keyed("log-key").and_then(|it| it.parse().ok());
        let log_key = log_key.ok_or(ExportError::Line("log-key"))?;
        let batch_key = lines.keyed("batch-key").map(str::parse).transpose();
        let batch_key = batch_key.map_err(|_| ExportError::Line("batch-key"))?;
        let mut agents = Vec::new();
        while let Some(kind) = lines.keyed("agent") {
            if agents.len() == MAX_KINDS {
                return Err(ExportError::Line("agent"));
            }
            agents.push(kind.to_owned());
        }
        if !lines.rest().is_empty() {
            return Err(ExportError::Line("line after the last"));
        }
        let manifest = Self {
            origin,
            size,
            entries,
            payloads,
            agents,
            log_key,
            batch_key,
        };
        manifest.classes().map_err(|_| ExportError::Line("agent"))?;
        Ok(manifest)
    }
}
