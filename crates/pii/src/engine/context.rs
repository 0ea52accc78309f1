//! The words around a span.

use super::byte::{self, ALNUM, DIGIT, LETTER, WORD};
use super::candidate::ClassIndex;
use super::lexicon::{EntryIndex, Lexicon};
use super::phrase::{WordsBack, humps};
use super::placeholder;
use super::window::Window;
use crate::class::Kind;
use crate::detection::{Evidence, EvidenceSet};
use crate::secrets::vendor::FIRST_TOLD;

/// How many bytes before a span are read for words, spans taken out not counted.
const BEFORE: usize = 96;
/// How many bytes after a span are read for words.
const AFTER: usize = 64;
/// How many words count, fillers aside.
const WORDS: usize = 6;
/// How many spans that were taken out are stepped over.
const STEPS: usize = 4;

/// What naming the class adds, by the number of words between, in tenths of log-odds.
const NAMED: [i16; WORDS] = [38, 34, 29, 24, 17, 12];
const HINTED: [i16; WORDS] = [16, 13, 9, 5, 2, 0];
/// The same after the span.
const NAMED_AFTER: [i16; 3] = [36, 31, 22];
const HINTED_AFTER: [i16; 3] = [14, 9, 4];
/// What it adds that the word is the value's key.
const KEY: i16 = 12;
/// What naming something else takes away.
const OTHER: [i16; WORDS] = [-32, -26, -14, -7, -3, 0];
const OTHER_CLASS: [i16; WORDS] = [-16, -10, -5, 0, 0, 0];

/// A word that tells something.
#[derive(Clone, Copy)]
struct Hit {
    entry: EntryIndex,
    /// How many words stand between it and the span, fillers aside.
    distance: usize,
    key: bool,
    /// It names, and speaks against nothing.
    names_only: bool,
}

/// The telling words on one side of a span, the nearest first.
#[derive(Default)]
pub(crate) struct Words {
    hits: Vec<Hit>,
    /// How many words stand between the text's start and the span, when that is not far.
    from_start: Option<usize>,
}

/// What the words around a span add to a class's log-odds, and the reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Weight {
    pub(crate) tenths: i16,
    pub(crate) evidence: EvidenceSet,
}

impl Words {
    /// Reads the words before an offset; `taken` are the spans that are no longer to be looked
    /// at, in order.
    pub(crate) fn before(
        &mut self,
        lexicon: &Lexicon,
        text: &str,
        offset: usize,
        taken: &[(usize, usize)],
    ) {
        self.hits.clear();
        self.from_start = None;
        let mut taken = taken.iter().rev().skip_while(|span| span.1 > offset);
        let (mut end, mut left, mut distance) = (offset, BEFORE, 0);
        for _ in 0..=STEPS {
            let span = taken.next();
            let floor = span.map_or(0, |span| span.1);
            let mut start = word_start(text, floor, end, left);
            let mut part = text.get(start..end).unwrap_or_default();
            // A line of two words and more speaks for itself.
            let line = part
                .bytes()
                .rposition(|b| b == b'\n')
                .map_or(0, |at| at + 1);
            let of_line = part.get(line..).unwrap_or_default();
            let ends = line > 0 && has_two_words(of_line.as_bytes());
            if ends {
                start += line;
                part = of_line;
            }
            let is_key = end == offset && is_key_gap(part.as_bytes());
            self.read_back(lexicon, part, &mut distance, is_key);
            left = left.saturating_sub(part.len());
            if start == 0 {
                self.from_start = Some(distance);
            }
            match span {
                Some(span) if !ends && left > 0 && start == span.1 && distance < WORDS => {
                    end = span.0;
                    distance += 1;
                }
                _ => return,
            }
        }
    }

    /// Adds the words of the name of what the text is the value of, as if they stood before it.
    pub(crate) fn add_name(&mut self, lexicon: &Lexicon, name: &str) {
        if let Some(mut distance) = self.from_start {
            let is_key = distance == 0;
            self.read_back(lexicon, name, &mut distance, is_key);
        }
    }

    /// Adds the words of a column's name, which stands for a key. They may speak against other classes as
    /// well, or not.
    pub(crate) fn add_key(&mut self, lexicon: &Lexicon, name: &str, speaks_against: bool) {
        let known = self.hits.len();
        self.read_back(lexicon, name, &mut 0, true);
        for hit in self.hits.iter_mut().skip(known) {
            hit.names_only = !speaks_against;
        }
        // The column's name comes before whatever stands in the row.
        self.hits.sort_by_key(|hit| !hit.key);
    }

