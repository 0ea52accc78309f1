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

/// What the second implementation of sealed records is written with.
pub(crate) const ENVELOPE: Environment = Environment {
    folder: "venv-envelope",
    requirements: "crates/xtask/requirements-envelope.txt",
};

/// The webhook libraries that ours is held against.
pub(crate) const WEBHOOK_PEERS: Environment = Environment {
    folder: "venv-webhook-peers",
    requirements: "crates/webhook-sig/tests/peers/requirements.txt",
};

/// The token libraries that ours is held against.
pub(crate) const TOKEN_PEERS: Environment = Environment {
    folder: "venv-token-peers",
    requirements: "crates/tenant-token/tests/requirements.txt",
};

/// The peer of `cargo xtask bench pii --presidio`.
pub(crate) const PRESIDIO: Environment = Environment {
    folder: "venv-presidio",
    requirements: "crates/bench/requirements.txt",
};

/// Names the interpreter to the tests that run the second implementation: where it is named they
/// must run it, and without it they may go without. Not `STRONGROOM_`: the server takes those for
/// its configuration, and refuses one that it does not know.
const SECOND_IMPLEMENTATION: &str = "ENVELOPE_PYTHON";

/// Makes the clients' environment, where there is a checkout to make it for.
pub(crate) fn prepare() -> Result<(), Failure> {
    Project::find().map_or(Ok(()), |project| python(&project).map(|_| ()))
}

/// The Python interpreter of the clients' environment.
pub(crate) fn python(project: &Project) -> Result<PathBuf, Failure> {
    CLIENTS.python(project)
}

/// Has the tests that cargo runs hold the envelope's second implementation against ours.
pub(crate) fn with_second_implementation(
    project: &Project,
    mut cargo: Command,
) -> Result<Command, Failure> {
    cargo.env(SECOND_IMPLEMENTATION, ENVELOPE.python(project)?);
    Ok(cargo)
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
    use super::*;

    #[test]
    fn the_second_implementation_is_named_to_the_tests() {
        let root = tempfile::tempdir().unwrap();
        let project = Project {
            root: root.path().into(),
            target: root.path().join("target"),
        };
        let list = root.path().join(ENVELOPE.requirements);
        let folder = project.target.join(ENVELOPE.folder);
        let python = folder.join("bin/python");
        for file in [&list, &folder.join("requirements.txt"), &python] {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "cryptography==1\n").unwrap();
        }
        let cargo = with_second_implementation(&project, project.cargo("test")).unwrap();
        let named = cargo
            .get_envs()
            .find(|(name, _)| *name == SECOND_IMPLEMENTATION);
        assert_eq!(named.unwrap().1, Some(python.as_os_str()));
        fs::remove_file(list).unwrap();
        assert!(with_second_implementation(&project, project.cargo("test")).is_err());
    }

    #[test]
    fn every_requirement_is_pinned() {
        let lists = [
            include_str!("../requirements.txt"),
            include_str!("../requirements-envelope.txt"),
            include_str!("../requirements-moto.txt"),
            include_str!("../../bench/requirements.txt"),
        ];
        for line in lists.iter().flat_map(|list| list.lines()) {
            let (name, version) = line.split_once("==").unwrap();
            assert!(!name.is_empty() && !version.contains('*'), "{line}");
        }
    }

    /// With one hash in a list, pip wants one for every package.
    #[test]
    fn every_peer_is_pinned_by_its_hash() {
        let lists = [
            include_str!("../../webhook-sig/tests/peers/requirements.txt"),
            include_str!("../../tenant-token/tests/requirements.txt"),
        ];
        for list in lists {
            let mut lines = list.lines().peekable();
            while let Some(line) = lines.next() {
                let (name, version) = line.split_once("==").unwrap();
                assert!(!name.contains(' ') && version.ends_with(" \\"), "{line}");
                let is_hash = |line: &&str| line.trim_start().starts_with("--hash=sha256:");
                assert!(lines.next_if(is_hash).is_some(), "{line}");
                while lines.next_if(is_hash).is_some() {}
            }
        }
    }
}
