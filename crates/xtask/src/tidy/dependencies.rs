//! Who may depend on what.

use super::Violation;
use super::graph::{Graph, Kind, Package};
use super::tree::Tree;

/// The primitives, each with the crates of ours that it may stand on.
const FLOORS: &[(&str, &[&str])] = &[
    ("strongroom-tenancy", &[]),
    ("strongroom-webhook-sig", &[]),
    ("strongroom-envelope", &["strongroom-tenancy"]),
    (
        "strongroom-envelope-pkcs11",
        &["strongroom-envelope", "strongroom-tenancy"],
    ),
    ("strongroom-auditchain", &["strongroom-tenancy"]),
    ("strongroom-apikey", &["strongroom-tenancy"]),
    ("strongroom-pii", &["strongroom-tenancy"]),
    ("strongroom-tenant-token", &["strongroom-tenancy"]),
    ("strongroom-rls", &["strongroom-tenancy"]),
    (
        "strongroom-llm-wire",
        &["strongroom-pii", "strongroom-tenancy"],
    ),
];

/// Providers of a primitive that are no primitives themselves: they may name the network.
const PROVIDERS: &[(&str, &[&str])] = &[(
    "strongroom-envelope-aws",
    &["strongroom-envelope", "strongroom-tenancy"],
)];

/// Those that may combine primitives.
const COMBINERS: &[&str] = &[
    "strongroom",
    "strongroom-cli",
    "strongroom-server",
    "strongroom-examples",
    "xtask",
];

/// What only the server may name: the network and its runtime.
const SERVER_ONLY: &[&str] = &[
    "tokio",
    "axum",
    "tokio-postgres",
    "reqwest",
    "hyper",
    "object_store",
];

/// Dependencies whose identifier is never written, each with its reason.
const UNNAMED: &[(&str, &str, &str)] = &[];

/// The primitives of the workspace.
pub(super) fn primitives(graph: &Graph) -> impl Iterator<Item = &Package> {
    graph
        .members()
        .filter(|package| FLOORS.iter().any(|(name, _)| *name == package.name))
}

/// A primitive depends on none of ours but the floor below it.
pub(super) fn floors(graph: &Graph) -> Vec<Violation> {
    let mut found = Vec::new();
    for package in graph.members() {
        let mut floors = FLOORS.iter().chain(PROVIDERS);
        let Some((_, floor)) = floors.find(|(name, _)| *name == package.name) else {
            if !COMBINERS.contains(&package.name.as_str()) {
                found.push(Violation::new(
                    &package.name,
                    "is neither a primitive nor a combiner",
                ));
            }
            continue;
        };
        for dependency in package
            .dependencies
            .iter()
            .filter(|d| d.kind == Kind::Normal)
        {
            if graph.member(&dependency.name).is_some()
                && !floor.contains(&dependency.name.as_str())
            {
                let reason = format!("may not depend on {}", dependency.name);
                found.push(Violation::new(&package.name, reason));
            }
        }
    }
    found
}

/// Only the server names the network's crates, and no primitive gets one from below.
pub(super) fn server_only(graph: &Graph) -> Vec<Violation> {
    let mut found = Vec::new();
    for package in graph
        .members()
        .filter(|package| package.name != "strongroom-server")
    {
        for dependency in package
            .dependencies
            .iter()
            .filter(|d| d.kind == Kind::Normal)
        {
            if SERVER_ONLY.contains(&dependency.name.as_str()) {
                let reason = format!("only the server may name {}", dependency.name);
                found.push(Violation::new(&package.name, reason));
            }
        }
    }
    for package in primitives(graph) {
        for below in graph.normal_tree(package) {
            let is_direct = package.dependencies.iter().any(|d| d.name == below.name);
            if SERVER_ONLY.contains(&below.name.as_str()) && !is_direct {
                let reason = format!("links {}, which only the server may", below.name);
                found.push(Violation::new(&package.name, reason));
            }
        }
    }
    found
}

