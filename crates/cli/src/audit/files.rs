//! A log's files, wherever they are: in a store's zone, in an export's folder or archive.

use std::path::{Path, PathBuf};

use clap::Args;
use strongroom::auditchain::store::{Beneath, EntryForm, Export, Manifest, PayloadForm, ZoneRead};
use strongroom::auditchain::{Checkpoint, Note, Origin};

use super::archive::Archive;
use crate::failure::Failure;

/// Which log, and where its files are.
#[derive(Args)]
pub(super) struct Where {
    /// A store's zone, or an export: a folder, or a .tar file
    #[arg(long, value_name = "PATH")]
    pub(super) log: PathBuf,
    /// The log; of an export it is known
    #[arg(long)]
    pub(super) origin: Option<Origin>,
}

/// A log's files.
pub(super) struct Files {
    pub(super) zone: Box<dyn ZoneRead>,
    pub(super) origin: Origin,
    /// What an export says of itself.
    pub(super) manifest: Option<Manifest>,
}

impl Files {
    /// Finds them. An export must be of the log that is asked for.
    pub(super) fn open(path: &Path, origin: Option<&Origin>) -> Result<Self, Failure> {
        let name = path.display();
        let failed = |error: std::io::Error| Failure::unusable(format!("{name}: {error}"));
        let zone: Box<dyn ZoneRead> = if path.is_file() {
            Box::new(Archive::open(path).map_err(failed)?)
        } else {
            let folder = Beneath::open(path).map_err(failed)?;
            if folder.read("store", 64 * 1024).map_err(failed)?.is_some() {
                let origin = origin.cloned().ok_or_else(|| {
                    Failure::unusable(format!("{name}: a store's zone: give --origin"))
                })?;
                return Ok(Self {
                    zone: Box::new(folder),
                    origin,
                    manifest: None,
                });
            }
            Box::new(folder)
        };
        let export = Export::open(zone);
        let export = export.map_err(|error| Failure::unusable(format!("{name}: {error}")))?;
        let manifest = export.manifest().clone();
        if origin.is_some_and(|origin| *origin != manifest.origin) {
            return Err(Failure::unusable(format!(
                "{name}: an export of {}",
                manifest.origin
            )));
        }
        Ok(Self {
            zone: Box::new(export),
            origin: manifest.origin.clone(),
            manifest: Some(manifest),
        })
    }

    pub(super) fn entries(&self) -> EntryForm {
        self.manifest
            .as_ref()
            .map_or(EntryForm::Events, |it| it.entries)
    }

    pub(super) fn payloads(&self) -> PayloadForm {
        self.manifest
            .as_ref()
            .map_or(PayloadForm::AsWritten, |it| it.payloads)
    }

    /// A checkpoint of the log, the newest or that of a size; its signature is not verified.
    pub(super) fn checkpoint(&self, size: Option<u64>) -> Result<(Note, Checkpoint), Failure> {
        let folder = strongroom::auditchain::store::log_folder(&self.origin);
        let path = match size {
            None => format!("{folder}/checkpoint"),
            Some(size) => format!("{folder}/checkpoints/{size}"),
        };
        let most = strongroom::auditchain::MAX_NOTE_BYTES as u64;
        let bytes = self.zone.read(&path, most).map_err(Failure::unusable)?;
        let bytes = bytes.ok_or_else(|| Failure::unusable("the log has no such checkpoint"))?;
        let parsed = String::from_utf8(bytes).ok().and_then(|text| {
            let (said, _) = text.rsplit_once("\n\n")?;
            let checkpoint: Checkpoint = format!("{said}\n").parse().ok()?;
            Some((text.parse::<Note>().ok()?, checkpoint))
        });
        let parsed = parsed.filter(|(_, checkpoint)| checkpoint.origin == self.origin);
        parsed.ok_or_else(|| Failure::refused("malformed checkpoint"))
    }
}
