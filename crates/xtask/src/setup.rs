//! Installing what is missing: PostgreSQL and python3-venv.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::{At as _, Failure};
use crate::program;

/// The oldest major version of PostgreSQL that the platform runs on.
const OLDEST_MAJOR: u32 = 15;

/// Where Debian's packages read whether to create a cluster of their own.
const CREATECLUSTER: &str = "etc/postgresql-common/createcluster.conf";

const NO_CLUSTER: &str = "create_main_cluster = false";

/// The machine to set up.
struct Machine {
    /// `/`, save in tests.
    root: PathBuf,
    path: OsString,
    pg_bin: Option<PathBuf>,
    is_root: bool,
}

/// Installs what is missing on this machine, and nothing when nothing is.
pub(crate) fn run() -> Result<(), Failure> {
    let machine = Machine::this();
    let missing = machine.missing();
    if missing.is_empty() {
        println!("nothing to install");
        return Ok(());
    }
    if machine.is_root {
        return machine.install(&missing);
    }
    let again = std::env::current_exe().map_err(|error| Failure::cannot_run(error.to_string()))?;
    let may_sudo = Command::new("sudo")
        .args(["-n", "true"])
        .stderr(Stdio::null())
        .status();
    if may_sudo.is_ok_and(|status| status.success()) {
        return program::run(Command::new("sudo").arg("-n").arg(again).arg("setup"));
    }
    Err(Failure::cannot_run(format!(
        "{} missing, and this user may not install: run `sudo {} setup`, or set PG_BIN",
        missing.join(" and "),
        again.display()
    )))
}

impl Machine {
    fn this() -> Self {
        Self {
            root: "/".into(),
            path: std::env::var_os("PATH").unwrap_or_default(),
            pg_bin: std::env::var_os("PG_BIN").map(PathBuf::from),
            is_root: rustix::process::geteuid().is_root(),
        }
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("PATH", &self.path);
        command
    }

    /// The packages to install.
    fn missing(&self) -> Vec<&'static str> {
        let mut packages = Vec::new();
        if !self
            .postgres_folders()
            .iter()
            .any(|dir| self.is_recent(dir))
        {
            packages.push("postgresql");
        }
        let venv = self
            .command("python3")
            .args(["-c", "import ensurepip, venv"])
            .output();
        if !venv.is_ok_and(|output| output.status.success()) {
            packages.push("python3-venv");
        }
        packages
    }

    fn postgres_folders(&self) -> Vec<PathBuf> {
        let mut folders: Vec<PathBuf> = self.pg_bin.iter().cloned().collect();
        if let Ok(output) = self.command("pg_config").arg("--bindir").output() {
            folders.push(PathBuf::from(
                String::from_utf8_lossy(&output.stdout).trim(),
            ));
        }
        let packaged = fs::read_dir(self.root.join("usr/lib/postgresql"))
            .into_iter()
            .flatten();
        folders.extend(packaged.flatten().map(|version| version.path().join("bin")));
        folders.extend(std::env::split_paths(&self.path));
        folders
    }

    fn is_recent(&self, folder: &Path) -> bool {
        let answer = self
            .command(folder.join("initdb"))
            .arg("--version")
            .output();
        let text = answer.map(|output| output.stdout).unwrap_or_default();
        major(&String::from_utf8_lossy(&text)).is_some_and(|major| major >= OLDEST_MAJOR)
    }

    fn install(&self, packages: &[&str]) -> Result<(), Failure> {
        if packages.contains(&"postgresql") && self.forbid_package_cluster()? {
            println!("wrote `{NO_CLUSTER}` to /{CREATECLUSTER}");
        }
        println!("installing {}", packages.join(" and "));
        program::run(&mut self.apt_get(&["update", "--quiet"]))?;
        let mut install = self.apt_get(&["install", "--quiet", "-y", "--no-install-recommends"]);
        program::run(install.args(packages))?;
        let missing = self.missing();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(Failure::failed(format!(
                "installed, and still missing: {}",
                missing.join(", ")
            )))
        }
    }

    /// Never asks: what a question would be about, a file of the administrator's, is kept.
    fn apt_get(&self, arguments: &[&str]) -> Command {
        let mut apt = self.command("apt-get");
        apt.args(["-o", "Dpkg::Options::=--force-confold"])
            .args(arguments);
        apt.env("DEBIAN_FRONTEND", "noninteractive")
            .env("UCF_FORCE_CONFFOLD", "1");
        apt
    }

    /// Keeps the package from starting a cluster, unless the administrator has decided already.
    fn forbid_package_cluster(&self) -> Result<bool, Failure> {
        let path = self.root.join(CREATECLUSTER);
        let text = fs::read_to_string(&path).unwrap_or_default();
        let is_decided = text.lines().any(|line| {
            line.trim_start()
                .strip_prefix("create_main_cluster")
                .is_some_and(|rest| rest.trim_start().starts_with('='))
        });
        if is_decided {
            return Ok(false);
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).at(folder)?;
        }
        let mut file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .at(&path)?;
        let newline = if text.is_empty() || text.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        writeln!(file, "{newline}{NO_CLUSTER}").at(&path)?;
        Ok(true)
    }
}

