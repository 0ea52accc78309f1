//! `run`: a private cluster and the server under one parent, which takes them down with it.
//!
//! As root the cluster runs as `postgres` and the server as `strongroom`, a system user that is
//! made when it is missing; PostgreSQL refuses to run as root, and the server's account must not
//! be the one that owns the cluster's files. Both get their programs, socket and data where those
//! users can reach them.
//!
//! `state_dir` is then root's; of what is in it, `keys/` alone is the server's (it writes the
//! keyrings at run time), and `postgresql/data` and `postgresql/socket` are the cluster's.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use tokio::process::{Child, Command};

use crate::app::StartError;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::files::{self, Ownership};
use crate::init::{Initialised, init};
use crate::postgres::{
    Binaries, Cluster, ClusterSpec, Endpoint, IdentLine, Owner, Role, SystemUser,
};

/// The server's own account when the parent is root.
const SERVER_USER: &str = "strongroom";

/// The account of the cluster when the parent is root.
const CLUSTER_USER: &str = "postgres";

/// What the server's copy of the configuration file is called.
const CONFIG_COPY: &str = "strongroom.toml";

/// A private cluster with the platform's schema in it.
pub struct Home {
    cluster: Cluster,
    server: Option<SystemUser>,
    root: PathBuf,
}

impl Home {
    /// Makes or starts the cluster under `state_dir` and initialises it. Says on standard error
    /// what it made.
    ///
    /// # Errors
    /// [`StartError`] says which step failed.
    pub async fn open(config: &Config) -> Result<(Self, Initialised), StartError> {
        let binaries = Binaries::find().map_err(StartError::of)?;
        let root = config.state_dir.clone();
        let am_root = rustix::process::getuid().is_root();
        let cluster_user = cluster_user()?;
        let server = am_root.then(server_user).transpose()?;
        make_root(&root, am_root)?;
        let keyrings = config.keyrings();
        if let Some(user) = &server {
            take_keys(&keyrings, user)?;
        }
        let spec = ClusterSpec {
            binaries,
            root: root.join("postgresql"),
            run_as: cluster_user,
            socket_gid: server.as_ref().map(|user| user.gid),
            ident: ident(server.as_ref())?,
            settings: Vec::new(),
            following: None,
        };
        let cluster = spec.start().map_err(StartError::of)?;
        let superuser = Owner::connect(&cluster.endpoint("postgres"), "postgres")
            .await
            .map_err(StartError::of)?;
        superuser.create_database().await.map_err(StartError::of)?;
        let endpoint = cluster.endpoint("strongroom");
        let clock = Arc::new(SystemClock);
        let done = init(config, &endpoint, "postgres", None, clock).await?;
        if let Some(user) = &server {
            hand_over(&keyrings, user)?;
            let checkpoints = &config.checkpoints;
            if checkpoints.parent() == Some(root.as_path()) {
                let owner = user.ownership();
                files::claim_dir(checkpoints, 0o700, owner).map_err(|e| at(checkpoints, &e))?;
            }
        }
        Ok((
            Self {
                cluster,
                server,
                root,
            },
            done,
        ))
    }

    /// How to reach the database.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        self.cluster.endpoint("strongroom")
    }

    /// The URL that says the same, for the server's own process.
    #[must_use]
    pub fn database_url(&self) -> String {
        let socket = self.cluster.socket_dir().display().to_string();
        let encoded: String = socket
            .bytes()
            .map(|b| match b {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' => {
                    char::from(b).to_string()
                }
                other => format!("%{other:02X}"),
            })
            .collect();
        format!("postgresql:///strongroom?host={encoded}&port=5432")
    }

    /// Whether the cluster has ended.
    #[must_use]
    pub fn cluster_has_ended(&self) -> bool {
        self.cluster.has_exited()
    }

    /// Starts the server as its own user, in the foreground of this process.
    ///
    /// # Errors
    /// [`StartError`] when the program cannot be copied or started.
    pub fn start_server(&self, file: Option<&Path>) -> Result<Child, StartError> {
        self.start(file, &["serve"])
    }

    /// Lets the checkpoint store begin anew with what the database says, as the server's own user.
    ///
    /// # Errors
    /// [`StartError`] when the program cannot be started, or says no.
    pub async fn adopt_checkpoints(&self, file: Option<&Path>) -> Result<(), StartError> {
        let mut child = self.start(file, &["checkpoints", "adopt"])?;
        let status = child.wait().await.map_err(StartError::of)?;
        if status.success() {
            Ok(())
        } else {
            Err(StartError::of("the checkpoint store was not adopted"))
        }
    }

    fn start(&self, file: Option<&Path>, work: &[&str]) -> Result<Child, StartError> {
        let program = std::env::current_exe().map_err(StartError::of)?;
        let mut command = Command::new("setpriv");
        command.arg("--pdeathsig=TERM");
        let program = match &self.server {
            None => program,
            Some(user) => {
                command.arg(format!("--reuid={}", user.uid));
                command.arg(format!("--regid={}", user.gid));
                command.args(["--init-groups", "--no-new-privs", "--bounding-set=-all"]);
                let me = Ownership::of_this_process();
                self.reachable_copy(&program, "strongroom-server", 0o755, me)?
            }
        };
        command.arg("--").arg(program).args(work);
        if let Some(file) = file {
            let file = match &self.server {
                None => file.to_owned(),
                Some(user) => {
                    let gid = user.gid;
                    let readers = Ownership { uid: 0, gid };
                    self.reachable_copy(file, CONFIG_COPY, 0o640, readers)?
                }
            };
            command.arg("--config").arg(file);
        }
        command
            .env("DATABASE_URL", self.database_url())
            .env("STRONGROOM_STATE_DIR", &self.root)
            .current_dir("/")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command.spawn().map_err(StartError::of)
    }

    /// A copy where the server's user can read it: the original may lie in somebody's home.
    fn reachable_copy(
        &self,
        file: &Path,
        name: &str,
        mode: u32,
        owner: Ownership,
    ) -> Result<PathBuf, StartError> {
        let dir = self.root.join("bin");
        let copy = dir.join(name);
        files::claim_dir(&dir, 0o755, Ownership::of_this_process()).map_err(|e| at(&dir, &e))?;
        let mut original = fs::File::open(file).map_err(|e| at(file, &e))?;
        files::replace(&copy, &mut original, mode, owner).map_err(|e| at(&copy, &e))?;
        Ok(copy)
    }
}

