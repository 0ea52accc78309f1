//! Sealed records and the keys that they are sealed under.

mod inspect;
mod keyring;
mod long;
mod open;
#[cfg(target_os = "linux")]
mod progress;
mod rewrap;
mod seal;
mod shred;
mod threads;

use std::fs;
use std::path::PathBuf;

use crate::shell::{Run, Shell, TENANT};

const OTHER_TENANT: &str = "0190b2a4-8c7e-7d3a-9f00-0242ac120009";

/// More than one record of the compact suite holds.
const LONG: usize = 300_000;

/// The envelope's verbs, with a keyring.
struct Envelope(Shell);

impl Envelope {
    /// With a key `root`.
    fn new() -> Self {
        let envelope = Self(Shell::new());
        envelope.verb("keyring-new").ends_with(0);
        envelope
    }

    /// With a key `root` and a record of `plaintext` in `record`, sealed to it for row 17.
    fn with_record(plaintext: impl AsRef<[u8]>) -> Self {
        let envelope = Self::new();
        envelope
            .verb_with("seal --context row=17 --out record", plaintext)
            .ends_with(0);
        envelope
    }

    /// Runs a verb, with the keyring and the tenant.
    fn verb(&self, line: &str) -> Run {
        self.verb_with(line, "")
    }

    fn verb_with(&self, line: &str, input: impl AsRef<[u8]>) -> Run {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let line = format!("envelope {verb} --keyring keys --tenant {TENANT} {rest}");
        self.0.run_with(line.trim_end(), input)
    }

    fn keyring(&self) -> PathBuf {
        self.0.path("keys").join(format!("{TENANT}.keyring"))
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.path(name)).unwrap()
    }

    /// Opens `record` for row 17.
    fn opened(&self) -> Vec<u8> {
        let opened = self.verb("open --context row=17 record");
        opened.ends_with(0).stdout
    }

    /// What the directory holds besides the keyring.
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path(".")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name != "keys").collect();
        names.sort();
        names
    }

    /// The keys and versions that `record` is sealed under, and the bytes before its body.
    fn wraps(&self) -> (Vec<(String, u64)>, usize) {
        let told = self.0.run("envelope inspect record --json").ends_with(0);
        let told = told.json();
        let wraps = told["wrap"].as_array().unwrap().iter().map(|wrap| {
            let key = wrap["key"].as_str().unwrap().to_owned();
            (key, wrap["version"].as_u64().unwrap())
        });
        let front = told["front_bytes"].as_u64().unwrap();
        (wraps.collect(), usize::try_from(front).unwrap())
    }
}

/// Bytes of which no part is like another.
fn long() -> Vec<u8> {
    (0_u32..)
        .flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes())
        .take(LONG)
        .collect()
}
