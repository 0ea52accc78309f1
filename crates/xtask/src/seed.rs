//! The seed of tests that draw at random.
//!
//! In the CI tier it is that of the files that were committed: what CI says of a commit it says every time,
//! and another commit draws anew. Where tests run without this tool, and in the long tier, each run draws.

use std::process::Command;

use crate::failure::Failure;
use crate::program;
use crate::project::Project;

/// What the project's own tests read, and what proptest reads.
const VARIABLES: [&str; 2] = ["TEST_SEED", "PROPTEST_RNG_SEED"];

/// Cargo, for tests with the checkout's seed, or with the one that was given: `TEST_SEED=7`.
pub(crate) fn cargo(project: &Project, arguments: &str) -> Result<Command, Failure> {
    let seed = match std::env::var(VARIABLES[0]) {
        Ok(given) => given
            .parse()
            .map_err(|_| Failure::cannot_run(format!("{} is no number", VARIABLES[0])))?,
        Err(_) => of_tree(&tree(project)?),
    };
    println!("{}={seed}", VARIABLES[0]);
    let mut cargo = project.cargo(arguments);
    cargo.envs(VARIABLES.map(|variable| (variable, format!("{seed}"))));
    Ok(cargo)
}

/// The name of the committed files in git; none where there is no repository, as in an archive.
fn tree(project: &Project) -> Result<String, Failure> {
    if !project.root.join(".git").exists() {
        return Ok(String::new());
    }
    let mut git = Command::new("git");
    git.args(["rev-parse", "HEAD^{tree}"]);
    program::output(git.current_dir(&project.root))
}

/// Its first 64 bits.
fn of_tree(name: &str) -> u64 {
    let digits = name.get(..16).unwrap_or_default();
    u64::from_str_radix(digits, 16).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_has_a_seed_of_its_own() {
        let name = "4b825dc642cb6eb9a060e54bf8d69288fbee4904\n";
        assert_eq!(of_tree(name), 0x4b82_5dc6_42cb_6eb9);
        assert_eq!(of_tree(""), 0);
    }

    #[test]
    fn tests_are_given_it_once_for_both() {
        let root = tempfile::tempdir().unwrap();
        let project = Project {
            root: root.path().into(),
            target: root.path().into(),
        };
        let cargo = cargo(&project, "test").unwrap();
        let given = VARIABLES.map(|variable| {
            let mut given = cargo.get_envs().filter(|(name, _)| *name == variable);
            given.next().unwrap().1.unwrap().to_owned()
        });
        assert_eq!(given[0], given[1]);
    }
}
