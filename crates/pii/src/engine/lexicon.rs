//! Words that tell what a value beside them is.

use std::collections::HashMap;

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

/// What a word, or a phrase, says of a value beside it.
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
    /// Whether a phrase ends with it.
    pub(crate) ends_phrase: bool,
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

/// Which word or phrase.
pub(crate) type EntryIndex = u32;

/// Every word and phrase.
pub(crate) struct Lexicon {
    entries: Vec<Entry>,
    /// Words of up to [`SHORT`] bytes, which nearly all are.
    short: Table,
    /// Longer ones.
    long: HashMap<Box<str>, EntryIndex>,
    /// Phrases, from the last word on: what is known of one, and the word before it.
    phrases: HashMap<(EntryIndex, EntryIndex), EntryIndex>,
    /// The words of scripts that put no spaces between words.
    unspaced: Vec<(Box<str>, EntryIndex)>,
}

/// Whether a character is of a script that puts no spaces between words, or glues particles on.
fn is_unspaced(c: char) -> bool {
    c >= '\u{E00}'
}

/// The longest word of ASCII that is looked up, in bytes; a longer one tells nothing.
const LONGEST: usize = 64;

impl Lexicon {
    /// The built-in words.
    pub(crate) fn standard() -> Self {
        let mut lexicon = Self {
            entries: Vec::new(),
            short: Table::new(),
            long: HashMap::new(),
            phrases: HashMap::new(),
            unspaced: Vec::new(),
        };
        for (kinds, phrase) in words::names() {
            for kind in kinds {
                lexicon.name(kind as ClassIndex, phrase);
            }
            lexicon.note_unspaced(phrase);
        }
        for (kinds, phrase) in words::hints() {
            let entry = lexicon.entry(phrase);
            for kind in kinds {
                entry.hints.insert(kind as ClassIndex);
            }
            lexicon.note_unspaced(phrase);
        }
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

    /// What is known of a word.
    pub(crate) fn get(&self, index: EntryIndex) -> &Entry {
        const NONE: &Entry = &Entry {
            names: ClassSet([0; 4]),
            hints: ClassSet([0; 4]),
            other: false,
            filler: false,
            ends_phrase: false,
        };
        usize::try_from(index)
            .ok()
            .and_then(|index| self.entries.get(index))
            .unwrap_or(NONE)
    }

    /// What a word says that is written in any case.
    pub(crate) fn find(&self, word: &str) -> Option<&Entry> {
        self.index(word.as_bytes(), 0, word.len())
            .map(|index| self.get(index))
    }

    /// Which word stands there, in any case.
    #[inline]
    pub(crate) fn index(&self, text: &[u8], start: usize, end: usize) -> Option<EntryIndex> {
        if end - start <= SHORT {
            let key = key(text, start, end);
            if key.is_ascii() {
                return self.short.get(key.in_lower_case());
            }
        }
        self.index_of_any(text.get(start..end)?)
    }

    /// The same, for long words and those beyond ASCII.
    #[cold]
    fn index_of_any(&self, word: &[u8]) -> Option<EntryIndex> {
        let word = std::str::from_utf8(word).ok()?;
        if word.is_ascii() && word.len() > LONGEST {
            return None;
        }
        let lower = word.to_lowercase();
        let known = self.index_of(&lower);
        if known.is_none() && lower.chars().next_back().is_some_and(is_unspaced) {
            // The longest word inside says most.
            let inside = self.unspaced.iter();
            let inside = inside.filter(|(word, _)| lower.contains(&**word));
            return inside
                .max_by_key(|(word, _)| word.len())
                .map(|(_, index)| *index);
        }
        known
    }

    /// The phrase of a word and what is known to come after it.
    #[inline]
    pub(crate) fn phrase(&self, word: EntryIndex, rest: EntryIndex) -> Option<EntryIndex> {
        self.phrases.get(&(rest, word)).copied()
    }

    /// The index of a word in lower case.
    fn index_of(&self, lower: &str) -> Option<EntryIndex> {
        if lower.len() <= SHORT {
            self.short.get(key(lower.as_bytes(), 0, lower.len()))
        } else {
            self.long.get(lower).copied()
        }
    }

    fn note_unspaced(&mut self, word: &str) {
        if word.chars().all(is_unspaced)
            && let Some(index) = self.index_of(word)
        {
            self.unspaced.push((word.into(), index));
        }
    }

    /// The entry of a phrase, which is there from then on.
    fn entry(&mut self, phrase: &str) -> &mut Entry {
        let mut words = phrase.rsplit(' ');
        let mut index = self.word(words.next().unwrap_or_default());
        for word in words {
            let word = self.word(word);
            if let Some(entry) = self.entries.get_mut(index as usize) {
                entry.ends_phrase = true;
            }
            let next = self.next();
            index = *self.phrases.entry((index, word)).or_insert(next);
            if index == next {
                self.entries.push(Entry::default());
            }
        }
        // It was found, or pushed.
        #[allow(clippy::indexing_slicing, reason = "an index that was given out")]
        &mut self.entries[index as usize]
    }

    /// The index of a word, which has one from then on.
    fn word(&mut self, word: &str) -> EntryIndex {
        if let Some(index) = self.index_of(word) {
            return index;
        }
        let index = self.next();
        self.entries.push(Entry::default());
        if word.len() <= SHORT {
            self.short
                .insert(key(word.as_bytes(), 0, word.len()), index);
        } else {
            self.long.insert(word.into(), index);
        }
        index
    }

    fn next(&self) -> EntryIndex {
        EntryIndex::try_from(self.entries.len()).unwrap_or(EntryIndex::MAX)
    }
}

/// How many bytes the words of the table have at most.
const SHORT: usize = 16;

/// A word as a number: its bytes, and zeros.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Key(u128);

/// The word that stands there; it has no more than [`SHORT`] bytes.
#[inline]
fn key(text: &[u8], start: usize, end: usize) -> Key {
    let length = end - start;
    if length == 0 {
        return Key(0);
    }
    if let Some(bytes) = text.get(start..).and_then(<[u8]>::first_chunk::<SHORT>) {
        let unused = 8 * (SHORT - length);
        return Key(u128::from_le_bytes(*bytes) << unused >> unused);
    }
    let mut bytes = [0; SHORT];
    for (slot, byte) in bytes
        .iter_mut()
        .zip(text.get(start..end).unwrap_or_default())
    {
        *slot = *byte;
    }
    Key(u128::from_le_bytes(bytes))
}

impl Key {
    #[inline]
    fn is_ascii(self) -> bool {
        self.0 & u128::from_le_bytes([0x80; SHORT]) == 0
    }

