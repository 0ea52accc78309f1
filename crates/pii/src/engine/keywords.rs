//! Words at which something may be found that has no anchor of its own.

use aho_corasick::{AhoCorasick, Span, packed};

/// Beginnings and middles of words at which something may be found that has no anchor of its own,
/// as they are written in the cases that occur.
pub(super) const KEYWORDS: [&str; 49] = [
    "VALUES",
    "values",
    " --",
    "ecret",
    "oken",
    "key is",
    "pw is",
    "API key",
    "chlüssel",
    "-----BEGIN ",
    "PuTTY-User-Key-File-",
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
pub(super) const KEYWORD_MAX: usize = 20;

/// Looks for the next keyword: many bytes at once where the processor can, else by an automaton.
pub(super) struct Keywords {
    packed: Option<packed::Searcher>,
    automaton: Option<AhoCorasick>,
}

impl Keywords {
    pub(super) fn new() -> Self {
        let packed = packed::Config::new().builder().extend(KEYWORDS).build();
        let automaton = match &packed {
            Some(_) => None,
            None => AhoCorasick::new(KEYWORDS).ok(),
        };
        Self { packed, automaton }
    }

    /// Where the first one begins, from an offset on.
    pub(super) fn find(&self, text: &[u8], from: usize) -> Option<usize> {
        let span = Span::from(from..text.len());
        let found = match (&self.packed, &self.automaton) {
            (Some(packed), _) => packed.find_in(text, span),
            (None, Some(automaton)) => automaton.find(aho_corasick::Input::new(text).span(span)),
            (None, None) => None,
        };
        found.map(|found| found.start())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_searches_find_the_same() {
        let keywords = Keywords::new();
        let automaton = Keywords {
            packed: None,
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