/// A dependency whose identifier occurs nowhere is one too many; one that only tests name belongs
/// to the tests.
pub(super) fn unused(graph: &Graph, tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for package in graph.members() {
        let folder = package.folder.as_deref().unwrap_or_default();
        for dependency in &package.dependencies {
            let identifier = dependency.identifier();
            let is_used = tree
                .below(folder)
                .filter(|file| file.path.ends_with(".rs"))
                .filter(|file| {
                    let path = file.path.get(folder.len() + 1..).unwrap_or_default();
                    match dependency.kind {
                        Kind::Normal => path.starts_with("src/"),
                        Kind::Build => path == "build.rs",
                        Kind::Dev => true,
                    }
                })
                .any(|file| file.text.lines().any(|line| names(line, &identifier)));
            let is_excused = UNNAMED
                .iter()
                .any(|(owner, name, _)| *owner == package.name && *name == dependency.name);
            if !is_used && !is_excused {
                let reason = format!("unused dependency {}", dependency.name);
                found.push(Violation::new(&package.name, reason));
            }
        }
    }
    found
}

/// Whether a line of code, or of a runnable example, names a crate: `name::…`, `use name;`,
/// `use name as …`.
fn names(line: &str, identifier: &str) -> bool {
    let line = line.trim_start();
    if line.starts_with("//") && !line.starts_with("///") && !line.starts_with("//!") {
        return false;
    }
    line.match_indices(identifier).any(|(at, _)| {
        let before = line.get(..at).unwrap_or_default();
        let after = line.get(at + identifier.len()..).unwrap_or_default();
        let is_whole = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let is_use =
            before.ends_with("use ") && (after.starts_with(';') || after.starts_with(" as "));
        is_whole && (after.starts_with("::") || is_use)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primitives_stand_on_their_floor_alone() {
        let good = [
            "*strongroom-tenancy",
            "*strongroom-pii: strongroom-tenancy",
            "*strongroom-llm-wire: strongroom-pii, strongroom-tenancy",
            "*strongroom-envelope: strongroom-tenancy, dev strongroom-pii",
            "*strongroom-server: strongroom-pii, strongroom-envelope",
        ];
        assert_eq!(floors(&Graph::planted(&good)), []);
        for bad in [
            "*strongroom-envelope: strongroom-pii",
            "*strongroom-webhook-sig: strongroom-tenancy",
            "*strongroom-tenancy: strongroom-pii",
            "*strongroom-llm-wire: strongroom-envelope",
            "*strongroom-nobody-knows",
        ] {
            let name = bad.split(':').next().unwrap();
            let mut lines: Vec<_> = good
                .into_iter()
                .filter(|line| !line.starts_with(name))
                .collect();
            lines.push(bad);
            assert_eq!(floors(&Graph::planted(&lines)).len(), 1, "{bad}");
        }
    }

    #[test]
    fn only_the_server_names_the_network() {
        let good = [
            "tokio",
            "*strongroom-server: tokio",
            "*strongroom-pii: dev tokio",
        ];
        assert_eq!(server_only(&Graph::planted(&good)), []);
        for name in SERVER_ONLY {
            let cli = format!("*strongroom-cli: {name}");
            assert_eq!(
                server_only(&Graph::planted(&[name, &cli])).len(),
                1,
                "{name}"
            );
            let between = format!("between: {name}");
            let lines = [name, between.as_str(), "*strongroom-pii: between"];
            assert_eq!(
                server_only(&Graph::planted(&lines)).len(),
                1,
                "{name} from below"
            );
        }
    }

    #[test]
    fn a_dependency_must_be_named_where_its_kind_can_use_it() {
        let graph = Graph::planted(&["*strongroom-pii: aho-corasick, dev proptest"]);
        let found = |lib: &str, test: &str| {
            let tree = Tree::planted(&[
                ("crates/pii/src/lib.rs", lib),
                ("crates/pii/tests/a.rs", test),
            ]);
            unused(&graph, &tree).len()
        };
        assert_eq!(found("use aho_corasick::X;", "proptest::proptest! {}"), 0);
        assert_eq!(
            found("pub use aho_corasick as a;", "use proptest::prelude::*;"),
            0
        );
        assert_eq!(
            found("// aho_corasick::X", "proptest::x"),
            1,
            "a comment is no use"
        );
        assert_eq!(
            found("my_aho_corasick::X", "proptest::x"),
            1,
            "another identifier"
        );
        assert_eq!(
            found("", "aho_corasick::X; proptest::x"),
            1,
            "normal, named by tests alone"
        );
        assert_eq!(found("aho_corasick::X", ""), 1);
    }
}