/// The major version in `initdb (PostgreSQL) 15.18 (Debian …)`.
fn major(version: &str) -> Option<u32> {
    let number = version.strip_prefix("initdb (PostgreSQL) ")?;
    number
        .split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine of folders and scripts. Its `apt-get` logs what it is told and, on `install`,
    /// does what `on_install` says.
    struct Planted {
        root: tempfile::TempDir,
        pg_bin: Option<PathBuf>,
    }

    impl Planted {
        fn new(on_install: &str) -> Self {
            let planted = Self {
                root: tempfile::tempdir().unwrap(),
                pg_bin: None,
            };
            let root = planted.root.path().display().to_string();
            planted.script(
                "bin/apt-get",
                &format!(
                    "echo \"$DEBIAN_FRONTEND $*\" >> {root}/log\n\
                     case \"$*\" in *install*) cat {root}/{CREATECLUSTER} > {root}/seen 2>&1\n\
                     {on_install}\n;; esac"
                ),
            );
            planted
        }

        /// Nothing can be executed that anybody has open for writing. Were it written here, what
        /// another test starts at that moment could have it open for a while: a child writes it.
        fn script(&self, path: &str, body: &str) {
            let path = self.root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let mut writer = Command::new("sh")
                .args(["-c", r#"cat > "$0" && chmod 755 "$0""#])
                .arg(&path)
                .stdin(Stdio::piped())
                .spawn()
                .unwrap();
            let mut stdin = writer.stdin.take().unwrap();
            let text = format!("#!/bin/sh\nPATH=/usr/bin:/bin\n{body}\n");
            stdin.write_all(text.as_bytes()).unwrap();
            drop(stdin);
            assert!(writer.wait().unwrap().success());
        }

        fn postgres(&self, folder: &str, version: &str) {
            let body = format!("echo 'initdb (PostgreSQL) {version} (Debian)'");
            self.script(&format!("{folder}/initdb"), &body);
        }

        fn machine(&self) -> Machine {
            Machine {
                root: self.root.path().into(),
                path: self.root.path().join("bin").into(),
                pg_bin: self.pg_bin.clone(),
                is_root: true,
            }
        }

        fn read(&self, path: &str) -> String {
            fs::read_to_string(self.root.path().join(path)).unwrap_or_default()
        }
    }

    #[test]
    fn finds_what_is_here() {
        let planted = Planted::new("");
        assert_eq!(planted.machine().missing(), ["postgresql", "python3-venv"]);
        planted.script("bin/python3", "exit 0");
        assert_eq!(planted.machine().missing(), ["postgresql"]);
        for (folder, pg_bin) in [
            ("usr/lib/postgresql/16/bin", None),
            ("bin", None),
            ("opt/pg", Some("opt/pg")),
        ] {
            let mut planted = Planted::new("");
            planted.script("bin/python3", "exit 0");
            planted.postgres(folder, "16.2");
            planted.pg_bin = pg_bin.map(|dir| planted.root.path().join(dir));
            assert!(planted.machine().missing().is_empty(), "{folder}");
        }
        let planted = Planted::new("");
        planted.script("bin/python3", "exit 0");
        planted.postgres("opt/pg", "17.1");
        let bindir = planted.root.path().join("opt/pg");
        planted.script("bin/pg_config", &format!("echo {}", bindir.display()));
        assert!(planted.machine().missing().is_empty(), "pg_config");
    }

    #[test]
    fn an_old_postgresql_and_a_python_without_venv_do_not_count() {
        let planted = Planted::new("");
        planted.postgres("usr/lib/postgresql/14/bin", "14.9");
        planted.script("bin/python3", "exit 1");
        assert_eq!(planted.machine().missing(), ["postgresql", "python3-venv"]);
        assert_eq!(major("initdb (PostgreSQL) 17beta1"), Some(17));
        assert_eq!(major("something else"), None);
    }

    #[test]
    fn installs_without_a_question_and_forbids_the_package_s_cluster_first() {
        let initdb = "mkdir -p $(dirname $0)/../usr/lib/postgresql/15/bin\n\
                      printf '#!/bin/sh\\necho \"initdb (PostgreSQL) 15.1\"\\n' \
                      > $(dirname $0)/../usr/lib/postgresql/15/bin/initdb\n\
                      chmod 755 $(dirname $0)/../usr/lib/postgresql/15/bin/initdb";
        let planted = Planted::new(initdb);
        planted.script("bin/python3", "exit 0");
        let machine = planted.machine();
        machine.install(&machine.missing()).unwrap();
        let log = planted.read("log");
        let lines: Vec<_> = log.lines().collect();
        assert_eq!(lines.len(), 2, "{log}");
        assert!(
            lines.iter().all(|line| line.starts_with("noninteractive ")),
            "{log}"
        );
        assert!(lines[0].ends_with("update --quiet"), "{log}");
        assert!(
            lines[1].ends_with("-y --no-install-recommends postgresql"),
            "{log}"
        );
        assert_eq!(
            planted.read("seen").trim(),
            NO_CLUSTER,
            "written before the installation"
        );
    }

    #[test]
    fn an_installation_that_changes_nothing_is_a_failure() {
        let planted = Planted::new("");
        assert!(planted.machine().install(&["postgresql"]).is_err());
        let planted = Planted::new("exit 100");
        assert!(planted.machine().install(&["postgresql"]).is_err());
    }

    #[test]
    fn the_administrator_s_own_setting_stands() {
        for (before, after) in [
            (
                "create_main_cluster = true\n",
                "create_main_cluster = true\n",
            ),
            (
                "  create_main_cluster=false\n",
                "  create_main_cluster=false\n",
            ),
            (
                "#create_main_cluster = true",
                "#create_main_cluster = true\ncreate_main_cluster = false\n",
            ),
            ("", "create_main_cluster = false\n"),
        ] {
            let planted = Planted::new("");
            let path = planted.root.path().join(CREATECLUSTER);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, before).unwrap();
            assert_eq!(
                planted.machine().forbid_package_cluster().unwrap(),
                before != after
            );
            assert_eq!(planted.read(CREATECLUSTER), after);
        }
    }
}
