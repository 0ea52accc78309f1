//! What a source file may be called and hold.

use super::Violation;
use super::graph::Graph;
use super::tree::{File, Tree};

/// Programs; every library forbids unsafe code.
const PROGRAMS: &[&str] = &[
    "strongroom-server",
    "strongroom-cli",
    "strongroom-examples",
    "xtask",
];

/// Names that say nothing of what is inside.
const EMPTY_NAMES: &[&str] = &[
    "utils", "util", "helpers", "helper", "common", "misc", "manager",
];

/// The longest Rust file, in lines.
const MAX_LINES: usize = 600;

/// Words that mark unfinished work. Put together here, so that this file holds none.
const UNFINISHED: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("todo", "!"),
    concat!("unimplemented", "!"),
];

/// Folders of one machine.
const MACHINE_FOLDERS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
];

/// Hosts of package registries: which one is used is the machine's affair.
const REGISTRY_HOSTS: &[&str] = &[
    concat!("index.crates", ".io"),
    concat!("static.crates", ".io"),
    concat!("pypi", ".org"),
    concat!("pythonhosted", ".org"),
    concat!("registry.npmjs", ".org"),
];

/// A library forbids unsafe code for itself, in a way that no module can allow again.
pub(super) fn forbid_unsafe(graph: &Graph, tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for package in graph.members() {
        if PROGRAMS.contains(&package.name.as_str()) {
            continue;
        }
        let path = format!(
            "{}/src/lib.rs",
            package.folder.as_deref().unwrap_or_default()
        );
        let forbids = |file: &File| {
            file.text
                .lines()
                .any(|line| line == "#![forbid(unsafe_code)]")
        };
        if !tree.file(&path).is_some_and(forbids) {
            found.push(Violation::new(path, "does not forbid unsafe code"));
        }
    }
    found
}

/// A file is a noun, and its name says which.
pub(super) fn file_names(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in tree.written() {
        let empty = file.path.split('/').find(|part| {
            let stem = part.split('.').next().unwrap_or_default();
            EMPTY_NAMES.contains(&stem)
        });
        if let Some(part) = empty {
            found.push(Violation::new(
                &file.path,
                format!("`{part}` names nothing"),
            ));
        }
    }
    found
}

/// A file that long holds a second noun.
pub(super) fn file_length(tree: &Tree) -> Vec<Violation> {
    let long = tree.rust().map(|file| (file, file.text.lines().count()));
    long.filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(file, lines)| {
            Violation::new(&file.path, format!("{lines} lines; {MAX_LINES} are enough"))
        })
        .collect()
}

/// A lint that is silenced says why.
pub(super) fn reasoned_allows(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in tree.rust() {
        for opening in ["[allow(", "[expect("] {
            for (at, _) in file.text.match_indices(opening) {
                let before = file.text.get(..at).unwrap_or_default();
                let after = file.text.get(at..).unwrap_or_default();
                let attribute = after.split(")]").next().unwrap_or_default();
                let is_attribute = before.ends_with('#') || before.ends_with("#!");
                if is_attribute && !attribute.contains("reason = ") {
                    let place = format!("{}:{}", file.path, before.lines().count().max(1));
                    found.push(Violation::new(place, "silences a lint without a reason"));
                }
            }
        }
    }
    found
}

/// What is not built is absent.
pub(super) fn unfinished_words(tree: &Tree) -> Vec<Violation> {
    find(tree, UNFINISHED, |word| {
        format!("`{word}` marks unfinished work")
    })
}

/// Nothing names a folder of the machine that it was written on.
pub(super) fn machine_paths(tree: &Tree) -> Vec<Violation> {
    find(tree, MACHINE_FOLDERS, |folder| {
        format!("names the folder `{folder}` of one machine")
    })
}

/// Nothing names a registry's host.
pub(super) fn registry_hosts(tree: &Tree) -> Vec<Violation> {
    find(tree, REGISTRY_HOSTS, |host| {
        format!("names the registry host `{host}`")
    })
}

