//! The scan: from anchor to anchor, once, ahead by a bounded distance.
//!
//! Anchors are bytes at which something may be found. At each one the recognisers propose
//! candidates; when nothing that comes later can overlap them, the words around are weighed,
//! overlaps are resolved, and what reaches its class's threshold is taken. Whatever is decided
//! depends on the text alone and not on the pieces in which it came: a recogniser that had to look
//! at what is not there yet is asked again (`window`).

pub(crate) mod again;
pub(crate) mod byte;
pub(crate) mod candidate;
pub(crate) mod context;
mod custom;
mod decision;
mod floors;
pub(crate) mod form;
mod header;
mod keywords;
pub(crate) mod lexicon;
mod number;
mod phrase;
pub(crate) mod placeholder;
mod progress;
mod reach;
pub(crate) mod window;
mod words;

use std::cell::Cell;
use std::sync::Arc;

use again::{mask, masked};
use byte::{ALNUM, KEYISH, LETTER, SPACE, TOKEN};
use candidate::{Candidate, ClassIndex, Pending};
use decision::{close, tail};
pub(crate) use floors::Floors;
pub(crate) use header::Header;
use keywords::{KEYWORD_MAX, KEYWORDS, Keywords};
use lexicon::Lexicon;
pub(crate) use progress::Progress;
use progress::{Longer, Region};
use reach::near;
pub(crate) use reach::reach;
use window::Window;

use crate::Recognizer;
use crate::detection::EvidenceSet;
use crate::ids::Ids;
use crate::recognisers::{code, email, ip, web};
use crate::secrets::vendor::{self, Vendors};
use crate::secrets::{assigned, command, connection, jwt, manifest, pem, prose, strongroom};

/// What was taken.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) class: ClassIndex,
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) tenths: i16,
    pub(crate) evidence: EvidenceSet,
    /// It may go on without a bound.
    pub(crate) unbounded: bool,
}

/// Everything that does not change from text to text.
pub(crate) struct Engine {
    lexicon: Lexicon,
    ids: Ids,
    vendors: Vendors,
    keywords: Keywords,
    /// The user's own recognisers; their classes follow the built-in ones.
    pub(crate) custom: Vec<Arc<dyn Recognizer>>,
    /// Their labels, which stand in texts as the built-in ones' do.
    labels: Vec<Box<str>>,
}

/// How far a chain of overlapping candidates is looked at as one, in bytes.
const CLUSTER: usize = 256;

/// The longest line that ends a region, with room.
const MARK_MAX: usize = 96;

/// How much of a text has to be kept before what is decided: candidates look back as far as
/// [`BEHIND`], the words before them and the row they stand in further.
pub(crate) const KEPT: usize = 2048;

/// What it adds that the value was found before, in tenths of log-odds.
const REPEATED: i16 = 30;
/// How far back the start of a key in base64 is looked for, in bytes.
const BASE64_BACK: usize = 100;
/// From which log-odds on the words after a span are not asked.
const SURE: i16 = 20;

impl Engine {
    pub(crate) fn standard() -> Self {
        Self::with_custom(Vec::new())
    }

    pub(crate) fn with_custom(custom: Vec<Arc<dyn Recognizer>>) -> Self {
        let mut lexicon = Lexicon::standard();
        let vendors = Vendors::new(&mut lexicon);
        for (class, recognizer) in (vendor::AFTER_TOLD..).zip(&custom) {
            for phrase in recognizer.context() {
                lexicon.name(class, &phrase.to_lowercase());
            }
        }
        Self {
            labels: custom
                .iter()
                .map(|recognizer| recognizer.class().label().into())
                .collect(),
            custom,
            ids: Ids::standard(),
            vendors,
            lexicon,
            keywords: Keywords::new(),
        }
    }