/// Asks the server to stop, and waits for it.
///
/// # Errors
/// When the server cannot be waited for.
pub async fn stop_server(mut server: Child) -> std::io::Result<ExitStatus> {
    if let Some(pid) = server.id().and_then(|id| i32::try_from(id).ok())
        && let Some(pid) = rustix::process::Pid::from_raw(pid)
    {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    server.wait().await
}

/// The folder of everything: a symbolic link to it is the administrator's to set.
fn make_root(root: &Path, shared: bool) -> Result<(), StartError> {
    fs::create_dir_all(root).map_err(|e| at(root, &e))?;
    let found = fs::metadata(root).map_err(|e| at(root, &e))?.uid();
    let me = Ownership::of_this_process().uid;
    if found != me {
        return Err(at(
            root,
            &format!("belongs to user {found}: expected user {me}"),
        ));
    }
    let mode = if shared { 0o711 } else { 0o700 };
    fs::set_permissions(root, fs::Permissions::from_mode(mode)).map_err(|e| at(root, &e))
}

/// Who runs clusters, when this process cannot.
pub(crate) fn cluster_user() -> Result<Option<SystemUser>, StartError> {
    let am_root = rustix::process::getuid().is_root();
    am_root.then(|| existing(CLUSTER_USER)).transpose()
}

fn existing(name: &str) -> Result<SystemUser, StartError> {
    let found = SystemUser::find(name).map_err(StartError::of)?;
    found.ok_or_else(|| {
        StartError::of(format!(
            "there is no system user {name}: run `apt-get install postgresql`"
        ))
    })
}

fn server_user() -> Result<SystemUser, StartError> {
    if let Some(user) = SystemUser::find(SERVER_USER).map_err(StartError::of)? {
        return Ok(user);
    }
    let made = std::process::Command::new("useradd")
        .args([
            "--system",
            "--user-group",
            "--no-create-home",
            "--shell",
            "/usr/sbin/nologin",
        ])
        .args(["--home-dir", "/nonexistent", SERVER_USER])
        .status()
        .map_err(StartError::of)?;
    if !made.success() {
        return Err(StartError::of(format!(
            "the system user {SERVER_USER} could not be made"
        )));
    }
    eprintln!("made the system user {SERVER_USER}, which the server runs as");
    existing(SERVER_USER)
}

/// The parent gets in as superuser, to initialise; the server as its own roles only.
pub(crate) fn ident(server: Option<&SystemUser>) -> Result<Vec<IdentLine>, StartError> {
    let me = user_name(rustix::process::getuid().as_raw())?;
    let line = |os_user: &str, role: &str| IdentLine {
        os_user: os_user.to_owned(),
        role: role.to_owned(),
    };
    let mut lines = vec![line(&me, "postgres")];
    if server.is_some() {
        lines.push(line(CLUSTER_USER, "postgres"));
    }
    for role in Role::ALL {
        lines.push(line(&me, role.name()));
        if let Some(user) = server {
            lines.push(line(&user.name, role.name()));
        }
    }
    Ok(lines)
}

fn user_name(uid: u32) -> Result<String, StartError> {
    let output = std::process::Command::new("id")
        .args(["-un", "--", &uid.to_string()])
        .output()
        .map_err(StartError::of)?;
    let name = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if name.is_empty() {
        return Err(StartError::of(format!("user {uid} has no name")));
    }
    Ok(name)
}

/// What a keyring's two files end in.
const KEYRING_FILES: [&str; 2] = ["keyring", "lock"];

/// Takes the keys' folder from the server's user, so that nothing in it changes while root works
/// there, and refuses anything in it that is not one plain file. [`hand_over`] gives it back.
fn take_keys(dir: &Path, user: &SystemUser) -> Result<(), StartError> {
    let me = Ownership::of_this_process();
    files::claim_dir(dir, 0o700, user.ownership()).map_err(|e| at(dir, &e))?;
    lchown(dir, Some(me.uid), Some(me.gid)).map_err(|e| at(dir, &e))?;
    files::plain_files(dir).map_err(|e| at(dir, &e))?;
    Ok(())
}

/// Gives the keyrings and their folder to the server's user.
fn hand_over(dir: &Path, user: &SystemUser) -> Result<(), StartError> {
    for file in files::plain_files(dir).map_err(|e| at(dir, &e))? {
        let extension = file.extension().and_then(std::ffi::OsStr::to_str);
        if extension.is_some_and(|extension| KEYRING_FILES.contains(&extension)) {
            lchown(&file, Some(user.uid), Some(user.gid)).map_err(|e| at(&file, &e))?;
        }
    }
    files::claim_dir(dir, 0o700, user.ownership()).map_err(|e| at(dir, &e))
}

fn at(path: &Path, reason: &dyn std::fmt::Display) -> StartError {
    StartError::of(format!("{}: {reason}", path.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Somebody who is not root: the tests need no user of that name.
    fn user() -> SystemUser {
        SystemUser {
            name: "somebody".to_owned(),
            uid: 65534,
            gid: 65534,
        }
    }

    /// A folder of keys in a folder of its own; neither is there.
    fn keys(name: &str) -> PathBuf {
        let process = std::process::id();
        let root = std::env::temp_dir().join(format!("strongroom-keys-{process}-{name}"));
        fs::create_dir(&root).unwrap();
        root.join("keys")
    }

    fn clean(keys: &Path) {
        fs::remove_dir_all(keys.parent().unwrap()).unwrap();
    }

    fn owner(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().uid()
    }

    #[test]
    fn the_keys_are_roots_while_root_works_and_the_servers_afterwards() {
        if !rustix::process::getuid().is_root() {
            return;
        }
        let dir = keys("turns");
        let files = ["acme.keyring", "acme.lock", "globex.keyring"].map(|name| dir.join(name));
        for _ in 0..2 {
            take_keys(&dir, &user()).unwrap();
            assert_eq!(owner(&dir), 0);
            for file in &files {
                fs::write(file, "keys").unwrap();
            }
            fs::write(dir.join("other"), "not handed over").unwrap();
            hand_over(&dir, &user()).unwrap();
            assert_eq!(owner(&dir), 65534);
            assert!(files.iter().all(|file| owner(file) == 65534));
            assert_eq!(owner(&dir.join("other")), 0);
            assert_eq!(fs::metadata(&dir).unwrap().mode() & 0o7777, 0o700);
        }
        // An attempt that was interrupted left the folder to root.
        take_keys(&dir, &user()).unwrap();
        take_keys(&dir, &user()).unwrap();
        clean(&dir);
    }

    #[test]
    fn a_planted_keyring_is_neither_read_nor_given_away() {
        if !rustix::process::getuid().is_root() {
            return;
        }
        for plant in ["symbolic link", "hard link", "folder"] {
            let dir = keys(&plant.replace(' ', "-"));
            let keyring = dir.join("acme.lock");
            let victim = dir.parent().unwrap().join("victim");
            fs::write(&victim, "root's").unwrap();
            fs::create_dir(&dir).unwrap();
            match plant {
                "symbolic link" => symlink(&victim, &keyring).unwrap(),
                "hard link" => fs::hard_link(&victim, &keyring).unwrap(),
                _ => fs::create_dir(&keyring).unwrap(),
            }
            lchown(&dir, Some(65534), Some(65534)).unwrap();
            let refused = take_keys(&dir, &user()).unwrap_err().to_string();
            let reason = format!("{}: is not a plain file with one name", keyring.display());
            assert!(refused.ends_with(&reason), "{refused}");
            assert!(hand_over(&dir, &user()).is_err());
            assert_eq!(owner(&victim), 0);
            clean(&dir);
        }
    }

    #[test]
    fn a_planted_folder_of_keys_is_not_entered() {
        if !rustix::process::getuid().is_root() {
            return;
        }
        let dir = keys("folder-link");
        let victim = dir.parent().unwrap().join("victim");
        fs::create_dir(&victim).unwrap();
        symlink(&victim, &dir).unwrap();
        assert!(take_keys(&dir, &user()).is_err());
        assert!(hand_over(&dir, &user()).is_err());
        assert_eq!(owner(&victim), 0);
        clean(&dir);
    }

    #[test]
    fn a_state_folder_of_somebody_else_is_refused() {
        if !rustix::process::getuid().is_root() {
            return;
        }
        let keys = keys("state");
        let root = keys.parent().unwrap();
        lchown(root, Some(65534), Some(65534)).unwrap();
        let refused = make_root(root, true).unwrap_err().to_string();
        assert!(
            refused.ends_with("belongs to user 65534: expected user 0"),
            "{refused}"
        );
        assert_eq!(owner(root), 65534);
        clean(&keys);
    }
}
