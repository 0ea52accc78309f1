//! The licences of everything in the build.

use super::Violation;
use super::graph::Graph;

/// Licences under which we take code (SPDX identifiers).
const ALLOWED: &[&str] = &[
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MPL-2.0",
    "Unicode-3.0",
    "Zlib",
    "CC0-1.0",
    "0BSD",
    "BSL-1.0",
    "Unlicense",
    "CDLA-Permissive-2.0",
];

/// Licences that are taken for one crate alone: crate, licence, reason.
const FOR_ONE: &[(&str, &str, &str)] = &[
    (
        "aws-lc-sys",
        "OpenSSL",
        "parts of AWS-LC come from OpenSSL; its terms ask for attribution",
    ),
    (
        "minicbor",
        "BlueOak-1.0.0",
        "permissive, in plainer words than MIT's",
    ),
    ("minicbor-derive", "BlueOak-1.0.0", "as minicbor"),
];

/// Every crate of the build is under a licence that we take.
pub(super) fn allowed(graph: &Graph) -> Vec<Violation> {
    let mut found = Vec::new();
    for package in &graph.packages {
        let takes = |licence: &str| {
            ALLOWED.contains(&licence)
                || FOR_ONE
                    .iter()
                    .any(|(name, one, _)| *name == package.name && *one == licence)
        };
        let Some(expression) = &package.license else {
            found.push(Violation::new(&package.name, "names no licence"));
            continue;
        };
        match satisfies(expression, &takes) {
            Some(true) => {}
            Some(false) => {
                found.push(Violation::new(
                    &package.name,
                    format!("is under {expression}"),
                ));
            }
            None => {
                let reason = format!("`{expression}` is no licence expression");
                found.push(Violation::new(&package.name, reason));
            }
        }
    }
    found
}

/// Whether an SPDX expression can be satisfied; nothing when it cannot be read. Also reads `/`,
/// the older way to write OR.
fn satisfies(expression: &str, takes: &dyn Fn(&str) -> bool) -> Option<bool> {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<_> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let answer = any(&mut rest, takes)?;
    rest.is_empty().then_some(answer)
}

fn any(rest: &mut &[&str], takes: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut answer = all(rest, takes)?;
    while let ["OR", after @ ..] = *rest {
        *rest = after;
        answer |= all(rest, takes)?;
    }
    Some(answer)
}

fn all(rest: &mut &[&str], takes: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut answer = one(rest, takes)?;
    while let ["AND", after @ ..] = *rest {
        *rest = after;
        answer &= one(rest, takes)?;
    }
    Some(answer)
}

fn one(rest: &mut &[&str], takes: &dyn Fn(&str) -> bool) -> Option<bool> {
    match *rest {
        ["(", after @ ..] => {
            *rest = after;
            let answer = any(rest, takes)?;
            let [")", after @ ..] = *rest else {
                return None;
            };
            *rest = after;
            Some(answer)
        }
        [licence, "WITH", exception, after @ ..] => {
            *rest = after;
            Some(takes(&format!("{licence} WITH {exception}")))
        }
        ["AND" | "OR" | "WITH" | ")", ..] | [] => None,
        [licence, after @ ..] => {
            *rest = after;
            Some(takes(licence))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_licence_expressions() {
        let takes = |licence: &str| ["A", "B", "A WITH x"].contains(&licence);
        for (expression, answer) in [
            ("A", Some(true)),
            ("C", Some(false)),
            ("A/C", Some(true)),
            ("C OR A", Some(true)),
            ("C AND A", Some(false)),
            ("A AND B OR C", Some(true)),
            ("C OR A AND C", Some(false)),
            ("(C OR A) AND B", Some(true)),
            ("(C OR A) AND (B AND C)", Some(false)),
            ("A WITH x", Some(true)),
            ("A WITH y", Some(false)),
            ("", None),
            ("A B", None),
            ("A OR", None),
            ("(A", None),
            ("A)", None),
            ("OR", None),
        ] {
            assert_eq!(satisfies(expression, &takes), answer, "{expression}");
        }
    }

    #[test]
    fn a_licence_we_do_not_take_is_found() {
        let found = |line: &str| allowed(&Graph::planted(&[line])).len();
        assert_eq!(found("a 1.0.0 MIT OR GPL-3.0-only"), 0);
        assert_eq!(found("a 1.0.0 GPL-3.0-only"), 1);
        assert_eq!(found("a 1.0.0 MIT AND AGPL-3.0-only"), 1);
        assert_eq!(found("a 1.0.0 SSPL-1.0"), 1);
        assert_eq!(found("a 1.0.0"), 1, "no licence at all");
        assert_eq!(found("a 1.0.0 MIT OR"), 1, "unreadable");
    }

    #[test]
    fn an_exception_is_for_its_crate_alone() {
        for (name, licence, reason) in FOR_ONE {
            let found = |line: String| allowed(&Graph::planted(&[&line])).len();
            assert_eq!(found(format!("{name} 1.0.0 {licence}")), 0);
            assert_eq!(found(format!("another 1.0.0 {licence}")), 1);
            assert!(!reason.is_empty());
        }
    }
}
