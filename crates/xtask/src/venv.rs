//! Python environments with what we are tested against.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::failure::{At as _, Failure};
use crate::program;
use crate::project::Project;

/// A Python environment: its folder among what is built, and the list of what it holds.
pub(crate) struct Environment {
    folder: &'static str,
    requirements: &'static str,
}

/// The official client libraries.
const CLIENTS: Environment = Environment {
    folder: "venv",
    requirements: "crates/xtask/requirements.txt",
};

/// Moto's server, which only the long tier needs.
pub(crate) const MOTO: Environment = Environment {
    folder: "venv-moto",
    requirements: "crates/xtask/requirements-moto.txt",
};

/// Makes the clients' environment, where there is a checkout to make it for.
pub(crate) fn prepare() -> Result<(), Failure> {
    Project::find().map_or(Ok(()), |project| python(&project).map(|_| ()))
}

/// The Python interpreter of the clients' environment.
pub(crate) fn python(project: &Project) -> Result<PathBuf, Failure> {
    CLIENTS.python(project)
}

impl Environment {
    /// The environment's Python interpreter; the environment is made when it is not there, and
    /// made anew when the requirements have changed.
    pub(crate) fn python(&self, project: &Project) -> Result<PathBuf, Failure> {
        let list = project.root.join(self.requirements);
        let wanted = fs::read_to_string(&list).at(&list)?;
        let folder = project.target.join(self.folder);
        let python = folder.join("bin/python");
        // Written last, so that an interrupted installation is not taken for a whole one.
        let stamp = folder.join("requirements.txt");
        if python.exists() && fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted)
        {
            return Ok(python);
        }
        if folder.exists() {
            fs::remove_dir_all(&folder).at(&folder)?;
        }
        program::run(Command::new("python3").args(["-m", "venv"]).arg(&folder)).map_err(
            |failure| {
                Failure::cannot_run(format!(
                    "no Python environment ({failure}): run `cargo xtask setup`"
                ))
            },
        )?;
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
            .map_err(|failure| Failure::cannot_run(format!("{}: {failure}", self.requirements)))?;
        fs::write(&stamp, wanted).at(&stamp)?;
        Ok(python)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_requirement_is_pinned() {
        let clients = include_str!("../requirements.txt").lines();
        for line in clients.chain(include_str!("../requirements-moto.txt").lines()) {
            let (name, version) = line.split_once("==").unwrap();
            assert!(!name.is_empty() && !version.contains('*'), "{line}");
        }
    }
}
