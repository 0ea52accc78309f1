//! The search of another process's memory.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{DIRECTORY, MODE};

/// A process whose memory is searched while it waits.
pub(super) struct Process {
    child: Child,
    pub(super) lines: Vec<String>,
}

impl Process {
    pub(super) fn start(mode: &str, directory: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "holds_keys", "--nocapture"])
            .env(MODE, mode)
            .env(DIRECTORY, directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let reader = BufReader::new(child.stderr.take().unwrap());
        let mut lines = Vec::new();
        for line in reader.lines() {
            match line.unwrap() {
                line if line == "ready" => return Self { child, lines },
                line => lines.push(line),
            }
        }
        panic!("the process ended: {:?}", lines.last());
    }

    /// Which needles are where: the name of the mapping.
    pub(super) fn search(&self, needles: &Needles) -> BTreeMap<usize, String> {
        let id = self.child.id();
        let memory = fs::File::open(format!("/proc/{id}/mem")).unwrap();
        let maps = fs::read_to_string(format!("/proc/{id}/maps")).unwrap();
        let mut found = BTreeMap::new();
        let mut searched = 0;
        for line in maps.lines() {
            let fields: Vec<_> = line.split_whitespace().collect();
            let name = fields.get(5).copied().unwrap_or("anonymous");
            // What is not writable was never written to, and the kernel's pages cannot be read.
            if !fields[1].starts_with("rw") || name.starts_with("[v") {
                continue;
            }
            let (start, end) = fields[0].split_once('-').unwrap();
            let [start, end] = [start, end].map(|at| u64::from_str_radix(at, 16).unwrap());
            let mut region = vec![0; usize::try_from(end - start).unwrap()];
            let is_read = memory.read_exact_at(&mut region, start);
            is_read.unwrap_or_else(|error| panic!("{line}: {error}"));
            searched += region.len();
            for (at, needle) in needles.find_in(&region) {
                let left = region.len() - at;
                found.insert(
                    needle,
                    format!("{name}, {left} of {} bytes before its end", region.len()),
                );
            }
        }
        assert!(searched > 1024 * 1024, "only {searched} bytes");
        found
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is searched for.
#[derive(Default)]
pub(super) struct Needles {
    /// What each is.
    pub(super) kinds: Vec<&'static str>,
    /// Halves of 16 bytes, by their first eight bytes.
    halves: HashMap<u64, Vec<([u8; 16], usize)>>,
    /// Whether any half begins with these two bytes.
    beginnings: Vec<bool>,
}

impl Needles {
    pub(super) fn add(&mut self, kind: &'static str, secret: &[u8]) {
        self.beginnings.resize(1 << 16, false);
        let number = self.kinds.len();
        self.kinds.push(kind);
        for half in secret.chunks_exact(16) {
            let half: [u8; 16] = half.try_into().unwrap();
            let first = u64::from_le_bytes(*half.first_chunk().unwrap());
            self.halves.entry(first).or_default().push((half, number));
            self.beginnings[usize::from(u16::from_le_bytes([half[0], half[1]]))] = true;
        }
    }

    fn find_in(&self, region: &[u8]) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        for (at, window) in region.windows(16).enumerate() {
            if !self.beginnings[usize::from(u16::from_le_bytes([window[0], window[1]]))] {
                continue;
            }
            let first = u64::from_le_bytes(*window.first_chunk().unwrap());
            let halves = self.halves.get(&first).into_iter().flatten();
            let matching = halves.filter(|(half, _)| half == window);
            found.extend(matching.map(|(_, number)| (at, *number)));
        }
        found
    }

    pub(super) fn count(&self, kind: &str) -> usize {
        self.kinds.iter().filter(|other| **other == kind).count()
    }
}
