//! The official libraries of others, held against our command line at the present time, both ways.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::failure::{At as _, Failure};
use crate::program;
use crate::project::Project;
use crate::stage::{Outcome, simple};
use crate::venv::{self, Environment};

/// Libraries of one subject, from PyPI and from npm, and the program that holds ours against them.
struct Peers {
    python: &'static Environment,
    /// Where `package.json` is, and the lock file with the hashes of what it resolved to.
    packages: &'static str,
    /// Where they are installed, among what is built.
    modules: &'static str,
    /// What to run; `{modules}` and `{strongroom}` stand for their paths.
    run: &'static [&'static str],
}

const WEBHOOKS: Peers = Peers {
    python: &venv::WEBHOOK_PEERS,
    packages: "crates/webhook-sig/tests/peers",
    modules: "node-webhook-peers",
    run: &[
        "crates/webhook-sig/tests/peers/live.py",
        "{modules}",
        "{strongroom}",
    ],
};

const TOKENS: Peers = Peers {
    python: &venv::TOKEN_PEERS,
    packages: "crates/tenant-token/tests",
    modules: "node-token-peers",
    run: &[
        "crates/tenant-token/tests/peers.py",
        "{strongroom}",
        "{modules}",
    ],
};

/// Webhooks: ours are taken by theirs, theirs by ours, and none that was changed.
pub(crate) fn webhooks(project: &Project) -> Outcome {
    simple(WEBHOOKS.check(project))
}

/// Access tokens: likewise.
pub(crate) fn tokens(project: &Project) -> Outcome {
    simple(TOKENS.check(project))
}

impl Peers {
    fn check(&self, project: &Project) -> Result<(), Failure> {
        let python = self.python.python(project)?;
        let modules = self.modules(project)?;
        program::run(&mut project.cargo("build --locked --package strongroom-cli"))?;
        let strongroom = project.target.join("debug/strongroom");
        let mut run = Command::new(python);
        for argument in self.run {
            match *argument {
                "{modules}" => run.arg(&modules),
                "{strongroom}" => run.arg(&strongroom),
                path => run.arg(path),
            };
        }
        program::run(run.current_dir(&project.root))
    }

    /// The folder of the packages of npm; it is made when it is not there, and made anew when the
    /// lock file has changed. None of their scripts is run.
    fn modules(&self, project: &Project) -> Result<PathBuf, Failure> {
        let packages = project.root.join(self.packages);
        let folder = project.target.join(self.modules);
        let lock = packages.join("package-lock.json");
        let wanted = fs::read_to_string(&lock).at(&lock)?;
        // Written last, so that an interrupted installation is not taken for a whole one.
        let stamp = folder.join("installed.json");
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            return Ok(folder);
        }
        if folder.exists() {
            fs::remove_dir_all(&folder).at(&folder)?;
        }
        fs::create_dir_all(&folder).at(&folder)?;
        for name in ["package.json", "package-lock.json"] {
            let (from, to) = (packages.join(name), folder.join(name));
            fs::copy(&from, &to).at(&from)?;
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        program::run(npm.current_dir(&folder))
            .map_err(|failure| Failure::cannot_run(format!("{}: {failure}", self.packages)))?;
        fs::write(&stamp, wanted).at(&stamp)?;
        Ok(folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_is_locked_by_its_hash_and_names_no_host() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../");
        for peers in [WEBHOOKS, TOKENS] {
            let path = format!("{root}{}/package-lock.json", peers.packages);
            let lock: serde_json::Value =
                serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
            let packages = lock["packages"].as_object().unwrap();
            assert!(packages.len() > 1);
            for (name, package) in packages.iter().filter(|(name, _)| !name.is_empty()) {
                let hash = package["integrity"].as_str().unwrap();
                assert!(hash.starts_with("sha512-"), "{name}");
                assert!(package.get("resolved").is_none(), "{name}");
            }
        }
    }
}
