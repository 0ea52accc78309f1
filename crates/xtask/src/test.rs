//! The CI tier.

use std::process::Command;

use crate::failure::{At as _, Failure};
use crate::program;
use crate::project::Project;
use crate::stage::{Counts, Outcome, Stage, simple};
use crate::{seed, setup, tidy, venv};

/// Every check that a change must pass, the quick ones first.
pub(crate) const STAGES: &[Stage] = &[
    Stage {
        name: "fmt",
        about: "every crate is formatted",
        run: fmt,
    },
    Stage {
        name: "clippy",
        about: "no warning anywhere",
        run: clippy,
    },
    Stage {
        name: "tidy",
        about: "the project's own rules",
        run: |p| simple(tidy::run(p)),
    },
    Stage {
        name: "setup",
        about: "what the tests need is here",
        run: |p| simple(setup(p)),
    },
    Stage {
        name: "tests",
        about: "unit, property, vector and doc tests",
        run: tests,
    },
    Stage {
        name: "envelope-rustcrypto",
        about: "envelope on its other backend",
        run: rustcrypto,
    },
    Stage {
        name: "docs",
        about: "the documentation builds without a warning",
        run: docs,
    },
    Stage {
        name: "fuzz-corpus",
        about: "each fuzz body on its corpus and beyond",
        run: fuzz,
    },
    Stage {
        name: "examples",
        about: "every example program runs",
        run: examples,
    },
    Stage {
        name: "demo",
        about: "the platform's main job, end to end",
        run: demo,
    },
];

/// Every crate but the provider for AWS KMS, whose SDK takes long to build: the soak tier has it.
const OURS: &str = "--workspace --exclude strongroom-envelope-aws";

/// Examples that serve until they are killed, each with what runs it.
const SERVICES: &[(&str, &str)] = &[("webhook_subscriber", "the demo delivers to it")];

fn fmt(project: &Project) -> Outcome {
    simple((|| {
        program::run(&mut project.cargo("fmt --all -- --check"))?;
        for apart in ["fuzz", "crates/bench"] {
            let arguments = format!("fmt --manifest-path {apart}/Cargo.toml -- --check");
            program::run(&mut project.cargo(&arguments))?;
        }
        Ok(())
    })())
}

fn clippy(project: &Project) -> Outcome {
    simple((|| {
        program::run(&mut project.cargo(&format!(
            "clippy {OURS} --all-targets --locked -- -D warnings"
        )))?;
        let fuzz = "clippy --manifest-path fuzz/Cargo.toml --all-targets --locked -- -D warnings";
        program::run(&mut project.cargo(fuzz))
    })())
}

fn setup(project: &Project) -> Result<(), Failure> {
    setup::run()?;
    venv::python(project)?;
    venv::ENVELOPE.python(project).map(|_| ())
}

fn tests(project: &Project) -> Outcome {
    seeded(project, &format!("test {OURS} --locked"))
}

fn rustcrypto(project: &Project) -> Outcome {
    let features = "--no-default-features --features rustcrypto,std,conformance";
    seeded(
        project,
        &format!("test --package strongroom-envelope {features} --locked"),
    )
}

/// Runs tests that draw by the commit's seed.
fn seeded(project: &Project, arguments: &str) -> Outcome {
    let cargo = seed::cargo(project, arguments);
    envelope_too(
        project,
        cargo.map_err(|failure| (Counts::default(), failure))?,
    )
}

/// Runs tests, the envelope's second implementation among them.
pub(crate) fn envelope_too(project: &Project, cargo: Command) -> Outcome {
    let cargo = venv::with_second_implementation(project, cargo);
    program::run_tests(&mut cargo.map_err(|failure| (Counts::default(), failure))?)
}

fn docs(project: &Project) -> Outcome {
    let mut cargo = project.cargo(&format!("doc {OURS} --no-deps --locked"));
    simple(program::run(cargo.env("RUSTDOCFLAGS", "-D warnings")))
}

fn fuzz(project: &Project) -> Outcome {
    program::run_tests(&mut project.cargo("test --manifest-path fuzz/Cargo.toml --locked"))
}

fn examples(project: &Project) -> Outcome {
    let bins = example_programs(project).map_err(|failure| (Counts::default(), failure))?;
    let mut counts = Counts::default();
    for bin in bins {
        println!("--- {bin}");
        if let Some((_, runner)) = SERVICES.iter().find(|(service, _)| *service == bin) {
            println!("a service: {runner}");
            continue;
        }
        let arguments = format!("run --quiet --locked --package strongroom-examples --bin {bin}");
        if let Err(failure) = program::run(&mut project.cargo(&arguments)) {
            return Err((counts, failure));
        }
        counts.passed += 1;
    }
    Ok(counts)
}

fn example_programs(project: &Project) -> Result<Vec<String>, Failure> {
    let folder = project.root.join("examples/src/bin");
    let mut bins = Vec::new();
    for entry in std::fs::read_dir(&folder).at(&folder)? {
        let path = entry.at(&folder)?.path();
        if path.extension().is_some_and(|extension| extension == "rs")
            && let Some(name) = path.file_stem()
        {
            bins.push(name.to_string_lossy().into_owned());
        }
    }
    bins.sort();
    if bins.is_empty() {
        return Err(Failure::failed("examples/src/bin holds no program"));
    }
    Ok(bins)
}

/// Through cargo and not `current_exe`: an earlier stage may have built this program anew.
fn demo(project: &Project) -> Outcome {
    simple(program::run(
        &mut project.cargo("run --quiet --locked --package xtask -- demo"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_have_names_of_their_own() {
        for tier in [STAGES, crate::soak::STAGES] {
            for (position, stage) in tier.iter().enumerate() {
                assert!(
                    tier.iter()
                        .skip(position + 1)
                        .all(|other| other.name != stage.name)
                );
            }
        }
    }

    #[test]
    fn a_folder_without_programs_is_a_failure() {
        let root = tempfile::tempdir().unwrap();
        let project = Project {
            root: root.path().into(),
            target: root.path().into(),
        };
        assert!(example_programs(&project).is_err());
        let folder = root.path().join("examples/src/bin");
        std::fs::create_dir_all(&folder).unwrap();
        assert!(example_programs(&project).is_err());
        std::fs::write(folder.join("seal.rs"), "").unwrap();
        assert_eq!(example_programs(&project).unwrap(), ["seal"]);
    }
}