    /// Reads the words after an offset, as far as nothing but words stands there: whatever may be
    /// a value of its own, or the key of one, ends the reading.
    pub(crate) fn after(&mut self, lexicon: &Lexicon, window: &Window<'_>, offset: usize) {
        self.hits.clear();
        let (mut at, mut distance) = (offset, 0);
        let text = window.whole().as_bytes();
        let mut words = [None; AFTER];
        let mut count = 0;
        while at < offset + AFTER && distance < NAMED_AFTER.len() {
            let b = window.byte(at);
            // In JSON a comma or a colon follows.
            let closes = b == b'"' && at == offset && window.byte(at + 1) == b' ';
            if closes || matches!(b, b' ' | b'(' | b')' | b',' | b'-' | b'\'' | b'~' | b'`') {
                at += 1;
                continue;
            }
            if b.is_ascii() && !byte::is(b, LETTER) {
                return;
            }
            let end = window.run_while(at, |b| byte::is(b, LETTER) || !b.is_ascii());
            let next = window.byte(end);
            let goes_on =
                byte::is(next, DIGIT) || matches!(next, b'@' | b':' | b'=' | b'_' | b'/' | b'[');
            if goes_on || next == b'.' && window.is(end + 1, ALNUM) {
                return;
            }
            let word = window.text(at, end);
            if is_one_of(&AND, word) || is_of_next(window, word, end) {
                return;
            }
            for span in humps(word) {
                if let Some(slot) = words.get_mut(count) {
                    *slot = lexicon.index(text, at + span.start, at + span.end);
                    count += 1;
                    let words = words.get(..count).unwrap_or_default();
                    self.note_after(lexicon, words, &mut distance);
                }
            }
            at = end;
        }
    }

    /// Notes what the last of these words says, or the phrase that it ends.
    fn note_after(
        &mut self,
        lexicon: &Lexicon,
        words: &[Option<EntryIndex>],
        distance: &mut usize,
    ) {
        let mut words = words.iter().rev().copied();
        self.note(lexicon, || words.next(), distance, false);
    }

    /// What the words before add to a class, or take away.
    pub(crate) fn weigh_before(&self, lexicon: &Lexicon, class: ClassIndex) -> Weight {
        self.weigh(lexicon, class, &NAMED, &HINTED)
    }

    /// What the words after add to a class; that they name something else does not count.
    pub(crate) fn weigh_after(&self, lexicon: &Lexicon, class: ClassIndex) -> Weight {
        let weight = self.weigh(lexicon, class, &NAMED_AFTER, &HINTED_AFTER);
        if weight.tenths > 0 {
            weight
        } else {
            Weight::default()
        }
    }

    /// What the nearest hint after the span is worth.
    pub(crate) fn hint(&self, lexicon: &Lexicon, class: ClassIndex) -> i16 {
        let hits = self
            .hits
            .iter()
            .filter(|hit| lexicon.get(hit.entry).hints.contains(class));
        hits.filter_map(|hit| HINTED_AFTER.get(hit.distance))
            .max()
            .copied()
            .unwrap_or(0)
    }

    fn weigh(&self, lexicon: &Lexicon, class: ClassIndex, named: &[i16], hinted: &[i16]) -> Weight {
        let at = |table: &[i16], distance: usize| table.get(distance).copied().unwrap_or(0);
        let (mut best, mut hint) = (Weight::default(), 0);
        let mut against = 0;
        let nearest = self.hits.iter().position(|hit| !hit.names_only);
        for (index, hit) in self.hits.iter().enumerate() {
            let entry = lexicon.get(hit.entry);
            let named_here = entry.names.contains(class);
            let mut tenths = if named_here {
                at(named, hit.distance)
            } else if entry.hints.contains(class) {
                hint = hint.max(at(hinted, hit.distance));
                at(hinted, hit.distance)
            } else {
                // A secret's name says nothing against a vendor's.
                let neutral =
                    class >= FIRST_TOLD && entry.names.contains(Kind::Generic as ClassIndex);
                if nearest == Some(index) && !neutral && (entry.other || entry.names_any()) {
                    let table = if entry.other { &OTHER } else { &OTHER_CLASS };
                    against = at(table, hit.distance);
                }
                continue;
            };
            let mut reason = Evidence::Context;
            if hit.key && named_here && tenths > 0 {
                tenths += KEY;
                reason = Evidence::Key;
            }
            if tenths > best.tenths {
                best.tenths = tenths;
                best.evidence = EvidenceSet::of(&[reason]);
            }
        }
        // A hint beside a name tells two classes with one name apart: a country.
        if best.tenths > hint {
            best.tenths += hint / 2;
        }
        if against < 0 {
            best.tenths += against;
            best.evidence = best.evidence.with(Evidence::NegativeContext);
        }
        best
    }

