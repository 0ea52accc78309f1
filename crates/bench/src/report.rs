//! A table on the screen, and a line of JSON for each case.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::case::Case;

/// One crate's results.
pub struct Report {
    name: &'static str,
    lines: String,
}

impl Report {
    /// Begins the table.
    pub fn new(name: &'static str) -> Self {
        println!(
            "{name:28} {:>13} {:>13} {:>7} {:>6} {:>7} {:>6}  {:8} peer",
            "ours, ns", "peer, ns", "ratio", "goal", "stretch", "GB/s", ""
        );
        Self {
            name,
            lines: String::new(),
        }
    }

    /// Measures a case and adds it; what it holds is let go.
    pub fn measure(&mut self, mut case: Case) {
        let measured = case.measure();
        let ratio = measured.ratio();
        let goal = case.goal.map(|goal| goal.ratio);
        let stretch = case.goal.and_then(|goal| goal.stretch);
        let verdict = case.goal.map_or("", |goal| goal.verdict(ratio));
        // Bytes in a nanosecond are gigabytes in a second.
        let rate = case.bytes.map(|bytes| bytes as f64 / measured.ours);
        println!(
            "{:28} {:>13.1} {:>13.1} {ratio:>7.2} {:>6} {:>7} {:>6}  {verdict:8} {}",
            case.name,
            measured.ours,
            measured.peer,
            or_dash(goal),
            or_dash(stretch),
            or_dash(rate),
            case.peer_name,
        );
        self.line(&json!({
            "crate": self.name, "case": case.name, "ours": measured.ours, "peer": measured.peer,
            "peer_name": case.peer_name, "unit": "ns", "ratio": ratio, "goal": goal,
            "stretch": stretch, "verdict": verdict, "bytes": case.bytes,
        }));
    }

    /// Adds a number of bytes that must stay below a limit.
    pub fn bound(&mut self, name: &str, bytes: u64, limit: u64) {
        let verdict = if bytes < limit { "met" } else { "missed" };
        println!("{name:28} {bytes:>13} bytes, to stay below {limit}  {verdict}");
        self.line(&json!({
            "crate": self.name, "case": name, "ours": bytes, "unit": "bytes", "limit": limit,
            "verdict": verdict,
        }));
    }

    fn line(&mut self, line: &Value) {
        self.lines.push_str(&line.to_string());
        self.lines.push('\n');
    }

    /// Writes `<crate>.jsonl` in a folder.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join(format!("{}.jsonl", self.name)), &self.lines)
    }
}

fn or_dash(number: Option<f64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| format!("{number:.2}"))
}
