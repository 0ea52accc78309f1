//! A table on the screen, and a line of JSON for each case.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::case::{Case, Goal, median};

/// One crate's results.
pub struct Report {
    name: &'static str,
    lines: String,
    only: Option<String>,
}

/// Runs of both sides by the wall clock, in entries a second.
pub struct Rates {
    /// What is done.
    pub name: String,
    /// The peer.
    pub peer_name: &'static str,
    /// What the work must reach, where something was promised.
    pub goal: Option<Goal>,
    /// Ours, a run each.
    pub ours: Vec<f64>,
    /// The peer's.
    pub peer: Vec<f64>,
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
            only: None,
        }
    }

    /// Leaves out the cases whose names do not hold this text, where a crate asks.
    pub fn only(mut self, text: Option<&str>) -> Self {
        self.only = text.map(str::to_owned);
        self
    }

    /// Whether a case of this name is wanted.
    pub fn wants(&self, name: &str) -> bool {
        self.only.as_deref().is_none_or(|only| name.contains(only))
    }

    /// Measures a case and adds it; what it holds is let go.
    pub fn measure(&mut self, mut case: Case) {
        let measured = case.measure();
        let ratio = measured.ratio();
        let goal = case.goal.map(|goal| goal.ratio);
        let stretch = case.goal.and_then(|goal| goal.stretch);
        let verdict = case.goal.map_or("", |goal| goal.verdict(ratio));
        // Bytes in a nanosecond are gigabytes in a second.
        let rate = case.bytes.map_or_else(
            || "-".to_owned(),
            |bytes| format!("{:.3}", bytes as f64 / measured.ours),
        );
        println!(
            "{:28} {:>13.1} {:>13.1} {ratio:>7.2} {:>6} {:>7} {:>6}  {verdict:8} {}",
            case.name,
            measured.ours,
            measured.peer,
            or_dash(goal),
            or_dash(stretch),
            rate,
            case.peer_name,
        );
        self.line(&json!({
            "crate": self.name, "case": case.name, "ours": measured.ours, "peer": measured.peer,
            "peer_name": case.peer_name, "unit": "ns", "ratio": ratio, "goal": goal,
            "stretch": stretch, "verdict": verdict, "bytes": case.bytes,
        }));
    }

    /// Adds a number, of bytes or microseconds, that must stay below a limit.
    pub fn bound(&mut self, name: &str, number: u64, unit: &str, limit: u64) {
        let verdict = if number < limit { "met" } else { "missed" };
        println!("{name:28} {number:>13} {unit}, to stay below {limit}  {verdict}");
        self.line(&json!({
            "crate": self.name, "case": name, "ours": number, "unit": unit, "limit": limit,
            "verdict": verdict,
        }));
    }

    /// Adds how many bytes something takes for each entry, or for each log, and what it may take.
    pub fn bytes_each(&mut self, name: &str, bytes: f64, limit: Option<f64>) {
        let verdict = limit.map_or("", |most| if bytes <= most { "met" } else { "missed" });
        println!(
            "{name:44} {bytes:>11.2} B, at most {:>7}  {verdict}",
            or_dash(limit)
        );
        self.line(&json!({
            "crate": self.name, "case": name, "ours": bytes, "unit": "B", "limit": limit,
            "verdict": verdict,
        }));
    }

    /// Adds rates by the wall clock, in entries a second: the ratio of the medians, the median of
    /// the ratios of neighbouring runs, and between what the runs of each side lay.
    pub fn rates(&mut self, rates: &Rates) {
        let (ours, peer) = (median(rates.ours.clone()), median(rates.peer.clone()));
        let ratio = ours / peer;
        let pairs = rates.ours.iter().zip(&rates.peer);
        let paired = median(pairs.map(|(ours, peer)| ours / peer).collect());
        let goal = rates.goal.map(|goal| goal.ratio);
        let verdict = rates.goal.map_or("", |goal| goal.verdict(ratio));
        let (ours_spread, peer_spread) = (spread(&rates.ours), spread(&rates.peer));
        println!(
            "{:44} {ours:>9.0} /s ({:.0}-{:.0}) {peer:>9.0} /s ({:.0}-{:.0}) {ratio:>6.2} \
             (by pairs {paired:.2}) {:>5} {verdict:7} {}",
            rates.name,
            ours_spread.0,
            ours_spread.1,
            peer_spread.0,
            peer_spread.1,
            or_dash(goal),
            rates.peer_name,
        );
        self.line(&json!({
            "crate": self.name, "case": rates.name, "ours": ours, "peer": peer,
            "peer_name": rates.peer_name, "unit": "entries/s", "ratio": ratio, "paired_ratio": paired, "goal": goal,
            "verdict": verdict, "ours_runs": rates.ours, "peer_runs": rates.peer,
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

fn spread(runs: &[f64]) -> (f64, f64) {
    let least = runs.iter().copied().fold(f64::INFINITY, f64::min);
    (least, runs.iter().copied().fold(0.0, f64::max))
}
