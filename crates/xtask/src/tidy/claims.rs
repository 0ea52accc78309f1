//! `docs/claims.md`: every promise, with the tests that hold it.

use std::collections::BTreeSet;

use super::Violation;
use super::tree::Tree;

const CLAIMS: &str = "docs/claims.md";

const COLUMNS: [&str; 3] = ["requirement", "what holds", "held by"];

/// Every claim names tests, and every test that a claim names is there.
pub(super) fn held(tree: &Tree) -> Vec<Violation> {
    let Some(page) = tree.file(CLAIMS) else {
        return vec![Violation::new(CLAIMS, "is not written")];
    };
    let mut found = Vec::new();
    let mut requirements = BTreeSet::new();
    for (place, line) in page.lines() {
        let Some(cells) = cells(line) else { continue };
        if cells == COLUMNS
            || cells
                .iter()
                .all(|cell| cell.bytes().all(|b| b"-:".contains(&b)))
        {
            continue;
        }
        let [requirement, what, by] = cells.as_slice() else {
            found.push(Violation::new(place, "a claim has three columns"));
            continue;
        };
        if !is_requirement(requirement) {
            found.push(Violation::new(
                &place,
                format!("`{requirement}` is no requirement's id"),
            ));
        } else if !requirements.insert((*requirement).to_owned()) {
            found.push(Violation::new(
                &place,
                format!("{requirement} stands twice"),
            ));
        }
        if what.is_empty() {
            found.push(Violation::new(&place, "says nothing of what holds"));
        }
        for item in by.split(", ") {
            if let Some(problem) = problem(tree, item) {
                found.push(Violation::new(&place, problem));
            }
        }
    }
    if requirements.is_empty() {
        let columns = COLUMNS.join(" | ");
        found.push(Violation::new(
            CLAIMS,
            format!("holds no claim: | {columns} |"),
        ));
    }
    found
}

fn cells(line: &str) -> Option<Vec<&str>> {
    let row = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(row.split('|').map(str::trim).collect())
}

/// `ISO1`: capital letters, then a number.
fn is_requirement(text: &str) -> bool {
    let number = text.trim_start_matches(|c: char| c.is_ascii_uppercase());
    number != text && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
}

fn problem(tree: &Tree, item: &str) -> Option<String> {
    let inner = item
        .strip_prefix('`')
        .and_then(|rest| rest.strip_suffix('`'));
    let Some((path, name)) = inner.and_then(|inner| inner.split_once("::")) else {
        return Some(format!("expected `path::test`, not {item}"));
    };
    let Some(file) = tree.file(path) else {
        return Some(format!("{path} is not there"));
    };
    (!has_test(&file.text, name)).then(|| format!("{path} has no test {name}"))
}

/// Whether a function of this name stands under a test attribute.
fn has_test(text: &str, name: &str) -> bool {
    let opening = format!("fn {name}(");
    let mut is_under_attribute = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_under_attribute = true;
        }
        if is_under_attribute && line.split("async ").any(|part| part.starts_with(&opening)) {
            return true;
        }
        if line.contains("fn ") {
            is_under_attribute = false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const TESTS: &str = "#[test]\nfn plain() {}\n\n#[tokio::test(flavor = \"x\")]\nasync fn waits() \
                         {}\n\nfn no_test() {}\n\nproptest! {\n    #[test]\n    fn any(x in 0..9) {}\n}";

    fn found(rows: &str) -> usize {
        let page = format!(
            "# Claims\n\n| {} |\n|---|---|---|\n{rows}\n",
            COLUMNS.join(" | ")
        );
        held(&Tree::planted(&[
            (CLAIMS, &page),
            ("crates/a/tests/b.rs", TESTS),
        ]))
        .len()
    }

    #[test]
    fn a_claim_is_held_by_tests_that_are_there() {
        assert_eq!(
            found("| ISO1 | rows stay apart | `crates/a/tests/b.rs::plain` |"),
            0
        );
        let several = "`crates/a/tests/b.rs::plain`, `crates/a/tests/b.rs::waits`, \
                       `crates/a/tests/b.rs::any`";
        assert_eq!(found(&format!("| ISO1 | x | {several} |")), 0);
    }

    #[test]
    fn a_claim_without_its_test_is_found() {
        for (name, row) in [
            (
                "no such test",
                "| ISO1 | x | `crates/a/tests/b.rs::absent` |",
            ),
            (
                "a function that is no test",
                "| ISO1 | x | `crates/a/tests/b.rs::no_test` |",
            ),
            (
                "the start of a name",
                "| ISO1 | x | `crates/a/tests/b.rs::pla` |",
            ),
            (
                "no such file",
                "| ISO1 | x | `crates/a/tests/c.rs::plain` |",
            ),
            ("no backticks", "| ISO1 | x | crates/a/tests/b.rs::plain |"),
            ("no test at all", "| ISO1 | x |  |"),
            ("nothing said", "| ISO1 |  | `crates/a/tests/b.rs::plain` |"),
            ("no id", "| isolation | x | `crates/a/tests/b.rs::plain` |"),
        ] {
            let both = format!("{row}\n| PII1 | x | `crates/a/tests/b.rs::plain` |");
            assert_eq!(found(&both), 1, "{name}");
        }
        let row = "| ISO1 | x | `crates/a/tests/b.rs::plain` |";
        assert_eq!(found(&format!("{row}\n{row}")), 1, "twice");
        assert_eq!(
            found(
                "| PII1 | x | `crates/a/tests/b.rs::plain` | y |\n| ISO1 | x | `crates/a/tests/b.rs::plain` |"
            ),
            1
        );
        assert_eq!(found(""), 1, "an empty table");
        assert_eq!(held(&Tree::planted(&[])).len(), 1, "no page");
    }
}
