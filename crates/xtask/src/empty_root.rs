//! A fresh Debian in a folder, to see that the installation step works on a bare machine.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::failure::{At as _, Failure};
use crate::program;
use crate::project::Project;

/// A root folder that holds a minimal Debian and nothing else. Nothing is mounted in it.
pub(crate) struct EmptyRoot {
    root: PathBuf,
}

impl EmptyRoot {
    pub(crate) fn below(project: &Project) -> Self {
        Self {
            root: project.target.join("soak/root"),
        }
    }

    /// Runs this very program's `setup` inside, twice.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.bootstrap()?;
        if self.has_initdb()? {
            return Err(Failure::failed(
                "the empty root already has PostgreSQL: nothing is proved",
            ));
        }
        let program = self.root.join("usr/local/bin/xtask");
        // Also right when the program's file was replaced since it was started.
        fs::copy("/proc/self/exe", &program).at(&program)?;
        let first = self.setup()?;
        println!("{first}");
        if !first.contains("installing postgresql and python3-venv") {
            return Err(Failure::failed("setup did not install what was missing"));
        }
        if !self.has_initdb()? {
            return Err(Failure::failed("setup ended well, and initdb is not there"));
        }
        let clusters = self.root.join("etc/postgresql");
        if count(&clusters)? > 0 {
            let made = names(&clusters)?.join(", ");
            return Err(Failure::failed(format!(
                "the package made a cluster: {made}"
            )));
        }
        if self.setup()?.trim() != "nothing to install" {
            return Err(Failure::failed("a second setup found something to do"));
        }
        fs::remove_dir_all(&self.root).at(&self.root)
    }

    fn bootstrap(&self) -> Result<(), Failure> {
        if !rustix::process::geteuid().is_root() {
            return Err(Failure::cannot_run("making an empty root needs root"));
        }
        if self.root.exists() {
            fs::remove_dir_all(&self.root).at(&self.root)?;
        }
        fs::create_dir_all(&self.root).at(&self.root)?;
        if Command::new("debootstrap")
            .arg("--version")
            .output()
            .is_err()
        {
            let mut apt = Command::new("apt-get");
            apt.args([
                "install",
                "--quiet",
                "-y",
                "--no-install-recommends",
                "debootstrap",
            ]);
            program::run(apt.env("DEBIAN_FRONTEND", "noninteractive"))?;
        }
        // This program runs inside: the C library there must not be older than here.
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let codename = release
            .lines()
            .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
            .ok_or_else(|| Failure::cannot_run("/etc/os-release names no Debian release"))?;
        let mut debootstrap = Command::new("debootstrap");
        debootstrap
            .args(["--variant=minbase", codename])
            .arg(&self.root);
        program::run(&mut debootstrap)?;
        let resolver = self.root.join("etc/resolv.conf");
        fs::copy("/etc/resolv.conf", &resolver)
            .at(&resolver)
            .map(|_| ())
    }

    fn setup(&self) -> Result<String, Failure> {
        let mut chroot = Command::new("chroot");
        chroot
            .arg(&self.root)
            .args(["/usr/local/bin/xtask", "setup"]);
        chroot
            .env_remove("PG_BIN")
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .current_dir("/");
        program::output(&mut chroot)
    }

    fn has_initdb(&self) -> Result<bool, Failure> {
        let installed = names(&self.root.join("usr/lib/postgresql"))?;
        Ok(installed.iter().any(|version| {
            self.root
                .join("usr/lib/postgresql")
                .join(version)
                .join("bin/initdb")
                .is_file()
        }))
    }
}

/// How many clusters: folders `<version>/<name>`.
fn count(clusters: &std::path::Path) -> Result<usize, Failure> {
    let mut sum = 0;
    for version in names(clusters)? {
        sum += names(&clusters.join(version))?.len();
    }
    Ok(sum)
}

/// The names in a folder; none when there is no such folder.
fn names(folder: &std::path::Path) -> Result<Vec<String>, Failure> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).at(folder)?.flatten();
    Ok(entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect())
}
