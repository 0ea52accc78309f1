//! How far a scan has come.

use std::borrow::Cow;
use std::collections::VecDeque;

use super::candidate::{Candidate, ClassIndex, Pending, Tail};
use super::context::Words;
use super::header::Headers;
use super::tail::tail;
use super::{Taken, byte};
use crate::secrets::manifest::Manifests;

/// The longest line that ends a region, with room.
const MARK_MAX: usize = 96;

/// How far a scan has come, in a text of which more may come.
#[derive(Default)]
pub(crate) struct Progress {
    /// Anchors before it have been looked at.
    pub(super) cursor: usize,
    /// Proposed at the anchor that is being looked at.
    pub(super) found: Vec<Candidate>,
    /// Proposed, and not yet decided.
    pub(super) pending: Vec<Pending>,
    /// Taken, while what stands beside it is looked at again.
    pub(super) held: Vec<Taken>,
    /// Before it nothing is found any more.
    pub(super) floor: usize,
    /// Before it the text was handed on.
    pub(super) decided: usize,
    /// What is no longer looked at, matches and placeholders alike, in order.
    pub(crate) closed: Vec<(usize, usize)>,
    pub(super) words: Words,
    pub(super) words_at: Option<usize>,
    pub(super) seen: Seen,
    /// Tokens that start before it have been looked at.
    pub(super) token: usize,
    /// Words that begin before it have been looked at.
    pub(super) word: usize,
    /// Keywords before it have been looked at, and where the next one is.
    pub(super) keyword: usize,
    pub(super) next_keyword: Option<usize>,
    /// Up to here there is none that was not looked at.
    pub(super) no_keyword: usize,
    /// Between these there is no anchor.
    pub(super) no_anchor: (usize, usize),
    /// The last keyword that was asked ends before it.
    pub(super) keyword_asked: usize,
    pub(super) keywords_again: Option<KeywordsAgain>,
    /// The name of what the text is the value of; empty when it has none.
    pub(crate) name: String,
    /// What goes on past the last span that was taken.
    pub(super) region: Option<Region>,
    /// How far the span goes that was open before.
    pub(crate) longer: Option<Longer>,
    /// The names of the columns, where a row is one of names.
    pub(super) headers: Headers,
    pub(super) header_read: bool,
    /// Values of the first line that were handed on before it was whole.
    pub(super) head: Vec<(usize, String)>,
    /// What was said of the manifests in it.
    pub(super) manifests: Manifests,
    /// Where curl is called first.
    pub(super) curl: Option<usize>,
}

/// The values that were found beside their names, to know one that comes again.
#[derive(Default)]
pub(super) struct Seen {
    values: VecDeque<(ClassIndex, u64)>,
    /// A bit for each of them, so that nearly all others are known to be none at once.
    bits: [u64; 16],
}

impl Seen {
    /// How many are remembered.
    const MOST: usize = 64;

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub(super) fn contains(&self, value: (ClassIndex, u64)) -> bool {
        let (word, bit) = Self::place(value);
        self.bits.get(word).is_some_and(|bits| bits & bit != 0) && self.values.contains(&value)
    }

    pub(super) fn push(&mut self, value: (ClassIndex, u64)) {
        self.values.push_back(value);
        if self.values.len() > Self::MOST {
            self.values.pop_front();
            self.bits = [0; 16];
        }
        let Self { values, bits } = self;
        for value in values.iter() {
            let (word, bit) = Self::place(*value);
            if let Some(bits) = bits.get_mut(word) {
                *bits |= bit;
            }
        }
    }

    fn place((class, digest): (ClassIndex, u64)) -> (usize, u64) {
        let hash = digest ^ u64::from(class).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let hash = hash ^ hash >> 29;
        (
            usize::try_from(hash & 15).unwrap_or(0),
            1 << (hash >> 4 & 63),
        )
    }
}

/// A span without a bound that has begun and not ended.
pub(super) struct Region {
    pub(super) tail: Tail,
    /// Where its candidate ended, from where its end is looked for.
    pub(super) from: usize,
}

/// Up to where keywords are asked again, from where on they were not found yet, and which is the next
/// one there.
#[derive(Clone, Copy)]
pub(super) struct KeywordsAgain {
    pub(super) until: usize,
    pub(super) from: usize,
    pub(super) next: Option<usize>,
}