    /// Scans on. With `open` the text may go on: then nothing is decided that depends on it.
    /// Returns up to where the text is decided.
    pub(crate) fn advance(
        &self,
        text: &str,
        open: bool,
        floors: &Floors,
        progress: &mut Progress,
        taken: &mut Vec<Taken>,
    ) -> usize {
        if !progress.header_read {
            match Header::of(&progress.with_head(text)) {
                Some(header) => {
                    if let Some(header) = header {
                        progress.headers.set(header.with_secrets(&self.lexicon));
                    }
                    // What was handed on before the line was whole.
                    if let Some((start, _)) = progress.closed.first() {
                        progress.headers.note_value(*start);
                    }
                    progress.header_read = true;
                    progress.head = Vec::new();
                }
                // It goes on: nothing stands below it yet.
                None => progress.header_read = !open,
            }
        }
        progress.longer = None;
        if let Some(region) = &mut progress.region {
            let end = tail(text, region.from, region.tail);
            let is_ended = end < text.len() || !open;
            if let Some(last) = progress.closed.last_mut() {
                last.1 = end;
                progress.longer = Some(Longer {
                    start: last.0,
                    end,
                    is_ended,
                });
            }
            progress.cursor = progress.cursor.max(end);
            progress.token = progress.token.max(end);
            if !is_ended {
                // What may be the beginning of its last line is looked at again.
                let from = text.floor_char_boundary(end.saturating_sub(MARK_MAX));
                region.from = region.from.max(from);
                return end;
            }
            progress.region = None;
            // Taken as one with what follows.
            progress.pending.retain(|candidate| candidate.start >= end);
        }
        if !progress.name.is_empty() && progress.cursor == 0 && !open {
            let window = Window::new(text, 0, None);
            let found = &mut progress.found;
            assigned::named(&window, &self.lexicon, &progress.name, found);
            // It is found once, whatever is looked at again.
            progress.keep_found(0, 0);
        }
        let mut text = masked(text, &progress.held);
        if let Some(longer) = progress.longer.filter(|longer| longer.is_ended) {
            mask(&mut text, longer.start, longer.end);
        }
        let reach = loop {
            let known = progress.held.len();
            self.propose(&text, open, floors, progress);
            if progress.held.len() == known {
                // Nothing comes behind a span that goes on, but more of it.
                let reach = match open && progress.region.is_none() {
                    true => reach(&text, progress.cursor),
                    false => text.len(),
                };
                self.settle(&text, open, reach, floors, progress);
                if progress.held.len() == known {
                    break reach;
                }
            }
            Self::look_again(&mut text, progress, known);
        };
        if !open || progress.region.is_some() {
            progress.pending.clear();
            taken.append(&mut progress.held);
            taken.sort_by_key(|taken| taken.start);
            return text.len();
        }
        let first = progress.pending.iter().map(|candidate| candidate.start);
        let first = first.min().unwrap_or(usize::MAX);
        let reach = reach.min(first);
        progress.held.sort_by_key(|taken| taken.start);
        // A span is longer than is looked back: nothing is decided within it.
        let decided = progress.beside(&text, reach);
        let mut held = progress.held.iter();
        let within = held.find(|taken| taken.start < decided && decided < taken.end);
        let decided = within.map_or(decided, |taken| taken.start);
        let is_decided = |taken: &&Taken| taken.end <= decided;
        let count = progress.held.iter().take_while(is_decided).count();
        taken.extend(progress.held.drain(..count));
        progress.decided = decided;
        decided
    }

    /// Asks from anchor to anchor, until a span is taken, or the text at hand is looked at.
    fn propose(&self, text: &str, open: bool, floors: &Floors, progress: &mut Progress) {
        let touched = Cell::new(false);
        let bytes = text.as_bytes();
        loop {
            let keyword = self.next_keyword(bytes, progress);
            let anchor = progress.next_anchor(bytes);
            let at = keyword.map_or(anchor, |keyword| keyword.min(anchor));
            let word = self.next_word(text, progress);
            if word < bytes.len() && word <= at {
                let window =
                    Window::new(text, word, open.then_some(&touched)).with_labels(&self.labels);
                touched.set(false);
                self.ask_custom(&window, word, &mut progress.found);
                if touched.get() {
                    progress.found.clear();
                    progress.cursor = progress.cursor.max(word);
                    return;
                }
                progress.keep_found(word, progress.floor);
                progress.word = word + 1;
                // No anchor stands before it that was not asked.
                if self.settle_over(text, open, word, word + 1, floors, progress) {
                    return;
                }
                continue;
            }
            if at >= bytes.len() {
                progress.cursor = bytes.len();
                return;
            }
            let window = Window::new(text, at, open.then_some(&touched)).with_labels(&self.labels);
            touched.set(false);
            let token = progress.token;
            let next = if keyword == Some(at) {
                if let Some(header) = Header::of_values(text, at) {
                    progress.headers.set(header);
                }
                if progress.curl.is_none() && command::is_curl(&window, at) {
                    progress.curl = Some(at);
                }
                self.keyword(&window, at, progress.curl, &mut progress.found);
                progress.cursor
            } else {
                self.anchor(&window, at, progress)
            };
            if touched.get() {
                progress.found.clear();
                progress.token = token;
                progress.cursor = progress.cursor.max(at.min(anchor));
                return;
            }
            if !progress.found.is_empty() {
                let near = near(bytes, at);
                let is_far = |candidate: &Candidate| candidate.start < near;
                let earliest = match progress.found.iter().any(is_far) {
                    true => reach(text, at),
                    false => 0,
                };
                progress.keep_found(at, earliest.max(progress.floor));
            }
            if keyword == Some(at) {
                progress.keyword = at + 1;
                progress.next_keyword = None;
                progress.keyword_asked = progress.keyword_asked.max(at + 1);
            } else {
                progress.cursor = next.max(at + 1);
            }
            // Before the next anchor there is none that was not asked.
            let until = match keyword == Some(at) {
                true => anchor.min(at + 1),
                false => progress.cursor.min(at + 1),
            };
            if self.settle_over(text, open, at, until, floors, progress) {
                return;
            }
        }
    }

