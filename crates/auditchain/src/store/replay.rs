//! Replay: what the frames after the base say of each log.

use std::collections::{BTreeMap, HashMap};

use super::committer::Cut;
use super::integration::CutLog;
use super::log_state::{LogState, Tail};
use super::opening::{OpenError, Opened};
use super::wal::Record;
use crate::{Hash, Origin};

impl Opened {
    /// The entries that are in frames, log by log.
    pub(super) fn replay(&self) -> Result<Cut, OpenError> {
        let mut logs: BTreeMap<Origin, LogState> = BTreeMap::new();
        for file in &self.files {
            let mut numbers: HashMap<u32, Origin> = HashMap::new();
            for frame in file.frames(&self.store) {
                for record in frame.records() {
                    let record = record.map_err(|_| OpenError::Malformed("a frame's record"))?;
                    take(record, &mut numbers, &mut logs)?;
                }
            }
        }
        let logs = logs.iter_mut();
        Ok(Cut {
            base: self.last,
            logs: logs
                .filter_map(|(origin, log)| CutLog::take(origin, log))
                .collect(),
            bytes: 0,
        })
    }
}

fn take(
    record: Record<'_>,
    numbers: &mut HashMap<u32, Origin>,
    logs: &mut BTreeMap<Origin, LogState>,
) -> Result<(), OpenError> {
    match record {
        Record::Log {
            number,
            origin,
            frontier,
            last,
        } => {
            let known = logs.entry(origin.clone());
            let known = known.or_insert_with(|| LogState::new(frontier.clone(), last));
            if known.frontier != frontier || known.last != last {
                return Err(OpenError::Malformed("a log does not go on where it ended"));
            }
            if numbers.insert(number, origin).is_some() {
                return Err(OpenError::Malformed("two logs have one number"));
            }
        }
        Record::Entry(entry) => {
            let log = numbers
                .get(&entry.log)
                .and_then(|origin| logs.get_mut(origin));
            let log = log.ok_or(OpenError::Malformed("an entry of no log"))?;
            let leaf_hash = Hash::of_leaf(entry.leaf);
            log.frontier.push(leaf_hash);
            let tail = Tail {
                event_id: entry.event_id,
                leaf: entry.leaf.into(),
                payload: entry.payload.into(),
            };
            log.push(leaf_hash, tail);
        }
        Record::Stop => {}
    }
    Ok(())
}