    #[inline]
    fn in_lower_case(self) -> Self {
        let mut bytes = self.0.to_le_bytes();
        bytes.make_ascii_lowercase();
        Self(u128::from_le_bytes(bytes))
    }

    #[inline]
    const fn hash(self) -> u64 {
        const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
        let low = (self.0 & u64::MAX as u128) as u64;
        let high = (self.0 >> 64) as u64;
        let hash = (low ^ high.wrapping_mul(ODD).rotate_left(29)).wrapping_mul(ODD);
        hash ^ hash >> 32
    }
}

/// Words and their indices, in open addressing: the keys are ours.
struct Table {
    slots: Vec<(Key, EntryIndex)>,
    count: usize,
    /// A bit for each word, so that nearly all others are known to be none at once.
    known: Vec<u64>,
}

/// How many bits a sketch chooses from.
const KNOWN: usize = 1 << 15;

impl Table {
    fn new() -> Self {
        Self {
            slots: vec![(Key::default(), FREE); 1 << 13],
            count: 0,
            known: vec![0; KNOWN / 64],
        }
    }

    #[inline]
    fn get(&self, key: Key) -> Option<EntryIndex> {
        let hash = key.hash();
        let (place, bit) = sketch(hash);
        if self.known.get(place).is_none_or(|bits| bits & bit == 0) {
            return None;
        }
        let mut slot = self.first(hash);
        loop {
            let (known, index) = *self.slots.get(slot)?;
            if index == FREE {
                return None;
            }
            if known == key {
                return Some(index);
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }

    fn insert(&mut self, key: Key, index: EntryIndex) {
        if self.count * 2 >= self.slots.len() {
            let wider = vec![(Key::default(), FREE); self.slots.len() * 2];
            for (key, index) in std::mem::replace(&mut self.slots, wider) {
                if index != FREE {
                    self.place(key, index);
                }
            }
        }
        self.count += 1;
        self.place(key, index);
        let (place, bit) = sketch(key.hash());
        if let Some(bits) = self.known.get_mut(place) {
            *bits |= bit;
        }
    }

    fn place(&mut self, key: Key, index: EntryIndex) {
        let mut slot = self.first(key.hash());
        while let Some((_, known)) = self.slots.get(slot)
            && *known != FREE
        {
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        if let Some(free) = self.slots.get_mut(slot) {
            *free = (key, index);
        }
    }

    /// Where a key is looked for first.
    #[inline]
    fn first(&self, hash: u64) -> usize {
        hash as usize & (self.slots.len() - 1)
    }
}

/// What no slot's index is.
const FREE: EntryIndex = EntryIndex::MAX;

/// Which bit stands for a word.
#[inline]
const fn sketch(hash: u64) -> (usize, u64) {
    let bit = (hash >> 49) as usize;
    (bit / 64, 1 << (bit % 64))
}
