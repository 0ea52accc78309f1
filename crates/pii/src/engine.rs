//! The scan: from anchor to anchor, once, ahead by a bounded distance.
//!
//! Anchors are bytes at which something may be found. At each one the recognisers propose
//! candidates; when nothing that comes later can overlap them, the words around are weighed,
//! overlaps are resolved, and what reaches its class's threshold is taken. Whatever is decided
//! depends on the text alone and not on the pieces in which it came: a recogniser that had to look
//! at what is not there yet is asked again (`window`).

pub(crate) mod again;
mod anchor;
pub(crate) mod byte;
pub(crate) mod candidate;
pub(crate) mod context;
mod custom;
mod decision;
mod floors;
pub(crate) mod form;
mod header;
mod keyword;
mod keywords;
pub(crate) mod lexicon;
mod number;
mod phrase;
pub(crate) mod placeholder;
mod progress;
mod reach;
mod tail;
pub(crate) mod window;
mod words;

use std::cell::Cell;
use std::sync::Arc;

use again::{mask, masked};
use candidate::{Candidate, ClassIndex, Pending};
pub(crate) use floors::Floors;
pub(crate) use header::Header;
use keywords::Keywords;
use lexicon::Lexicon;
pub(crate) use progress::Progress;
use reach::near;
pub(crate) use reach::reach;
use window::Window;

use crate::Recognizer;
use crate::detection::EvidenceSet;
use crate::ids::Ids;
use crate::secrets::vendor::{self, Vendors};
use crate::secrets::{assigned, command};

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

/// How much of a text has to be kept before what is decided: candidates look back as far as
/// [`BEHIND`], the words before them and the row they stand in further.
pub(crate) const KEPT: usize = 2048;

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
        self.read_header(text, open, progress);
        if let Some(end) = progress.go_on(text, open) {
            return end;
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
            // Nothing comes behind a span that goes on, but more of it: what stands before it is decided
            // now.
            let open = open && progress.region.is_none();
            self.propose(&text, open, floors, progress);
            if progress.held.len() == known {
                let reach = match open {
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

    /// Reads the names of the columns in the first line, once it is whole.
    fn read_header(&self, text: &str, open: bool, progress: &mut Progress) {
        if progress.header_read {
            return;
        }
        let Some(header) = Header::of(&progress.with_head(text)) else {
            // It goes on: nothing stands below it yet.
            progress.header_read = !open;
            return;
        };
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
                let window = Window::new(text, word, open.then_some(&touched))
                    .up_to(self.sight(word, progress))
                    .with_labels(&self.labels);
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
            let window = Window::new(text, at, open.then_some(&touched))
                .up_to(self.sight(at, progress))
                .with_labels(&self.labels);
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
}