/// Every line that holds one of the words, standing by itself.
fn find(tree: &Tree, words: &[&str], reason: impl Fn(&str) -> String) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in tree.written() {
        for (place, line) in file.lines() {
            for word in words.iter().filter(|word| holds(line, word)) {
                found.push(Violation::new(&place, reason(word)));
            }
        }
    }
    found
}

fn holds(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line
            .get(at + word.len()..)
            .and_then(|text| text.chars().next());
        let joins = |next: Option<char>| next.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let open_ended = word.ends_with(['/', '!']);
        !joins(before) && (open_ended || !joins(after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(path: &str, text: &str) -> Tree {
        Tree::planted(&[(path, text)])
    }

    #[test]
    fn libraries_forbid_unsafe_code() {
        let graph = Graph::planted(&["*strongroom-pii", "*strongroom-server"]);
        let found = |text| forbid_unsafe(&graph, &one("crates/pii/src/lib.rs", text)).len();
        assert_eq!(found("//! Doc.\n\n#![forbid(unsafe_code)]\n"), 0);
        assert_eq!(found("#![deny(unsafe_code)]\n"), 1);
        assert_eq!(found("// #![forbid(unsafe_code)]\n"), 1);
        assert_eq!(
            forbid_unsafe(&graph, &one("crates/pii/src/main.rs", "")).len(),
            1
        );
    }

    #[test]
    fn names_that_name_nothing() {
        for name in EMPTY_NAMES {
            assert_eq!(
                file_names(&one(&format!("crates/pii/src/{name}.rs"), "")).len(),
                1
            );
            assert_eq!(
                file_names(&one(&format!("crates/pii/tests/{name}/mod.rs"), "")).len(),
                1
            );
        }
        assert_eq!(file_names(&one("crates/pii/src/commonplace.rs", "")), []);
    }

    #[test]
    fn a_file_has_an_end() {
        assert_eq!(file_length(&one("a.rs", &"x\n".repeat(MAX_LINES))), []);
        assert_eq!(
            file_length(&one("a.rs", &"x\n".repeat(MAX_LINES + 1))).len(),
            1
        );
        assert_eq!(
            file_length(&one("a.json", &"x\n".repeat(MAX_LINES + 1))),
            []
        );
    }

    #[test]
    fn silencing_wants_a_reason() {
        // Put together, so that this file itself silences nothing.
        let attribute = |inner: &str| format!("fn f() {{}}\n#{inner}\nfn g() {{}}");
        let found = |inner: &str| reasoned_allows(&one("a.rs", &attribute(inner))).len();
        assert_eq!(found("[allow(dead_code)]"), 1);
        assert_eq!(found("![allow(dead_code)]"), 1);
        assert_eq!(found("[expect(dead_code)]"), 1);
        assert_eq!(found("[allow(dead_code, reason = \"x\")]"), 0);
        assert_eq!(
            found("[allow(\n    dead_code,\n    reason = \"x (y) z\"\n)]"),
            0
        );
    }

    #[test]
    fn unfinished_work_is_found_as_a_word() {
        for word in UNFINISHED {
            assert_eq!(
                unfinished_words(&one("a.rs", &format!("// {word} later"))).len(),
                1
            );
            assert_eq!(
                unfinished_words(&one("a.rs", &format!("x{word}"))),
                [],
                "{word}"
            );
            assert_eq!(unfinished_words(&one("a.json", &format!("\"{word}\""))), []);
        }
    }

    #[test]
    fn folders_of_a_machine_are_found() {
        for folder in MACHINE_FOLDERS {
            assert_eq!(
                machine_paths(&one("a.md", &format!("see `{folder}x`"))).len(),
                1
            );
            assert_eq!(
                machine_paths(&one("a.md", &format!("https://example.org/a{folder}x"))),
                []
            );
        }
    }

    #[test]
    fn hosts_of_registries_are_found() {
        for host in REGISTRY_HOSTS {
            assert_eq!(
                registry_hosts(&one("a.toml", &format!("\"https://{host}/x\""))).len(),
                1
            );
        }
    }
}
