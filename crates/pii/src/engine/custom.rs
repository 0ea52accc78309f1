//! The user's own recognisers: asked at each word.

use super::byte::{self, ALNUM};
use super::candidate::{Candidate, Tail, Tier};
use super::window::Window;
use super::{Engine, Progress};
use crate::custom::LONGEST;
use crate::detection::{Evidence, EvidenceSet};
use crate::secrets::vendor;

impl Engine {
    /// Where the next word begins that the user's own recognisers have not been asked about.
    pub(super) fn next_word(&self, text: &str, progress: &mut Progress) -> usize {
        if self.custom.is_empty() {
            return usize::MAX;
        }
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        while !text.is_char_boundary(progress.word) {
            progress.word += 1;
        }
        let mut before = text
            .get(..progress.word)
            .and_then(|head| head.chars().next_back());
        for (offset, c) in text.get(progress.word..).unwrap_or_default().char_indices() {
            let goes_on = is_word(c) && before.is_some_and(is_word);
            if !goes_on && !c.is_whitespace() {
                progress.word += offset;
                return progress.word;
            }
            before = Some(c);
        }
        progress.word = text.len();
        usize::MAX
    }

    /// Asks the user's own recognisers.
    pub(super) fn ask_custom(&self, window: &Window<'_>, at: usize, found: &mut Vec<Candidate>) {
        let first = window.byte(at);
        for (class, recognizer) in (vendor::AFTER_TOLD..).zip(&self.custom) {
            if !recognizer.begins_with(first) {
                continue;
            }
            let longest = recognizer.longest().min(LONGEST);
            let text = window.text_within(at, at + longest + 1);
            let Some(reading) = recognizer.read(text) else {
                continue;
            };
            let end = at + reading.length;
            let cut = reading.length == 0
                || reading.length > longest.min(text.len())
                || window.text(at, end).is_empty();
            let is_part = byte::is(first, ALNUM) && window.word_before(at)
                || window.word_before(end) && window.word_at(end);
            if cut || is_part {
                continue;
            }
            let kind = if reading.checked {
                Evidence::Checksum
            } else {
                Evidence::Listed
            };
            found.push(Candidate {
                class,
                start: at,
                end,
                base: reading.confidence.log_odds(),
                evidence: EvidenceSet::of(&[Evidence::Shape, kind]),
                tier: Tier::Secret,
                weighed: true,
                tail: Tail::None,
            });
        }
    }
}
