//! The long tier, run by hand before an issue is closed.

use std::process::Command;

use crate::empty_root::EmptyRoot;
use crate::failure::Failure;
use crate::project::Project;
use crate::stage::{Outcome, Stage, simple};
use crate::{fips, fuzz, moto, mutate, oidc, peers, program, softhsm};

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
        name: "fips",
        about: "envelope on AWS-LC's FIPS module, built from source",
        run: fips::check,
    },
    Stage {
        name: "kms-aws",
        about: "the provider for AWS KMS: its lints, its docs, its tests on a fake",
        run: aws,
    },
    Stage {
        name: "kms-aws-moto",
        about: "the provider for AWS KMS against moto's server",
        run: moto::check,
    },
    Stage {
        name: "oidc",
        about: "logins with the ID tokens of a certified OpenID provider",
        run: oidc::check,
    },
    Stage {
        name: "webhook-peers",
        about: "webhooks and the official libraries on PyPI and npm, both ways",
        run: peers::webhooks,
    },
    Stage {
        name: "token-peers",
        about: "access tokens and the JOSE libraries on PyPI and npm, both ways",
        run: peers::tokens,
    },
    Stage {
        name: "pii-seeds",
        about: "the detector on five thousand drawings of each table's values, and long properties",
        run: pii_seeds,
    },
    Stage {
        name: "audit-store",
        about: "the embedded audit store: a thousand kills, and two thousand runs on disks that fail",
        run: audit_store,
    },
    Stage {
        name: "audit-zones",
        about: "three zones: a thousand kills of the server, of a standby, of the primary",
        run: audit_zones,
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

fn aws(project: &Project) -> Outcome {
    let arguments =
        "clippy --package strongroom-envelope-aws --all-targets --locked -- -D warnings";
    let lints = program::run(&mut project.cargo(arguments));
    let mut docs = project.cargo("doc --package strongroom-envelope-aws --no-deps --locked");
    let mut docs = || program::run(docs.env("RUSTDOCFLAGS", "-D warnings"));
    simple(lints.and_then(|()| docs()))?;
    program::run_tests(&mut project.cargo("test --package strongroom-envelope-aws --locked"))
}

/// New values each time; the CI tier has those of the commit.
fn pii_seeds(project: &Project) -> Outcome {
    let tables = "test --release --package strongroom-pii --test tables --locked";
    let properties = "test --release --package strongroom-pii --package strongroom-llm-wire \
                      --test properties --locked";
    program::run_tests(project.cargo(tables).env("TEST_SEEDS", "5000"))?;
    program::run_tests(project.cargo(properties).env("PROPTEST_CASES", "20000"))
}

fn audit_store(project: &Project) -> Outcome {
    let kills = "test --release --package strongroom-auditchain --test store --locked -- --ignored";
    let model = "test --release --package strongroom-auditchain --test store --locked -- model";
    program::run_tests(&mut project.cargo(kills))?;
    program::run_tests(project.cargo(model).env("STRONGROOM_MODEL_SEEDS", "2000"))
}

/// Each round says what was killed, and how many acknowledged entries are where they are to be.
fn audit_zones(project: &Project) -> Outcome {
    let kills = "test --package strongroom-server --test platform --locked -- --ignored --nocapture \
                 zone_kills::";
    program::run_tests(&mut project.cargo(kills))
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
