//! A certified OpenID provider, from npm: logins are tried with what it issues.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::failure::{At as _, Failure};
use crate::program;
use crate::project::Project;
use crate::stage::{Counts, Outcome};

/// Where the list of packages is, and the versions and checksums of all of them.
const LISTS: &str = "crates/server/tests/oidc";

/// What is copied from there, and what the installation is known by.
const FILES: [&str; 2] = ["package.json", "package-lock.json"];

/// Runs the login that needs the provider; the test ends the provider that it starts.
pub(crate) fn check(project: &Project) -> Outcome {
    let folder = install(project).map_err(|failure| (Counts::default(), failure))?;
    let mut cargo = project.cargo("test --locked -p strongroom-server --test platform --");
    cargo.args(["--ignored", "--nocapture", "--exact"]);
    cargo.arg("oidc_provider::a_certified_provider_s_id_tokens_are_accepted");
    cargo.env("OIDC_PROVIDER", folder);
    let counts = program::run_tests(&mut cargo)?;
    if counts.passed == 1 {
        Ok(counts)
    } else {
        Err((counts, Failure::failed("the test was not run")))
    }
}

/// The folder with the packages; they are installed when they are not there, and anew when the
/// lists have changed. No package runs a script of its own.
fn install(project: &Project) -> Result<PathBuf, Failure> {
    let folder = project.target.join("oidc-provider");
    let stamp = folder.join("installed");
    let mut wanted = String::new();
    for name in FILES {
        let list = project.root.join(LISTS).join(name);
        wanted += &fs::read_to_string(&list).at(&list)?;
    }
    // Written last, so that an interrupted installation is not taken for a whole one.
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(folder);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).at(&folder)?;
    }
    fs::create_dir_all(&folder).at(&folder)?;
    for name in FILES {
        let list = project.root.join(LISTS).join(name);
        fs::copy(&list, folder.join(name)).at(&list)?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    program::run(npm.current_dir(&folder))
        .map_err(|failure| Failure::cannot_run(format!("{LISTS}: {failure}")))?;
    fs::write(&stamp, wanted).at(&stamp)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    /// Neither a version that moves nor a place to fetch from: the registry is the machine's.
    #[test]
    fn every_package_is_pinned_by_its_checksum() {
        let list = include_str!("../../server/tests/oidc/package.json");
        let lock = include_str!("../../server/tests/oidc/package-lock.json");
        assert!(!list.contains(['^', '~', '*']));
        let packages = lock.matches("\"node_modules/").count();
        assert!(packages > 10);
        assert_eq!(lock.matches("\"integrity\": \"sha512-").count(), packages);
        assert_eq!(lock.matches("\"resolved\"").count(), 0);
    }
}
