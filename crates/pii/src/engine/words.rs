//! The words themselves, as the files beside this one have them.

use crate::class::Kind;

const NAMES: &str = include_str!("words/names.txt");
const HINTS: &str = include_str!("words/hints.txt");
const OTHERS: &str = include_str!("words/others.txt");
const FILLERS: &str = include_str!("words/fillers.txt");

/// Words and phrases, each with the classes that it names.
pub(super) fn names() -> impl Iterator<Item = (Vec<Kind>, &'static str)> {
    selected(NAMES)
}

/// Words and phrases, each with the classes that it hints at.
pub(super) fn hints() -> impl Iterator<Item = (Vec<Kind>, &'static str)> {
    selected(HINTS)
}

/// Words and phrases that name something else.
pub(super) fn others() -> impl Iterator<Item = &'static str> {
    lines(OTHERS).flat_map(phrases)
}

/// Words that stand between a name and its value.
pub(super) fn fillers() -> impl Iterator<Item = &'static str> {
    lines(FILLERS).flat_map(phrases)
}

fn selected(file: &'static str) -> impl Iterator<Item = (Vec<Kind>, &'static str)> {
    lines(file)
        .filter_map(|line| line.split_once(':'))
        .flat_map(|(selectors, words)| {
            let kinds: Vec<Kind> = selectors.split(' ').flat_map(selection).collect();
            phrases(words).map(move |phrase| (kinds.clone(), phrase))
        })
}

/// A class's id, `gov.*`, or `*.us`.
fn selection(selector: &str) -> impl Iterator<Item = Kind> {
    Kind::ALL.iter().copied().filter(move |kind| {
        let id = kind.id();
        match (selector.strip_suffix('*'), selector.strip_prefix("*.")) {
            (Some(group), _) => id.starts_with(group),
            (_, Some(country)) => id.rsplit('.').next() == Some(country),
            _ => id == selector,
        }
    })
}

fn lines(file: &'static str) -> impl Iterator<Item = &'static str> {
    file.lines().filter(|line| !line.starts_with('#'))
}

fn phrases(words: &'static str) -> impl Iterator<Item = &'static str> {
    words
        .split(',')
        .map(str::trim)
        .filter(|phrase| !phrase.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_selects_something_and_is_in_lower_case() {
        for file in [NAMES, HINTS] {
            for line in lines(file) {
                let (selectors, words) = line.split_once(':').unwrap_or_default();
                assert!(phrases(words).next().is_some(), "{line}");
                for selector in selectors.split(' ') {
                    assert!(selection(selector).next().is_some(), "{selector}");
                }
            }
        }
        let all = names().chain(hints()).map(|(_, phrase)| phrase);
        for phrase in all.chain(others()).chain(fillers()) {
            assert_eq!(phrase, phrase.to_lowercase());
            assert!(
                !phrase.contains("  ") && !phrase.contains(['_', '-', ':']),
                "{phrase}"
            );
        }
    }
}
