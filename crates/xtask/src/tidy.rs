//! The project's own rules, which no compiler knows.

mod claims;
mod crypto;
mod dependencies;
mod graph;
mod licences;
mod links;
mod manifests;
mod sources;
mod tree;

use crate::failure::Failure;
use crate::project::Project;

use graph::Graph;
use tree::Tree;

/// One rule: its name, and what it finds wrong.
struct Rule {
    name: &'static str,
    check: Check,
}

/// What a rule looks at.
enum Check {
    /// The crates and what they depend on.
    Graph(fn(&Graph) -> Vec<Violation>),
    /// The files.
    Tree(fn(&Tree) -> Vec<Violation>),
    /// Both.
    Both(fn(&Graph, &Tree) -> Vec<Violation>),
}

/// A broken rule: where, and why it matters.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    place: String,
    reason: String,
}

const RULES: &[Rule] = &[
    Rule {
        name: "floors",
        check: Check::Graph(dependencies::floors),
    },
    Rule {
        name: "server-only-crates",
        check: Check::Graph(dependencies::server_only),
    },
    Rule {
        name: "unused-dependencies",
        check: Check::Both(dependencies::unused),
    },
    Rule {
        name: "crypto-generations",
        check: Check::Graph(crypto::one_generation),
    },
    Rule {
        name: "constant-time",
        check: Check::Tree(crypto::compared_in_one_time),
    },
    Rule {
        name: "tls-provider",
        check: Check::Graph(crypto::one_provider),
    },
    Rule {
        name: "card-s-crates",
        check: Check::Graph(crypto::card_s_crates),
    },
    Rule {
        name: "licences",
        check: Check::Graph(licences::allowed),
    },
    Rule {
        name: "manifests",
        check: Check::Both(manifests::complete),
    },
    Rule {
        name: "lock-files",
        check: Check::Tree(manifests::locked),
    },
    Rule {
        name: "forbid-unsafe",
        check: Check::Both(sources::forbid_unsafe),
    },
    Rule {
        name: "file-names",
        check: Check::Tree(sources::file_names),
    },
    Rule {
        name: "file-length",
        check: Check::Tree(sources::file_length),
    },
    Rule {
        name: "reasoned-allows",
        check: Check::Tree(sources::reasoned_allows),
    },
    Rule {
        name: "unfinished-words",
        check: Check::Tree(sources::unfinished_words),
    },
    Rule {
        name: "machine-paths",
        check: Check::Tree(sources::machine_paths),
    },
    Rule {
        name: "registry-hosts",
        check: Check::Tree(sources::registry_hosts),
    },
    Rule {
        name: "spec-pages",
        check: Check::Tree(links::spec_pages),
    },
    Rule {
        name: "relative-links",
        check: Check::Tree(links::relative),
    },
    Rule {
        name: "claims",
        check: Check::Tree(claims::held),
    },
];

impl Violation {
    fn new(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            reason: reason.into(),
        }
    }
}

impl Check {
    fn run(&self, graph: &Graph, tree: &Tree) -> Vec<Violation> {
        match self {
            Self::Graph(check) => check(graph),
            Self::Tree(check) => check(tree),
            Self::Both(check) => check(graph, tree),
        }
    }
}

/// Checks every rule and prints what breaks one.
pub(crate) fn run(project: &Project) -> Result<(), Failure> {
    let graph = Graph::load(project)?;
    let tree = Tree::load(project)?;
    let mut broken = 0;
    for rule in RULES {
        for Violation { place, reason } in rule.check.run(&graph, &tree) {
            println!("{}: {place}: {reason}", rule.name);
            broken += 1;
        }
    }
    if broken > 0 {
        return Err(Failure::failed(format!(
            "{broken} violations of the project's rules"
        )));
    }
    println!("{} rules hold", RULES.len());
    Ok(())
}