/// How far a span without a bound has come, in the text at hand.
#[derive(Clone, Copy)]
pub(crate) struct Longer {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) is_ended: bool,
}

impl Progress {
    /// Whether the last span that was taken goes on.
    pub(crate) fn in_region(&self) -> bool {
        self.region.is_some()
    }

    /// Goes on with the span that was open. Says up to where the text is of it, unless it ended.
    pub(super) fn go_on(&mut self, text: &str, open: bool) -> Option<usize> {
        self.longer = None;
        let region = self.region.as_mut()?;
        let end = tail(text, region.from, region.tail);
        let is_ended = end < text.len() || !open;
        if let Some(last) = self.closed.last_mut() {
            last.1 = end;
            self.longer = Some(Longer {
                start: last.0,
                end,
                is_ended,
            });
        }
        self.cursor = self.cursor.max(end);
        self.token = self.token.max(end);
        if !is_ended {
            // What may be the beginning of its last line is looked at again.
            let from = text.floor_char_boundary(end.saturating_sub(MARK_MAX));
            region.from = region.from.max(from);
            return Some(end);
        }
        self.region = None;
        // Taken as one with what follows.
        self.pending.retain(|candidate| candidate.start >= end);
        None
    }

    /// Where the next anchor is. What was searched before is not searched again.
    pub(super) fn next_anchor(&mut self, bytes: &[u8]) -> usize {
        let (from, to) = self.no_anchor;
        if self.cursor < from {
            let head = bytes.get(..from.min(bytes.len())).unwrap_or_default();
            let before = byte::find_anchor(head, self.cursor);
            if before < head.len() {
                return before;
            }
        }
        let is_known = self.cursor <= to;
        let next = byte::find_anchor(bytes, self.cursor.max(to));
        let from = if is_known {
            from.min(self.cursor)
        } else {
            self.cursor
        };
        self.no_anchor = (from, next);
        next
    }

    /// Keeps what was found at an anchor and does not start before a place.
    pub(super) fn keep_found(&mut self, anchor: usize, earliest: usize) {
        let found = self.found.drain(..);
        let near = found.filter(|candidate| candidate.start >= earliest);
        let pending = near.map(|candidate| Pending { candidate, anchor });
        self.pending.extend(pending);
    }

    /// Keeps a value of the text's first line, which is masked while the line is not whole: the names of
    /// columns are read as they came.
    pub(crate) fn keep_head(&mut self, start: usize, value: &str) {
        if !self.header_read {
            self.head.push((start, value.to_owned()));
        }
    }

    /// The text with its first line as it came.
    pub(super) fn with_head<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        for (start, value) in &self.head {
            let range = *start..start + value.len();
            if text.get(range.clone()).is_some() {
                text.to_mut().replace_range(range, value);
            }
        }
        text
    }

    /// Moves everything when the first bytes of the text are taken away.
    pub(crate) fn shift(&mut self, bytes: usize) {
        let less = |at: &mut usize| *at = at.saturating_sub(bytes);
        less(&mut self.cursor);
        less(&mut self.token);
        less(&mut self.word);
        less(&mut self.keyword);
        less(&mut self.no_keyword);
        if let Some(at) = &mut self.next_keyword {
            less(at);
        }
        less(&mut self.no_anchor.0);
        less(&mut self.no_anchor.1);
        less(&mut self.keyword_asked);
        if let Some(KeywordsAgain { until, from, next }) = &mut self.keywords_again {
            less(until);
            less(from);
            if let Some(at) = next {
                less(at);
            }
        }
        less(&mut self.floor);
        less(&mut self.decided);
        for Pending { candidate, anchor } in &mut self.pending {
            less(&mut candidate.start);
            less(&mut candidate.end);
            less(anchor);
        }
        for taken in &mut self.held {
            less(&mut taken.start);
            less(&mut taken.end);
        }
        self.closed.retain(|(_, end)| *end > bytes);
        for (start, end) in &mut self.closed {
            less(start);
            less(end);
        }
        if let Some(region) = &mut self.region {
            less(&mut region.from);
        }
        self.headers.shift(bytes);
        self.manifests.shift(bytes);
        if let Some(curl) = &mut self.curl {
            less(curl);
        }
    }
}
