//! Lines: the newest size and root of each log that a batch signed, where no checkpoint covers it.

use std::collections::{BTreeMap, HashMap};

use strongroom_auditchain::{
    BatchFile, BatchLine, Hash, MAX_BATCH_FILE_BYTES, MAX_BATCH_LINES, Origin, sign_batch,
};

use super::{CheckpointStore, StoreError};

/// The folder of all nodes' lines.
const FOLDER: &str = "lines";

/// The newest line of each log, of this node and of others.
#[derive(Default)]
pub(in crate::audit) struct Newest(HashMap<Origin, (u64, Hash)>);

impl Newest {
    pub(super) fn of(&self, origin: &Origin) -> Option<(u64, Hash)> {
        self.0.get(origin).copied()
    }

    fn note(&mut self, origin: &Origin, size: u64, root: Hash) {
        let line = self.0.entry(origin.clone()).or_insert((size, root));
        if line.0 <= size {
            *line = (size, root);
        }
    }
}

impl CheckpointStore {
    /// Keeps this node's newest lines, signed as one batch, in place of those that it kept before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(in crate::audit) fn keep_lines(
        &self,
        lines: &BTreeMap<Origin, (u64, Hash)>,
        zones: u8,
    ) -> Result<(), StoreError> {
        let lines: Vec<BatchLine> = lines
            .iter()
            .map(|(origin, (size, root))| BatchLine {
                origin: origin.clone(),
                size: *size,
                root: *root,
            })
            .collect();
        let mut files = Vec::new();
        for (number, part) in lines.chunks(MAX_BATCH_LINES).enumerate() {
            let signed = sign_batch(part, zones.max(1), self.batches.as_ref());
            let signed = signed.map_err(|error| StoreError::Sign(error.to_string()))?;
            let path = format!("{FOLDER}/{}-{number}", self.node);
            files.push((path, BatchFile::from(&signed).to_string()));
        }
        self.folder.lock()?.write(&files)?;
        let mut newest = self.lines();
        for line in &lines {
            newest.note(&line.origin, line.size, line.root);
        }
        Ok(())
    }

    /// Reads what all nodes kept.
    ///
    /// # Errors
    /// [`StoreError`]; a file that the batch key did not sign is an error too.
    pub(in crate::audit) fn read_lines_again(&self) -> Result<(), StoreError> {
        for name in self.folder.list(FOLDER)? {
            let path = format!("{FOLDER}/{name}");
            for line in self.read_lines(&path)?.unwrap_or_default() {
                self.lines().note(&line.origin, line.size, line.root);
            }
        }
        Ok(())
    }

    fn read_lines(&self, path: &str) -> Result<Option<Vec<BatchLine>>, StoreError> {
        let Some(text) = self.folder.read(path, MAX_BATCH_FILE_BYTES as u64)? else {
            return Ok(None);
        };
        let malformed = || self.folder.malformed(path, "the batch key did not sign it");
        let file: BatchFile = text.parse().map_err(|_| malformed())?;
        let verified = file.verify(self.batches.verifier_key());
        let verified = verified.map_err(|_| malformed())?;
        Ok(Some(verified.lines().to_vec()))
    }

    /// Removes files of which checkpoints cover every line: mostly those of nodes that ended.
    pub(super) fn drop_covered_lines(&self) -> Result<(), StoreError> {
        let locked = self.folder.lock()?;
        for name in self.folder.list(FOLDER)? {
            let path = format!("{FOLDER}/{name}");
            let lines = self.read_lines(&path)?.unwrap_or_default();
            let mut is_covered = true;
            for line in &lines {
                let head = self.head(&line.origin)?;
                is_covered &= head.is_some_and(|head| head.checkpoint().size >= line.size);
                if !is_covered {
                    break;
                }
            }
            if is_covered {
                locked.remove(&path)?;
            }
        }
        Ok(())
    }

    /// All newest lines, as they are now.
    pub(in crate::audit) fn newest_lines(&self) -> HashMap<Origin, (u64, Hash)> {
        self.lines().0.clone()
    }
}