    /// Decides what ends before an offset: what ends ahead cannot be decided yet. Says whether a span
    /// was taken.
    fn settle_over(
        &self,
        text: &str,
        open: bool,
        at: usize,
        asked: usize,
        floors: &Floors,
        progress: &mut Progress,
    ) -> bool {
        let is_over = |first: &Pending| first.end.min(first.start + CLUSTER) <= at;
        if !progress.pending.first().is_some_and(is_over) {
            return false;
        }
        let known = progress.held.len();
        self.settle(text, open, reach(text, asked), floors, progress);
        progress.held.len() > known
    }

    /// Asks the recognisers of one anchor; says where to go on.
    fn anchor(&self, window: &Window<'_>, at: usize, progress: &mut Progress) -> usize {
        let found = &mut progress.found;
        match window.byte(at) {
            b'@' => {
                email::at_sign(window, at, found);
                web::at_sign(window, at, found);
                at + 1
            }
            b':' => {
                if window.byte(at + 1) == b'/' {
                    self.vendors.at(window, window.run_back(at, LETTER), found);
                }
                ip::colon(window, at, found);
                web::colon(window, at, found);
                connection::colon(window, at, found);
                if !manifest::colon(window, at, &mut progress.manifests, found) {
                    assigned::sign(window, &self.lexicon, at, found);
                }
                at + 1
            }
            b'=' => {
                assigned::sign(window, &self.lexicon, at, found);
                connection::pairs(window, at, found);
                at + 1
            }
            b'>' => {
                assigned::tag(window, &self.lexicon, at, found);
                at + 1
            }
            b'.' => {
                if window.byte(at + 5) == b'.' {
                    // Letters alone, `aabb.ccdd.eeff`: else a digit is what is found of it.
                    let start = window.run_back(at, LETTER);
                    if !window.word_before(start) {
                        ip::mac(window, start, at, found);
                    }
                }
                web::dot(window, at, found);
                at + 1
            }
            b'_' => {
                self.token(window, at, progress);
                at + 1
            }
            b'[' => match placeholder::end(window, at) {
                Some(end) => {
                    let mut closed = progress.closed.iter().rev();
                    if closed
                        .find(|span| span.1 <= end)
                        .is_none_or(|span| span.1 < end)
                    {
                        close(&mut progress.closed, (at, end));
                    }
                    end
                }
                None => at + 1,
            },
            _ => {
                self.token(window, at, progress);
                self.number(window, at, &mut progress.found)
            }
        }
    }

    /// Where the next keyword is.
    fn next_keyword(&self, bytes: &[u8], progress: &mut Progress) -> Option<usize> {
        if let Some(again) = progress.keywords_again {
            // As far as was come before; from there on what is next is known.
            let end = bytes.len().min(again.until + KEYWORD_MAX);
            let head = bytes.get(..end).unwrap_or_default();
            let found = self.keywords.find(head, progress.keyword);
            if let Some(at) = found.filter(|at| *at < again.until) {
                return Some(at);
            }
            progress.keywords_again = None;
            progress.keyword = again.from.max(progress.keyword);
            progress.next_keyword = again.next;
        }
        if progress.next_keyword.is_none() && progress.no_keyword < bytes.len() {
            progress.next_keyword = self.keywords.find(bytes, progress.keyword);
            if progress.next_keyword.is_none() {
                progress.no_keyword = bytes.len();
                // One may have begun.
                progress.keyword = progress
                    .keyword
                    .max(bytes.len().saturating_sub(KEYWORD_MAX));
            }
        }
        progress.next_keyword
    }

