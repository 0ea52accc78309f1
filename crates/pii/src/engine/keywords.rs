//! Words at which something may be found that has no anchor of its own.

use aho_corasick::{AhoCorasick, Span, packed};

/// Beginnings and middles of words at which something may be found that has no anchor of its own,
/// as they are written in the cases that occur.
pub(super) const KEYWORDS: [&str; 50] = [
    "VALUES",
    "values",
    " --",
    " -u ",
    "ecret",
    "oken",
    "key is",
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
        let mut first = None;
        for searcher in &self.packed {
            // No further than one may go that begins before what was found.
            let end = first.map_or(text.len(), |at| text.len().min(at + KEYWORD_MAX));
            let found = searcher.find_in(text, Span::from(from..end));
            first = found
                .map(|found| found.start())
                .into_iter()
                .chain(first)
                .min();
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
        let text = format!(
            "{} and {}",
            KEYWORDS.join(" x "),
            "no more of them ".repeat(9)
        );
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
