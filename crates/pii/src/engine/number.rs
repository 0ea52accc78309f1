//! What is asked of a word that has a digit in it.

use super::Engine;
use super::byte::{self, ALNUM, DIGIT, LETTER, UPPER};
use super::candidate::Candidate;
use super::window::Window;
use crate::recognisers::{card, code, date, iban, ip, phone, place, wallet};

impl Engine {
    /// Asks the recognisers of what has a digit in it.
    pub(super) fn number(
        &self,
        window: &Window<'_>,
        digit: usize,
        found: &mut Vec<Candidate>,
    ) -> usize {
        let mut start = window.run_back(digit, ALNUM);
        if start < digit
            && window.before(start) == b'\\'
            && matches!(window.byte(start), b'n' | b'r' | b't')
        {
            start += 1;
        }
        let run = window.run(digit, ALNUM);
        if let Some(end) = uuid(window, start, run) {
            return end;
        }
        if start == digit
            && !window.word_before(start)
            && let Some(end) = date::moment(window, start, run)
        {
            date::at(window, start, run, found);
            return end;
        }
        let digits = start == digit && window.run(start, DIGIT) == run;
        if !window.word_before(start) && !window.word_at(run) {
            self.ids.at(window, start, run, found);
            if start < digit && self.runs_into(window.text(start, digit)) {
                self.ids.at(window, digit, run, found);
            }
            let mut word = start;
            for _ in 0..2 {
                let Some(before) = word_before(window, word) else {
                    break;
                };
                word = before;
                let end = window.run(word, ALNUM);
                self.ids.at(window, word, end, found);
                ip::mac(window, word, end, found);
                place::postcode(window, word, end, found);
            }
            if digits {
                card::at(window, start, run, found);
                ip::v4(window, start, run, found);
                code::cvv(window, start, run, found);
            } else {
                wallet::at(window, start, run, found);
                code::swift(window, start, run, found);
                code::icd10(window, start, run, found);
            }
            place::postcode(window, start, run, found);
            ip::mac(window, start, run, found);
        }
        if !window.word_before(start) {
            if start == digit {
                let end = window.run(start, DIGIT);
                phone::at(window, start, found);
                code::plate(window, start, end, found);
                date::at(window, start, end, found);
                place::coordinates(window, start, end, found);
            } else if byte::is(window.byte(start), LETTER)
                && byte::is(window.byte(start + 1), LETTER)
            {
                iban::at(window, start, found);
            }
        }
        run
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

/// A short word of letters before what has a digit in it: `AB 12`, `H-12`.
fn word_before(window: &Window<'_>, start: usize) -> Option<usize> {
    if !matches!(window.before(start), b' ' | b'-' | b'/' | b'(' | b'.') {
        return None;
    }
    let end = start - 1;
    let word = window.run_back(end, ALNUM);
    let letters = window.bytes(word, end);
    // Capitals; or what is a hexadecimal number as well, in an address of a device.
    let capitals = letters.iter().all(|b| byte::is(*b, UPPER));
    let hex = matches!(letters.len(), 2 | 4) && letters.iter().all(|b| byte::is(*b, byte::HEX));
    let short = (1..=6).contains(&letters.len()) && (capitals || hex || is_register(letters));
    (short && !window.word_before(word)).then_some(word)
}

/// Whether a word is a division of Germany's commercial register, which is written small as well.
pub(super) fn is_register(word: &[u8]) -> bool {
    matches!(word, b"hra" | b"hrb")
}

/// Where a UUID ends whose first group is the run `start..run`; none of it is anything else.
fn uuid(window: &Window<'_>, start: usize, run: usize) -> Option<usize> {
    if run - start != 8 || window.byte(run) != b'-' {
        return None;
    }
    let mut position = start;
    for (index, size) in [8, 4, 4, 4, 12].into_iter().enumerate() {
        if index > 0 {
            if window.byte(position) != b'-' {
                return None;
            }
            position += 1;
        }
        for _ in 0..size {
            if !window.is(position, byte::HEX) {
                return None;
            }
            position += 1;
        }
    }
    (!window.word_at(position)).then_some(position)
}
