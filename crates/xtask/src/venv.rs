//! The Python environment with the official client libraries that we are tested against.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::failure::{At as _, Failure};
use crate::program;
use crate::project::Project;

const REQUIREMENTS: &str = "crates/xtask/requirements.txt";

/// Makes the environment, where there is a checkout to make it for.
pub(crate) fn prepare() -> Result<(), Failure> {
    Project::find().map_or(Ok(()), |project| python(&project).map(|_| ()))
}

/// The environment's Python interpreter; the environment is made when it is not there, and made
/// anew when the requirements have changed.
pub(crate) fn python(project: &Project) -> Result<PathBuf, Failure> {
    let list = project.root.join(REQUIREMENTS);
    let wanted = fs::read_to_string(&list).at(&list)?;
    let folder = project.target.join("venv");
    let python = folder.join("bin/python");
    // Written last, so that an interrupted installation is not taken for a whole one.
    let stamp = folder.join("requirements.txt");
    if python.exists() && fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).at(&folder)?;
    }
    program::run(Command::new("python3").args(["-m", "venv"]).arg(&folder)).map_err(|failure| {
        Failure::cannot_run(format!(
            "no Python environment ({failure}): run `cargo xtask setup`"
        ))
    })?;
    let mut pip = Command::new(&python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    pip.args(["--only-binary=:all:", "--requirement"])
        .arg(&list);
    program::run(&mut pip)
        .map_err(|failure| Failure::cannot_run(format!("{REQUIREMENTS}: {failure}")))?;
    fs::write(&stamp, wanted).at(&stamp)?;
    Ok(python)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_requirement_is_pinned() {
        for line in include_str!("../requirements.txt").lines() {
            let (name, version) = line.split_once("==").unwrap();
            assert!(!name.is_empty() && !version.contains('*'), "{line}");
        }
    }
}
