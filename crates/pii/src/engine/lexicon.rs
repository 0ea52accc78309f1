//! Words that tell what a value beside them is.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::candidate::ClassIndex;
use super::words;

/// A set of classes, the user's own included.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ClassSet([u64; 4]);

impl ClassSet {
    pub(crate) fn insert(&mut self, class: ClassIndex) {
        if let Some(word) = self.0.get_mut(usize::from(class / 64)) {
            *word |= 1 << (class % 64);
        }
    }

    #[inline]
    pub(crate) fn contains(&self, class: ClassIndex) -> bool {
        let word = self.0.get(usize::from(class / 64));
        word.is_some_and(|word| word & (1 << (class % 64)) != 0)
    }

    fn is_empty(&self) -> bool {
        self.0 == [0; 4]
    }
}

/// What a word, or the phrase that it ends, says of a value beside it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Entry {
    /// The classes that it names.
    pub(crate) names: ClassSet,
    /// The classes that it hints at.
    pub(crate) hints: ClassSet,
    /// It names something that is no class: an order, a version.
    pub(crate) other: bool,
    /// It is passed over: "number", "is", "the".
    pub(crate) filler: bool,
    /// How many words the longest phrase has that ends with this word.
    phrase: u8,
}

impl Entry {
    /// Whether it names a class.
    pub(crate) fn names_any(&self) -> bool {
        !self.names.is_empty()
    }

    /// Whether it says anything.
    pub(crate) fn tells(&self) -> bool {
        self.other || !self.names.is_empty() || !self.hints.is_empty()
    }
}

/// Every word and phrase.
pub(crate) struct Lexicon {
    entries: HashMap<Box<str>, Entry, BuildHasherDefault<Fnv>>,
    /// A bit for each word, by its first letters and its length, so that nearly all others are known
    /// to be none at once.
    known: Vec<u64>,
    /// The words of scripts that put no spaces between words.
    unspaced: Vec<Box<str>>,
}

/// Whether a character is of a script that puts no spaces between words, or glues particles on.
fn is_unspaced(c: char) -> bool {
    c >= '\u{E00}'
}

/// The longest word that is looked up, in bytes; a longer one tells nothing.
pub(crate) const LONGEST: usize = 64;

impl Lexicon {
    /// The built-in words.
    pub(crate) fn standard() -> Self {
        let mut lexicon = Self {
            entries: HashMap::default(),
            known: vec![0; KNOWN / 64],
            unspaced: Vec::new(),
        };
        for (kinds, phrase) in words::names() {
            for kind in kinds {
                lexicon.name(kind as ClassIndex, phrase);
            }
        }
        for (kinds, phrase) in words::hints() {
            let entry = lexicon.entry(phrase);
            for kind in kinds {
                entry.hints.insert(kind as ClassIndex);
            }
        }
        lexicon.unspaced = lexicon
            .entries
            .keys()
            .filter(|word| word.chars().all(is_unspaced))
            .cloned()
            .collect();
        for word in words::others() {
            lexicon.entry(word).other = true;
        }
        for word in words::fillers() {
            lexicon.entry(word).filler = true;
        }
        lexicon
    }

    /// Adds a phrase that names a class.
    pub(crate) fn name(&mut self, class: ClassIndex, phrase: &str) {
        self.entry(phrase).names.insert(class);
    }

    /// What a word says that is written in any case.
    #[inline]
    pub(crate) fn find(&self, word: &str) -> Option<&Entry> {
        if !word.is_ascii() {
            return self.word(&word.to_lowercase());
        }
        let (place, bit) = sketch(word.as_bytes());
        let known = self.known.get(place).is_some_and(|bits| bits & bit != 0);
        if !known || word.len() > LONGEST {
            return None;
        }
        let mut lower = [0; LONGEST];
        let lower = lower.get_mut(..word.len())?;
        lower.copy_from_slice(word.as_bytes());
        lower.make_ascii_lowercase();
        self.entries.get(std::str::from_utf8(lower).ok()?)
    }

    /// What a single word says; a phrase that it ends is looked for with [`Self::phrase`].
    #[inline]
    pub(crate) fn word(&self, lower: &str) -> Option<&Entry> {
        let known = self.entries.get(lower);
        if known.is_none() && lower.chars().next_back().is_some_and(is_unspaced) {
            // The longest word inside says most.
            let inside = self
                .unspaced
                .iter()
                .filter(|word| lower.contains(&***word))
                .max_by_key(|word| word.len());
            return inside.and_then(|word| self.entries.get(word));
        }
        known
    }

    /// How many words may belong to a phrase that ends with this one.
    pub(crate) fn reach(entry: &Entry) -> usize {
        usize::from(entry.phrase)
    }

    fn entry(&mut self, phrase: &str) -> &mut Entry {
        for word in phrase.split(' ') {
            let (place, bit) = sketch(word.as_bytes());
            if let Some(bits) = self.known.get_mut(place) {
                *bits |= bit;
            }
        }
        let words = phrase.split(' ').count();
        if words > 1
            && let Some(last) = phrase.rsplit(' ').next()
        {
            let ends = self.entries.entry(last.into()).or_default();
            ends.phrase = ends.phrase.max(u8::try_from(words).unwrap_or(u8::MAX));
        }
        self.entries.entry(phrase.into()).or_default()
    }
}

/// How many bits a sketch chooses from.
const KNOWN: usize = 1 << 15;

/// Which bit stands for a word: by its first eight letters, whatever their case, and its length.
#[inline]
fn sketch(word: &[u8]) -> (usize, u64) {
    let mut first = [0; 8];
    for (slot, byte) in first.iter_mut().zip(word) {
        *slot = byte | 0x20;
    }
    let length = u64::try_from(word.len()).unwrap_or(0);
    let hash = (u64::from_le_bytes(first) ^ length << 56).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let hash = usize::try_from(hash >> 49).unwrap_or(0);
    (hash / 64, 1 << (hash % 64))
}

/// FNV-1a: the keys are ours, and short.
#[derive(Clone, Copy)]
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        // The table takes its bits from both ends.
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
