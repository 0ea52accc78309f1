//! A table on the screen, and a line of JSON for each case.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::json;

use crate::case::Measured;

/// One crate's results.
pub(crate) struct Report {
    name: &'static str,
    lines: String,
}

impl Report {
    pub(crate) fn new(name: &'static str) -> Self {
        println!(
            "{name:24} {:>14} {:>14} {:>7} {:>6}  peer",
            "ours, ns", "peer, ns", "ratio", "goal"
        );
        Self {
            name,
            lines: String::new(),
        }
    }

    pub(crate) fn add(&mut self, measured: Measured) {
        let Measured {
            case,
            peer_name,
            goal,
            ours,
            peer,
        } = &measured;
        let ratio = measured.ratio();
        println!("{case:24} {ours:>14.1} {peer:>14.1} {ratio:>7.2} {goal:>6.2}  {peer_name}");
        let line = json!({
            "crate": self.name, "case": case, "ours": ours, "peer": peer,
            "peer_name": peer_name, "unit": "ns", "ratio": ratio, "goal": goal,
        });
        self.lines.push_str(&line.to_string());
        self.lines.push('\n');
    }

    /// Writes `<crate>.jsonl` in a folder.
    pub(crate) fn write(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join(format!("{}.jsonl", self.name)), &self.lines)
    }
}
