//! `run`: a private cluster and the server under one parent, which takes them down with it.
//!
//! As root the cluster runs as `postgres` and the server as `strongroom`, a system user that is
//! made when it is missing; PostgreSQL refuses to run as root, and the server's account must not
//! be the one that owns the cluster's files. Both get their programs, socket and data where those
//! users can reach them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use tokio::process::{Child, Command};

use crate::app::StartError;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::init::{Initialised, init};
use crate::postgres::{
    Binaries, Cluster, ClusterSpec, Endpoint, IdentLine, Owner, Role, SystemUser,
};

/// The server's own account when the parent is root.
const SERVER_USER: &str = "strongroom";

/// The account of the cluster when the parent is root.
const CLUSTER_USER: &str = "postgres";

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
        let (cluster_user, server) = if am_root {
            (Some(existing(CLUSTER_USER)?), Some(server_user()?))
        } else {
            (None, None)
        };
        make_root(&root, am_root)?;
        let spec = ClusterSpec {
            binaries,
            root: root.join("postgresql"),
            run_as: cluster_user,
            socket_gid: server.as_ref().map(|user| user.gid),
            ident: ident(server.as_ref())?,
            settings: Vec::new(),
        };
        let cluster = spec.start().map_err(StartError::of)?;
        let superuser = Owner::connect(&cluster.endpoint("postgres"), "postgres")
            .await
            .map_err(StartError::of)?;
        superuser.create_database().await.map_err(StartError::of)?;
        let endpoint = cluster.endpoint("strongroom");
        let clock = Arc::new(SystemClock);
        let done = init(config, &endpoint, "postgres", None, clock).await?;
        if let (Some(user), Some(keys)) = (&server, config.keyring().parent()) {
            hand_over(keys, user).map_err(StartError::of)?;
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
        let program = std::env::current_exe().map_err(StartError::of)?;
        let mut command = Command::new("setpriv");
        command.arg("--pdeathsig=TERM");
        let program = match &self.server {
            None => program,
            Some(user) => {
                command.arg(format!("--reuid={}", user.uid));
                command.arg(format!("--regid={}", user.gid));
                command.args(["--init-groups", "--no-new-privs", "--bounding-set=-all"]);
                self.reachable_copy(&program).map_err(StartError::of)?
            }
        };
        command.arg("--").arg(program).arg("serve");
        if let Some(file) = file {
            let file = match &self.server {
                None => file.to_owned(),
                Some(_) => self.reachable_copy(file).map_err(StartError::of)?,
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
    fn reachable_copy(&self, file: &Path) -> std::io::Result<PathBuf> {
        let dir = self.root.join("bin");
        fs::create_dir_all(&dir)?;
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755))?;
        let name = file.file_name().unwrap_or(file.as_os_str());
        let copy = dir.join(name);
        let temporary = dir.join(format!("{}.new", std::process::id()));
        fs::copy(file, &temporary)?;
        fs::set_permissions(&temporary, fs::Permissions::from_mode(0o755))?;
        fs::rename(&temporary, &copy)?;
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

fn make_root(root: &Path, shared: bool) -> Result<(), StartError> {
    fs::create_dir_all(root).map_err(StartError::of)?;
    let mode = if shared { 0o711 } else { 0o700 };
    fs::set_permissions(root, fs::Permissions::from_mode(mode)).map_err(StartError::of)
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
fn ident(server: Option<&SystemUser>) -> Result<Vec<IdentLine>, StartError> {
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

/// Gives a folder and what is in it to the server's user.
fn hand_over(dir: &Path, user: &SystemUser) -> std::io::Result<()> {
    chown(dir, Some(user.uid), Some(user.gid))?;
    for entry in fs::read_dir(dir)? {
        chown(entry?.path(), Some(user.uid), Some(user.gid))?;
    }
    Ok(())
}
