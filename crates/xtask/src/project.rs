//! The checkout that the commands work on.

use std::path::PathBuf;
use std::process::Command;

use crate::failure::Failure;
use crate::program;

/// The project's top folder and its build folder.
pub(crate) struct Project {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
}

impl Project {
    /// Looks upwards from the current folder.
    pub(crate) fn find() -> Result<Self, Failure> {
        let here =
            std::env::current_dir().map_err(|error| Failure::cannot_run(error.to_string()))?;
        let root = here
            .ancestors()
            .find(|dir| dir.join("crates/xtask/Cargo.toml").is_file())
            .ok_or_else(|| Failure::cannot_run("no checkout of Strongroom around this folder"))?
            .to_owned();
        let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
        let target = root.join(target);
        Ok(Self { root, target })
    }

    /// Cargo at the project's top; the arguments are parted by spaces.
    pub(crate) fn cargo(&self, arguments: &str) -> Command {
        let mut cargo = Command::new("cargo");
        cargo.args(arguments.split_whitespace());
        cargo.current_dir(&self.root);
        cargo.env("CARGO_TARGET_DIR", &self.target);
        // What `cargo run` told this process about its own package is not for others to see.
        for (name, _) in std::env::vars_os() {
            let name_text = name.to_string_lossy();
            if name_text.starts_with("CARGO_PKG_") || name_text.starts_with("CARGO_MANIFEST_") {
                cargo.env_remove(&name);
            }
        }
        cargo
    }

    /// The files that are committed or would be: paths below the top, sorted.
    pub(crate) fn files(&self) -> Result<Vec<String>, Failure> {
        let mut git = Command::new("git");
        git.args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]);
        let listing = program::output(git.current_dir(&self.root))?;
        let mut files: Vec<String> = listing
            .split('\0')
            .filter(|path| !path.is_empty() && self.root.join(path).is_file())
            .map(str::to_owned)
            .collect();
        files.sort();
        files.dedup();
        Ok(files)
    }
}
