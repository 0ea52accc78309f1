//! What every manifest says.

use super::Violation;
use super::graph::Graph;
use super::tree::Tree;

/// A crate describes itself, and takes licence and lints from the workspace.
pub(super) fn complete(graph: &Graph, tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for package in graph.members() {
        let path = format!(
            "{}/Cargo.toml",
            package.folder.as_deref().unwrap_or_default()
        );
        let Some(manifest) = tree.file(&path) else {
            found.push(Violation::new(path, "is not a file of the project"));
            continue;
        };
        let says = |wanted: &str| manifest.text.lines().any(|line| line.starts_with(wanted));
        for wanted in ["description = \"", "license.workspace = true"] {
            if !says(wanted) {
                let field = wanted.trim_end_matches('"');
                found.push(Violation::new(&path, format!("does not say `{field}`")));
            }
        }
        let lints = manifest
            .text
            .lines()
            .skip_while(|line| *line != "[lints]")
            .nth(1);
        if lints != Some("workspace = true") {
            found.push(Violation::new(&path, "does not take the workspace's lints"));
        }
    }
    found
}

/// Every workspace commits its lock file, so that two builds of one commit are one build.
pub(super) fn locked(tree: &Tree) -> Vec<Violation> {
    let workspaces = tree.files.iter().filter(|file| {
        (file.path == "Cargo.toml" || file.path.ends_with("/Cargo.toml"))
            && file.text.lines().any(|line| line == "[workspace]")
    });
    let locks = workspaces.map(|file| file.path.replace("Cargo.toml", "Cargo.lock"));
    locks
        .filter(|lock| !tree.has(lock))
        .map(|lock| Violation::new(lock, "is not committed"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[package]\ndescription = \"x\"\nlicense.workspace = true\n\n[lints]\n\
                        workspace = true\n";

    #[test]
    fn what_a_manifest_must_say() {
        let graph = Graph::planted(&["*strongroom-pii"]);
        let found =
            |text: &str| complete(&graph, &Tree::planted(&[("crates/pii/Cargo.toml", text)])).len();
        assert_eq!(found(GOOD), 0);
        for line in ["description = \"x\"", "license.workspace = true", "[lints]"] {
            assert_eq!(found(&GOOD.replace(line, "")), 1, "{line}");
        }
        assert_eq!(
            found(&GOOD.replace("[lints]\nworkspace = true", "[lints]\n")),
            1
        );
        assert_eq!(complete(&graph, &Tree::planted(&[])).len(), 1);
    }

    #[test]
    fn every_workspace_has_its_lock_file() {
        let tree = |lock: &str| Tree::planted(&[("fuzz/Cargo.toml", "[workspace]\n"), (lock, "")]);
        assert_eq!(locked(&tree("fuzz/Cargo.lock")), []);
        assert_eq!(locked(&tree("Cargo.lock")).len(), 1);
        assert_eq!(locked(&Tree::planted(&[("a/Cargo.toml", "[package]")])), []);
    }
}
