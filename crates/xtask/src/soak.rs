//! The long tier, run by hand before an issue is closed.

use std::process::Command;

use crate::empty_root::EmptyRoot;
use crate::failure::Failure;
use crate::project::Project;
use crate::stage::{Outcome, Stage, simple};
use crate::{fuzz, mutate, program, softhsm};

/// Seconds for each of the two dozen fuzz bodies, in each of the two ways; `cargo xtask fuzz 600` is
/// for a night.
const FUZZ_SECONDS: u64 = 20;

/// What takes an hour or a machine of its own.
pub(crate) const STAGES: &[Stage] = &[
    Stage {
        name: "empty-root",
        about: "the installation works where nothing is installed",
        run: |project| simple(EmptyRoot::below(project).check()),
    },
    Stage {
        name: "mutate",
        about: "every sabotage turns its test red",
        run: |project| mutate::check(project, &mutate::Options::default()),
    },
    Stage {
        name: "pkcs11",
        about: "keys in a PKCS#11 token, on SoftHSM2",
        run: softhsm::check,
    },
    Stage {
        name: "bench-builds",
        about: "the benchmarks build without a warning",
        run: bench,
    },
    Stage {
        name: "fuzz",
        about: "each fuzz body on random input, 20 seconds each",
        run: |project| simple(fuzz::run(project, &options(false))),
    },
    Stage {
        name: "fuzz-coverage",
        about: "each fuzz body guided by coverage, 20 seconds each",
        run: |project| simple(coverage(project)),
    },
];

const fn options(coverage_guided: bool) -> fuzz::Options {
    fuzz::Options {
        seconds: FUZZ_SECONDS,
        body: None,
        coverage_guided,
    }
}

fn bench(project: &Project) -> Outcome {
    let arguments = "clippy --manifest-path crates/bench/Cargo.toml --all-targets --locked \
                     -- -D warnings";
    simple(program::run(&mut project.cargo(arguments)))
}

fn coverage(project: &Project) -> Result<(), Failure> {
    if !fuzz::has_cargo_fuzz() {
        program::run(Command::new("cargo").args(["install", "cargo-fuzz", "--locked"]))?;
    }
    fuzz::run(project, &options(true))
}