    /// Asks the recognisers of what begins with a word.
    fn keyword(
        &self,
        window: &Window<'_>,
        at: usize,
        curl: Option<usize>,
        found: &mut Vec<Candidate>,
    ) {
        match window.byte(at) {
            b'-' | b'P' if matches!(window.byte(at + 1), b'-' | b'u') => pem::at(window, at, found),
            b'(' | b'[' => {
                let spaced = at - usize::from(window.before(at) == b' ');
                email::spelled(window, spaced, found);
            }
            b'd' if window.bytes(at, at + 4) == b"dot " => {
                // The at sign was spelled out in one of the words before.
                if window.before(at) != b' ' {
                    return;
                }
                let at = at - 1;
                let before = window.run_back(at, TOKEN);
                for width in [4, 6] {
                    if before >= width {
                        email::spelled(window, before - width, found);
                    }
                }
            }
            b'S' | b's' | b'B' | b'b'
                if window.run(at, LETTER) <= at + 5 && !window.word_before(at) =>
            {
                let mut value = window.run(at, LETTER);
                for _ in 0..3 {
                    value = window.run_while(value, |b| {
                        matches!(
                            b,
                            b' ' | b':' | b'=' | b'#' | b'"' | b'\'' | b'/' | b'_' | b'-'
                        )
                    });
                    let end = window.run(value, ALNUM);
                    code::swift(window, value, end, found);
                    value = end;
                }
            }
            b'X' => code::swift(
                window,
                window.run_back(at, ALNUM),
                window.run(at, ALNUM),
                found,
            ),
            b'V' | b'v' => {}
            b'c' if window.byte(at + 1) == b'u' => {}
            b' ' if window.byte(at + 1) == b'-' => {
                assigned::flag(window, &self.lexicon, at + 1, curl, found);
            }
            _ => {
                let mut end =
                    window.run_while(at, |b| byte::is(b, LETTER | SPACE) || !b.is_ascii());
                let words = window.text(at, end);
                // The keyword's own words alone.
                let own = KEYWORDS
                    .into_iter()
                    .find(|word| words.starts_with(word))
                    .unwrap_or_default();
                end = window.run_while(at + own.trim_end().len().max(1), |b| {
                    byte::is(b, LETTER) || !b.is_ascii()
                });
                // The verb is not of the name.
                let name = own.strip_suffix(" is");
                if let Some(name) = name {
                    end = at + name.len();
                }
                prose::after(window, &self.lexicon, end, name.is_some(), found);
            }
        }
    }

    /// Asks the recognisers of keys, once a token.
    fn token(&self, window: &Window<'_>, at: usize, progress: &mut Progress) {
        if at < progress.token {
            return;
        }
        let start = window.run_back(at, KEYISH);
        let end = window.run(at, KEYISH);
        progress.token = end;
        let found = &mut progress.found;
        let known = found.len();
        let header = progress.headers.above(start);
        if let Some(header) = header.filter(|header| header.has_secrets) {
            assigned::cell(window, &self.lexicon, header, start, found);
        }
        assigned::listed(window, &self.lexicon, start, found);
        assigned::continued(window, start, found);
        if end - start < 8 {
            // A short run, a sign of base64 or a colon, a longer one.
            if matches!(window.byte(end), b'/' | b'+' | b':') {
                self.vendors.at(window, start, found);
                strongroom::at(window, start, found);
                self.told(window, start, found);
            }
            return;
        }
        self.vendors.at(window, start, found);
        if window.bytes(start, start + 3) == b"bot" {
            self.vendors.at(window, start + 3, found);
        }
        strongroom::at(window, start, found);
        jwt::at(window, start, found);
        if found.len() == known {
            self.told(window, start, found);
        }
    }

    /// Asks for keys that have to be named, from the start of a run of base64.
    fn told(&self, window: &Window<'_>, start: usize, found: &mut Vec<Candidate>) {
        let base64 = |b: u8| byte::is(b, TOKEN) || matches!(b, b'+' | b'/');
        let mut first = start;
        while start - first < BASE64_BACK && first > 0 && base64(window.before(first)) {
            first -= 1;
        }
        self.vendors.told(window, first, found);
    }

    /// Whether letters are a word that comes before values, and lost the space behind it: `is199003052397`,
    /// `SSN123456789`. What is short and in capitals may be of the value.
    fn runs_into(&self, letters: &str) -> bool {
        let small = letters.bytes().all(|b| b.is_ascii_lowercase());
        let long = letters.len() >= 3 && letters.bytes().all(|b| b.is_ascii_alphabetic());
        letters.len() >= 2
            && (small || long)
            && self
                .lexicon
                .find(letters)
                .is_some_and(|entry| entry.names_any() || entry.filler && small)
    }
}
