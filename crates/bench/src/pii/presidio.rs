//! Ours beside Presidio, which a Python interpreter runs on the same texts, in a process of its own.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;

use serde_json::json;

use super::{ARTICLE, REQUEST, Shared, bytes, ours, text};
use crate::case::{Case, Goal, Side};
use crate::report::Report;

/// How much text each case has, in bytes: some seconds' worth for Presidio.
const SAMPLE: usize = 100_000;

const NAME: &str = "Presidio 2.2.366, patterns only";

/// What was promised.
const PROMISED: Goal = Goal::of(1000.0);

/// What runs it: patterns only.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/presidio.py");

/// Measures scans beside it. Its time is CPU time too, the median of rounds that it makes by itself,
/// not in turn with ours; beside a factor of hundreds what disturbs one of them is small.
pub fn measure(report: &mut Report, python: &Path, folder: &Path) -> Result<(), Box<dyn Error>> {
    let sample = text::of(SAMPLE, 1);
    let cases: [(&str, Shared); 2] = [("scan 234 B", REQUEST), ("scan 10 KB", ARTICLE)]
        .map(|(name, size)| (name, Rc::new(text::documents(&sample, size))));
    fs::create_dir_all(folder)?;
    let path = folder.join("pii-texts.json");
    let texts: BTreeMap<_, _> = cases
        .iter()
        .map(|(name, texts)| (*name, &**texts))
        .collect();
    fs::write(&path, json!(texts).to_string())?;
    let output = Command::new(python)
        .arg(SCRIPT)
        .arg(&path)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err("Presidio was not measured".into());
    }
    let theirs: BTreeMap<String, f64> = serde_json::from_slice(&output.stdout)?;
    for (name, texts) in cases {
        let nanoseconds = *theirs.get(name).ok_or("a case that Presidio left out")?;
        report.measure(Case {
            name: name.to_owned(),
            peer_name: NAME,
            goal: Some(PROMISED),
            bytes: Some(bytes(&texts)),
            ours: ours(&texts),
            peer: Side::constant(nanoseconds),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_one_that_is_installed() {
        let list = include_str!("../../requirements.txt");
        let pinned = |line: &str| Some(line.strip_prefix("presidio_analyzer==")?.to_owned());
        let version = list.lines().find_map(pinned).unwrap();
        assert_eq!(NAME, format!("Presidio {version}, patterns only"));
    }
}
