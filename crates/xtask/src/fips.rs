//! The envelope crate on AWS-LC's FIPS module, which is built from source: with CMake and Go.

use std::process::Command;

use crate::failure::Failure;
use crate::program;
use crate::project::Project;
use crate::stage::{Counts, Outcome};
use crate::test;

/// The programs that build the module, and the packages they are in.
const BUILDERS: &[(&str, &str)] = &[("cmake", "cmake"), ("go", "golang-go")];

pub(crate) fn check(project: &Project) -> Outcome {
    install().map_err(|failure| (Counts::default(), failure))?;
    test::envelope_too(
        project,
        project.cargo("test --package strongroom-envelope --features fips --locked"),
    )
}

fn install() -> Result<(), Failure> {
    let is_missing = |program: &str| {
        let version = if program == "go" {
            "version"
        } else {
            "--version"
        };
        let output = Command::new(program).arg(version).output();
        !output.is_ok_and(|output| output.status.success())
    };
    let missing = BUILDERS.iter().filter(|(program, _)| is_missing(program));
    let packages: Vec<_> = missing.map(|(_, package)| *package).collect();
    if packages.is_empty() {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::cannot_run(format!(
            "the FIPS module is built with {}, and this user may not install",
            packages.join(" and ")
        )));
    }
    let mut apt = Command::new("apt-get");
    apt.args(["install", "--quiet", "-y", "--no-install-recommends"]);
    apt.args(packages);
    program::run(apt.env("DEBIAN_FRONTEND", "noninteractive"))
}
