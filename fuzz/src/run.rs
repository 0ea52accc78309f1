//! Running a body, and telling which input it failed on.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::{Body, Corpus};

/// An input of at most 16 KiB that takes longer shows work out of proportion.
const MAX_TIME: Duration = Duration::from_secs(10);

/// When to stop: whichever comes first.
#[derive(Clone, Copy)]
pub struct Limit {
    /// How many inputs.
    pub inputs: u64,
    /// How long.
    pub time: Duration,
}

/// What was run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// How many inputs.
    pub inputs: u64,
    /// The longest that one took.
    pub slowest: Duration,
}

/// Runs a body over its corpus.
///
/// # Panics
/// When something does not hold; the file's path is printed.
#[must_use]
pub fn replay(body: &Body, corpus: &Corpus) -> Tally {
    let mut tally = Tally::default();
    for (path, bytes) in corpus.files() {
        tally.add(run_one(body, bytes, &path.display().to_string()));
    }
    tally
}

/// Runs a body over inputs made by chance.
///
/// # Panics
/// When something does not hold; the seed, the input's number and its bytes are printed.
#[must_use]
pub fn random(body: &Body, corpus: &Corpus, seed: u64, limit: Limit) -> Tally {
    let begun = Instant::now();
    let mut tally = Tally::default();
    while tally.inputs < limit.inputs && begun.elapsed() < limit.time {
        let bytes = corpus.case(seed, tally.inputs);
        let origin = format!("seed {seed}, input {}", tally.inputs);
        tally.add(run_one(body, &bytes, &origin));
    }
    tally
}

/// Runs a body over one input and answers how long it took.
///
/// # Panics
/// When something does not hold.
pub fn run_one(body: &Body, bytes: &[u8], origin: &str) -> Duration {
    let begun = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| (body.run)(bytes)));
    let time = begun.elapsed();
    if let Err(panic) = result {
        report(body, bytes, origin);
        resume_unwind(panic);
    }
    if time > MAX_TIME {
        report(body, bytes, origin);
        panic!("{}: one input took {time:?}", body.name);
    }
    time
}

/// Prints the input, and keeps it in a file for `stable --input`.
fn report(body: &Body, bytes: &[u8], origin: &str) {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    eprintln!(
        "{} failed on {origin}: {} bytes {hex}",
        body.name,
        bytes.len()
    );
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("artifacts");
    let path = folder.join(format!("{}.failed", body.name));
    if std::fs::create_dir_all(&folder).is_ok() && std::fs::write(&path, bytes).is_ok() {
        eprintln!("kept as {}", path.display());
    }
}

impl Tally {
    fn add(&mut self, time: Duration) {
        self.inputs += 1;
        self.slowest = self.slowest.max(time);
    }
}
