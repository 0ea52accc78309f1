//! What is asked at a keyword, the beginning of what is told by a word, and where the next one is.

use super::Engine;
use super::byte::{self, ALNUM, LETTER, SPACE, TOKEN};
use super::candidate::Candidate;
use super::keywords::{KEYWORD_MAX, KEYWORDS};
use super::progress::Progress;
use super::window::Window;
use crate::recognisers::{code, email};
use crate::secrets::{assigned, pem, prose};

impl Engine {
    /// Where the next keyword is.
    pub(super) fn next_keyword(&self, bytes: &[u8], progress: &mut Progress) -> Option<usize> {
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
    pub(super) fn keyword(
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
}
