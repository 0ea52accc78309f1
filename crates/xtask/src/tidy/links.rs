//! Links between files.

use super::Violation;
use super::tree::Tree;

const SPEC: &str = "docs/spec/";

/// A specification that a source names is there.
pub(super) fn spec_pages(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in tree.written() {
        for (place, line) in file.lines() {
            for (at, _) in line.match_indices(SPEC) {
                let rest = line.get(at..).unwrap_or_default();
                let end = rest.find(".md").map(|end| end + ".md".len());
                let Some(page) = end.and_then(|end| rest.get(..end)) else {
                    continue;
                };
                let name = page
                    .strip_prefix(SPEC)
                    .and_then(|name| name.strip_suffix(".md"));
                let is_name = |name: &str| {
                    !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
                };
                if name.is_some_and(is_name) && !tree.has(page) {
                    found.push(Violation::new(&place, format!("{page} is not there")));
                }
            }
        }
    }
    found
}

/// A relative link of a document leads to a file or folder.
pub(super) fn relative(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in tree.written().filter(|file| file.path.ends_with(".md")) {
        for (place, line) in file.lines() {
            for target in line
                .split("](")
                .skip(1)
                .filter_map(|rest| rest.split(')').next())
            {
                let path = target.split('#').next().unwrap_or_default();
                let is_elsewhere = path.is_empty() || path.contains(':');
                if !is_elsewhere && !resolve(&file.path, path).is_some_and(|path| tree.has(&path)) {
                    found.push(Violation::new(&place, format!("`{target}` leads nowhere")));
                }
            }
        }
    }
    found
}

/// The path that a link means; nothing when it leaves the project.
fn resolve(document: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_specification_exists() {
        // Put together, so that this file names no page that is not there.
        let found = |text: &str| {
            let text = text.replace("spec:", SPEC);
            let page = format!("{SPEC}api-key.md");
            spec_pages(&Tree::planted(&[(&page, ""), ("a.rs", &text)])).len()
        };
        assert_eq!(found("//! Format: `spec:api-key.md`, section 2."), 0);
        assert_eq!(found("//! Format: spec:absent.md"), 1);
        assert_eq!(found("include_str!(\"../../../spec:absent.md\")"), 1);
        assert_eq!(found("spec:<format>.md"), 0, "a pattern is no page");
    }

    #[test]
    fn a_relative_link_leads_somewhere() {
        let found = |path: &str, text: &str| {
            let files = [
                ("docs/operating/a.md", ""),
                ("LICENSE-MIT", ""),
                (path, text),
            ];
            relative(&Tree::planted(&files)).len()
        };
        assert_eq!(
            found(
                "README.md",
                "[a](docs/operating/a.md#grammar), [l](LICENSE-MIT)"
            ),
            0
        );
        assert_eq!(
            found(
                "README.md",
                "[a](docs/operating/), [h](#here), [w](https://x.org)"
            ),
            0
        );
        assert_eq!(
            found("docs/claims.md", "[a](operating/a.md) [l](../LICENSE-MIT)"),
            0
        );
        assert_eq!(found("README.md", "[a](operating/a.md)"), 1);
        assert_eq!(found("docs/claims.md", "[a](../../LICENSE-MIT)"), 1);
    }
}
