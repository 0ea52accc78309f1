//! SoftHSM2, a PKCS#11 token in software, and the tests that need it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{At as _, Failure};
use crate::program;
use crate::project::Project;
use crate::stage::{Counts, Outcome};

/// Where the packages of the usual systems put the module.
const MODULES: &[&str] = &[
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/lib/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
];

/// Names another module.
const MODULE: &str = "STRONGROOM_PKCS11_MODULE";

/// Runs the tests of `strongroom-envelope-pkcs11`, those on a token too, with tokens of their own.
pub(crate) fn check(project: &Project) -> Outcome {
    let nothing = |failure| (Counts::default(), failure);
    let module = module().map_err(nothing)?;
    let folder = project.target.join("soak/softhsm");
    let configuration = prepare(&folder).map_err(nothing)?;
    let mut cargo = project.cargo(
        "test --package strongroom-envelope-pkcs11 --locked -- --include-ignored --nocapture",
    );
    cargo
        .env(MODULE, module)
        .env("SOFTHSM2_CONF", configuration);
    let counts = program::run_tests(&mut cargo)?;
    fs::remove_dir_all(&folder)
        .at(&folder)
        .map(|()| counts)
        .map_err(|failure| (counts, failure))
}

/// The module, installed if it is missing.
fn module() -> Result<PathBuf, Failure> {
    if let Some(module) = std::env::var_os(MODULE) {
        return Ok(module.into());
    }
    if let Some(module) = installed() {
        return Ok(module);
    }
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::cannot_run(format!(
            "SoftHSM2 missing, and this user may not install: install the package softhsm2, or \
             name its module in {MODULE}"
        )));
    }
    let mut apt = Command::new("apt-get");
    apt.args(["install", "--quiet", "-y", "--no-install-recommends"]);
    apt.arg("softhsm2");
    program::run(apt.env("DEBIAN_FRONTEND", "noninteractive"))?;
    installed().ok_or_else(|| Failure::failed("installed, and still missing: softhsm2"))
}

fn installed() -> Option<PathBuf> {
    MODULES
        .iter()
        .map(PathBuf::from)
        .find(|path| path.is_file())
}

/// Makes the folder anew, without tokens, and a configuration that names it.
fn prepare(folder: &Path) -> Result<PathBuf, Failure> {
    if folder.exists() {
        fs::remove_dir_all(folder).at(folder)?;
    }
    let tokens = folder.join("tokens");
    fs::create_dir_all(&tokens).at(&tokens)?;
    let configuration = folder.join("softhsm2.conf");
    let text = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
        tokens.display()
    );
    fs::write(&configuration, text).at(&configuration)?;
    Ok(configuration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_lie_where_the_configuration_says_and_none_is_left_over() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("softhsm");
        for _ in 0..2 {
            let configuration = prepare(&folder).unwrap();
            let text = fs::read_to_string(configuration).unwrap();
            let line = format!("directories.tokendir = {}/tokens", folder.display());
            assert!(text.lines().any(|found| found == line), "{text}");
            assert_eq!(fs::read_dir(folder.join("tokens")).unwrap().count(), 0);
            fs::write(folder.join("tokens/left"), "").unwrap();
        }
    }
}