    /// Reads a stretch's words, the last first, as far as they count.
    fn read_back(&mut self, lexicon: &Lexicon, part: &str, distance: &mut usize, is_key: bool) {
        let mut words = WordsBack::new(lexicon, part);
        let mut key = is_key;
        for first in 0.. {
            if *distance >= WORDS || words.get(first).is_none() {
                return;
            }
            let before = *distance;
            let mut index = first;
            let next = || {
                index += 1;
                words.get(index - 1)
            };
            self.note(lexicon, next, distance, key);
            // A filler between keeps a key a key: `ssn_number=`.
            key &= *distance == before;
        }
    }

    /// Notes what a word says, or the longest phrase that it ends: the word, and those before it.
    #[inline]
    fn note(
        &mut self,
        lexicon: &Lexicon,
        mut next: impl FnMut() -> Option<Option<EntryIndex>>,
        distance: &mut usize,
        key: bool,
    ) {
        let Some(word) = next().flatten() else {
            *distance += 1;
            return;
        };
        let (mut phrase, mut said) = (word, word);
        while lexicon.get(phrase).ends_phrase
            && let Some(before) = next().flatten()
            && let Some(longer) = lexicon.phrase(before, phrase)
        {
            phrase = longer;
            if lexicon.get(phrase).tells() {
                said = phrase;
            }
        }
        let entry = lexicon.get(said);
        if entry.tells() {
            self.hits.push(Hit {
                entry: said,
                distance: *distance,
                key,
                names_only: false,
            });
        }
        if !entry.filler {
            *distance += 1;
        }
    }
}

/// Words behind which another thing is spoken of.
const AND: [&str; 8] = ["and", "und", "et", "y", "ed", "en", "or", "oder"];
/// Words that come between a name and its value.
const IS: [&str; 7] = ["is", "was", "are", "ist", "lautet", "est", "es"];
const NUMBER: [&str; 6] = ["no", "number", "nr", "nummer", "num", "id"];

/// Whether a word is one of a few.
fn is_one_of(words: &[&str], word: &str) -> bool {
    word.len() <= 7 && words.contains(&word)
}

/// Whether a word behind a span belongs to what comes next: "and PAN is ...". "Which is the PAN" says
/// what this is.
fn is_of_next(window: &Window<'_>, word: &str, end: usize) -> bool {
    let mut next = end;
    for _ in 0..2 {
        if word == "which" || window.byte(next) != b' ' {
            return false;
        }
        let from = next + 1;
        next = window.run_while(from, |b| byte::is(b, LETTER) || !b.is_ascii());
        let following = window.text(from, next);
        let names_placeholder = following.is_empty() && placeholder::end(window, next).is_some();
        // A scheme, and the address with it, begins behind letters beyond ASCII: they are no key.
        let is_scheme = !following.is_ascii() && window.bytes(next, next + 3) == b"://";
        let is_key = window.byte(next) == b':' && !is_scheme;
        if is_one_of(&IS, following) || is_key || names_placeholder {
            return true;
        }
        if !is_one_of(&NUMBER, following) {
            return false;
        }
    }
    false
}

/// Where to begin reading, so that no word is cut: at most `left` bytes before `end`.
fn word_start(text: &str, floor: usize, end: usize, left: usize) -> usize {
    let start = end.saturating_sub(left);
    if start <= floor {
        return floor;
    }
    let bytes = text.as_bytes().get(start..end).unwrap_or_default();
    let cut = bytes
        .iter()
        .position(|b| b.is_ascii() && !byte::is(*b, ALNUM));
    start + cut.unwrap_or(bytes.len())
}

/// Whether two words stand in a piece, or more.
fn has_two_words(piece: &[u8]) -> bool {
    let is_word = |b: &u8| byte::is(*b, LETTER) || !b.is_ascii();
    let mut words = piece.split(|b| !is_word(b)).filter(|word| !word.is_empty());
    words.nth(1).is_some()
}

/// Whether a value that follows a stretch is what the word before was given: `ssn=`, `"ssn": "`, `<ssn>`.
fn is_key_gap(part: &[u8]) -> bool {
    let word = part.iter().rposition(|b| byte::is(*b, WORD));
    let gap = part.get(word.map_or(0, |at| at + 1)..);
    let mut assigns = false;
    for b in gap.unwrap_or_default() {
        match b {
            b':' | b'=' | b'>' | b'|' => assigns = true,
            b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'\'' | b'`' | b'(' | b'[' | b'{' | b'\\'
            | b'+' => {}
            _ => return false,
        }
    }
    assigns
}
