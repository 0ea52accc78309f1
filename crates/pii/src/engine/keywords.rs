//! Words at which something may be found that has no anchor of its own.

use aho_corasick::{AhoCorasick, Span, packed};

/// Beginnings and middles of words at which something may be found that has no anchor of its own,
/// as they are written in the cases that occur.
pub(super) const KEYWORDS: [&str; 55] = [
    "VALUES",
    "values",
    "curl ",
    " --",
    " -u ",
    "ecret",
    "ECRET",
    "oken",
    "OKEN",
    "key is",
    "Key is",
    "KEY is",
    "pw is",
    "API key",
    "chlüssel",
    "-----BEGIN ",
    "PuTTY-User-K",
    "assw",
    "ASSW",
    "assph",
    "assco",
    "pwd",
    "PWD",
    "Pwd",
    "pass ",
    "ennwo",
    "achtwoord",
    "ontrase",
    "enha",
    "asło",
    "mot de passe",
    "sername",
    "ser name",
    "ser id",
    "ogin as",
    "ogin name",
    "nmeldung als",
    "DENTIFIED BY",
    "dentified by",
    "og in as",
    "igned in as",
    "SWIFT",
    "Swift",
    "swift",
    "bic",
    "BIC",
    concat!("XX", "X"),
    "(at)",
    "[at]",
    "dot ",
    "(dot)",
    "enutzername",
    "suario",
    "nvalid user",
    "eslo as",
];
/// The longest of them.
pub(super) const KEYWORD_MAX: usize = 12;

/// How many bytes are searched first.
const STEP: usize = 256;

/// Looks for the next keyword: many bytes at once where the processor can, else by an automaton.
pub(super) struct Keywords {
    /// The shortest by themselves: the others are told by four bytes, and so seldom taken for what
    /// they are not.
    packed: Vec<packed::Searcher>,
    automaton: Option<AhoCorasick>,
}

impl Keywords {
    pub(super) fn new() -> Self {
        let (short, long): (Vec<&str>, Vec<&str>) =
            KEYWORDS.into_iter().partition(|keyword| keyword.len() == 3);
        let searcher =
            |keywords: Vec<&str>| packed::Config::new().builder().extend(keywords).build();
        let packed: Option<Vec<_>> = [long, short].into_iter().map(searcher).collect();
        let automaton = match &packed {
            Some(_) => None,
            None => AhoCorasick::new(KEYWORDS).ok(),
        };
        let packed = packed.unwrap_or_default();
        Self { packed, automaton }
    }

    /// Where the first one begins, from an offset on.
    pub(super) fn find(&self, text: &[u8], from: usize) -> Option<usize> {
        if let Some(automaton) = &self.automaton {
            let rest = Span::from(from..text.len());
            let found = automaton.find(aho_corasick::Input::new(text).span(rest));
            return found.map(|found| found.start());
        }
        // By steps, each twice as wide: one search does not go to the end of the text for what the
        // other finds at its beginning.
        let (mut from, mut width) = (from, STEP);
        while from < text.len() {
            let to = from.saturating_add(width);
            let first = self.first_within(text, from, to.saturating_add(KEYWORD_MAX));
            if first.is_some_and(|first| first < to) {
                return first;
            }
            from = to;
            width = width.saturating_mul(2);
        }
        None
    }

    /// Where the first one begins that ends before a place.
    fn first_within(&self, text: &[u8], from: usize, end: usize) -> Option<usize> {
        let mut end = text.len().min(end);
        let mut first = None;
        for searcher in &self.packed {
            let found = searcher.find_in(text, Span::from(from..end));
            let found = found.map(|found| found.start());
            first = found.into_iter().chain(first).min();
            // No further than one may go that begins before what was found.
            end = first.map_or(end, |at| end.min(at + KEYWORD_MAX));
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_searches_find_the_same() {
        let keywords = Keywords::new();
        let automaton = Keywords {
            packed: Vec::new(),
            automaton: AhoCorasick::new(KEYWORDS).ok(),
        };
        assert!(automaton.automaton.is_some());
        let none = "no more of them ".repeat(50);
        let text = format!("{} and {none}pwd {none}SWIFT", KEYWORDS.join(" x "));
        for from in 0..text.len() {
            let found = automaton.find(text.as_bytes(), from);
            assert_eq!(keywords.find(text.as_bytes(), from), found, "{from}");
        }
        assert!(
            KEYWORDS
                .iter()
                .all(|keyword| (3..=KEYWORD_MAX).contains(&keyword.len()))
        );
    }
}
