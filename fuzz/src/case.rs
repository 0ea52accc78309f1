//! Inputs: the committed corpus, and what chance makes of it.

use std::io;
use std::path::{Path, PathBuf};

/// The longest input that is made, in bytes.
const MAX_BYTES: usize = 16 * 1024;

/// Bytes that parsers treat in a way of their own.
const TELLING: &[u8] = b"\0\n\r\t \"'()+,-./0:=@[\\]_{|}~\x7f\x80\xbf\xc0\xf0\xff";

/// The committed inputs of one body, sorted by name.
pub struct Corpus {
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl Corpus {
    /// Reads `fuzz/corpus/<name>`.
    ///
    /// # Errors
    /// When the folder or a file in it cannot be read.
    pub fn read(name: &str) -> io::Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("corpus")
            .join(name);
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let bytes = std::fs::read(&path)?;
            files.push((path, bytes));
        }
        files.sort();
        Ok(Self { files })
    }

    /// The files and what they hold.
    pub fn files(&self) -> impl Iterator<Item = (&Path, &[u8])> {
        self.files
            .iter()
            .map(|(path, bytes)| (path.as_path(), bytes.as_slice()))
    }

    /// The input of one number under one seed: the same for the same corpus, always.
    #[must_use]
    pub fn case(&self, seed: u64, number: u64) -> Vec<u8> {
        let mut chance = Chance(seed ^ number.wrapping_mul(0xd134_2543_de82_ef95));
        let mut bytes = if chance.below(8) == 0 {
            Vec::new()
        } else {
            self.pick(&mut chance)
        };
        if bytes.is_empty() {
            let length = if chance.below(16) == 0 {
                MAX_BYTES
            } else {
                256
            };
            bytes = (0..chance.below(length)).map(|_| chance.byte()).collect();
        }
        for _ in 0..1 + chance.below(4) {
            self.mutate(&mut bytes, &mut chance);
        }
        bytes.truncate(MAX_BYTES);
        bytes
    }

    fn pick(&self, chance: &mut Chance) -> Vec<u8> {
        let at = chance.below(self.files.len().max(1));
        self.files
            .get(at)
            .map(|(_, bytes)| bytes.clone())
            .unwrap_or_default()
    }

    fn mutate(&self, bytes: &mut Vec<u8>, chance: &mut Chance) {
        let start = chance.below(bytes.len() + 1);
        let end = start + chance.below((bytes.len() - start).min(64) + 1);
        let replacement: Vec<u8> = match chance.below(7) {
            0 => Vec::new(),
            1 => (start..end).map(|_| chance.byte()).collect(),
            2 => (0..chance.below(16)).map(|_| chance.byte()).collect(),
            3 => bytes[start..end].repeat(2),
            4 => vec![TELLING[chance.below(TELLING.len())]; 1 + chance.below(4)],
            5 => {
                let other = self.pick(chance);
                let from = chance.below(other.len() + 1);
                other[from..].to_vec()
            }
            _ => {
                let flip = 1 << chance.below(8);
                bytes[start..end]
                    .iter()
                    .take(1)
                    .map(|byte| byte ^ flip)
                    .collect()
            }
        };
        let end = if replacement.len() == 1 {
            end.min(start + 1)
        } else {
            end
        };
        bytes.splice(start..end, replacement);
    }
}

/// SplitMix64: enough chance for inputs, and the same on every machine.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn cases_repeat_and_differ() {
        let corpus = Corpus {
            files: vec![("a".into(), b"v1,a text of some length, {\"a\": 1}".to_vec())],
        };
        let cases: BTreeSet<_> = (0..1000).map(|number| corpus.case(7, number)).collect();
        assert!(cases.len() > 900, "{}", cases.len());
        assert!(cases.iter().any(|case| case.starts_with(b"v1,")));
        assert!(cases.iter().all(|case| case.len() <= MAX_BYTES));
        assert_eq!(corpus.case(7, 3), corpus.case(7, 3));
        assert_ne!(corpus.case(7, 3), corpus.case(8, 3));
    }

    #[test]
    fn an_empty_corpus_makes_cases_too() {
        let corpus = Corpus { files: Vec::new() };
        assert!((0..100).any(|number| !corpus.case(1, number).is_empty()));
    }
}
