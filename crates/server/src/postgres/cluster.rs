//! A private PostgreSQL cluster of the platform's own, from the installed binaries.
//!
//! Its folder holds `data/` and `socket/`, which are the cluster user's, and `etc/`, which is
//! this process's: configuration and log. When this process is root, the account that PostgreSQL
//! runs as can change neither who gets in nor what root writes.

mod said;
mod standby;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::binaries::Binaries;
use super::endpoint::Endpoint;
use crate::files::{self, Ownership};

use said::Said;
pub use standby::{Following, REPLICATOR};

/// A port is only part of the socket's name: nothing listens on the network.
const PORT: u16 = 5432;

/// How long the server may take to start, and to stop.
const START_PATIENCE: Duration = Duration::from_secs(60);
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// How long a predecessor that was killed may take to let go of the data.
const PREDECESSOR_PATIENCE: Duration = Duration::from_secs(20);

/// The most that is read of a lock file, in bytes.
const LOCK: u64 = 16 * 1024;

/// Lets an operating-system user in as a database role, over the socket.
#[derive(Clone, Debug)]
pub struct IdentLine {
    /// The operating system's user.
    pub os_user: String,
    /// The database's role.
    pub role: String,
}

/// A cluster to be made or started.
#[derive(Clone, Debug)]
pub struct ClusterSpec {
    /// PostgreSQL's programs.
    pub binaries: Binaries,
    /// Holds `data/` (0700), `socket/` and `etc/`; must be reachable by the users below.
    pub root: PathBuf,
    /// Who runs the server; needed when this process is root, since PostgreSQL refuses root.
    pub run_as: Option<SystemUser>,
    /// The group that may reach the socket, when it is not only the server's own user.
    pub socket_gid: Option<u32>,
    /// Who gets in as what.
    pub ident: Vec<IdentLine>,
    /// Further lines of `postgresql.conf`.
    pub settings: Vec<(String, String)>,
    /// The cluster that it is a standby of, when it is one.
    pub following: Option<Following>,
}

/// An operating-system user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemUser {
    /// The user's name.
    pub name: String,
    /// The user's number.
    pub uid: u32,
    /// The number of the user's first group.
    pub gid: u32,
}

/// A running cluster; it stops when this is dropped, and when this process dies.
pub struct Cluster {
    data: PathBuf,
    endpoint_dir: PathBuf,
    pid: Pid,
    exited: Mutex<mpsc::Receiver<ExitStatus>>,
}

/// What became of one start.
enum Attempt {
    Started(Cluster),
    Refused(Said),
}

/// Why a cluster could not be made or started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// A file or folder could not be prepared.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A program failed.
    #[error("{program} failed: {message}")]
    Program {
        /// Which.
        program: &'static str,
        /// What it said.
        message: String,
    },
    /// The data folder holds no cluster. Nothing is made in its place: it may be one that was
    /// not mounted, or only half restored.
    #[error("{0}: is not a cluster (no PG_VERSION): restore it, or move it away for a new one")]
    NotACluster(PathBuf),
    /// The server ended or was not ready within a minute; the end of what it logged.
    #[error("the cluster did not start: {0}")]
    Start(String),
}

impl SystemUser {
    /// Looks a user up by name.
    ///
    /// # Errors
    /// When the user database cannot be read.
    pub fn find(name: &str) -> std::io::Result<Option<Self>> {
        // `id` asks every source that the machine has, not the one file.
        let number = |flag: &str| -> std::io::Result<Option<u32>> {
            let output = Command::new("id").arg(flag).arg("--").arg(name).output()?;
            Ok(String::from_utf8_lossy(&output.stdout).trim().parse().ok())
        };
        let (uid, gid) = (number("-u")?, number("-g")?);
        Ok(uid.zip(gid).map(|(uid, gid)| Self {
            name: name.to_owned(),
            uid,
            gid,
        }))
    }

    /// The user and the user's first group, as files have them.
    #[must_use]
    pub const fn ownership(&self) -> Ownership {
        Ownership {
            uid: self.uid,
            gid: self.gid,
        }
    }
}

impl ClusterSpec {
    /// Makes the cluster unless it is there, and starts it in the foreground of a thread of its own.
    ///
    /// A predecessor that was killed has 20 s to end.
    ///
    /// # Errors
    /// [`ClusterError`] says which file or program failed.
    pub fn start(&self) -> Result<Cluster, ClusterError> {
        let data = self.root.join("data");
        self.prepare(&data)?;
        let started = Instant::now();
        loop {
            match self.start_once(&data)? {
                Attempt::Started(cluster) => return Ok(cluster),
                Attempt::Refused(said)
                    if said.is_held() && started.elapsed() < PREDECESSOR_PATIENCE =>
                {
                    std::thread::sleep(Duration::from_millis(200));
                }
                Attempt::Refused(said) => return Err(ClusterError::Start(said.to_string())),
            }
        }
    }

    /// The folders, the cluster and its configuration.
    fn prepare(&self, data: &Path) -> Result<(), ClusterError> {
        let (me, cluster) = (Ownership::of_this_process(), self.owner());
        claim_dir(&self.root, 0o711, me)?;
        claim_dir(&self.root.join("etc"), 0o755, me)?;
        let group = self.socket_gid.unwrap_or(cluster.gid);
        let socket = Ownership {
            gid: group,
            ..cluster
        };
        claim_dir(&self.root.join("socket"), 0o750, socket)?;
        match fs::symlink_metadata(data) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => self.initialise(data)?,
            Err(error) => return Err(file(data, error)),
            Ok(_) => {}
        }
        claim_dir(data, 0o700, cluster)?;
        if !data.join("PG_VERSION").exists() {
            return Err(ClusterError::NotACluster(data.to_owned()));
        }
        self.signal_standby(data)?;
        self.configure()
    }

    /// Who runs the server.
    fn owner(&self) -> Ownership {
        let user = self.run_as.as_ref();
        user.map_or_else(Ownership::of_this_process, SystemUser::ownership)
    }

    /// The cluster has its name only once it is whole and on the disk.
    fn initialise(&self, data: &Path) -> Result<(), ClusterError> {
        let unfinished = self.root.join("data.new");
        remove_leftover(&unfinished).map_err(|source| file(&unfinished, source))?;
        claim_dir(&unfinished, 0o700, self.owner())?;
        match &self.following {
            Some(primary) => self.back_up(primary, &unfinished)?,
            None => self.init(&unfinished)?,
        }
        fs::rename(&unfinished, data).map_err(|source| file(data, source))?;
        files::sync_dir(&self.root).map_err(|source| file(&self.root, source))
    }

    fn init(&self, into: &Path) -> Result<(), ClusterError> {
        let output = self
            // Told to stop, it would clear the folder of the attempt that comes after it.
            .command("initdb", "KILL")
            .args([
                "--username=postgres",
                "--auth=peer",
                "--encoding=UTF8",
                "--locale=C",
            ])
            .args(["--data-checksums", "--no-instructions", "-D"])
            .arg(into)
            .output()
            .map_err(|source| program("initdb", &source.to_string()))?;
        if !output.status.success() {
            return Err(program("initdb", &String::from_utf8_lossy(&output.stderr)));
        }
        Ok(())
    }

    pub(super) fn configure(&self) -> Result<(), ClusterError> {
        let mut conf = format!(
            "# Written at every start.\n\
             listen_addresses = ''\n\
             port = {PORT}\n\
             unix_socket_directories = {}\n\
             unix_socket_permissions = 0777\n\
             max_connections = 100\n\
             log_parameter_max_length = 0\n\
             log_parameter_max_length_on_error = 0\n\
             client_connection_check_interval = '500ms'\n\
             log_line_prefix = '%m [%p] %a '\n",
            quoted(&self.root.join("socket").display().to_string())
        );
        for (name, value) in &self.settings {
            conf.push_str(&format!("{name} = {}\n", quoted(value)));
        }
        for (name, value) in self.following.iter().flat_map(Following::settings) {
            conf.push_str(&format!("{name} = {}\n", quoted(&value)));
        }
        let mut ident = String::new();
        for line in &self.ident {
            ident.push_str(&format!("strongroom {} {}\n", line.os_user, line.role));
        }
        let mut hba = "local all all peer map=strongroom\n".to_owned();
        if self.ident.iter().any(|line| line.role == REPLICATOR) {
            hba.push_str(&format!(
                "local replication {REPLICATOR} peer map=strongroom\n"
            ));
        }
        for (name, text) in [
            ("strongroom.conf", conf.as_str()),
            ("pg_hba.conf", &hba),
            ("pg_ident.conf", &ident),
        ] {
            let path = self.root.join("etc").join(name);
            let me = Ownership::of_this_process();
            files::replace(&path, &mut text.as_bytes(), 0o644, me)
                .map_err(|source| file(&path, source))?;
        }
        Ok(())
    }

    fn start_once(&self, data: &Path) -> Result<Attempt, ClusterError> {
        let path = self.root.join("etc/postgresql.log");
        let log = files::append(&path).map_err(|source| file(&path, source))?;
        let before = log.metadata().map_err(|source| file(&path, source))?.len();
        let (pid, exited) = self.spawn(data, log)?;
        let cluster = Cluster {
            data: data.to_owned(),
            endpoint_dir: self.root.join("socket"),
            pid,
            exited: Mutex::new(exited),
        };
        if cluster.wait_until_ready() {
            return Ok(Attempt::Started(cluster));
        }
        Ok(Attempt::Refused(Said::since(&path, before)))
    }

    /// Starts the server from a thread that lives as long as it: the kernel stops the server when
    /// that thread is gone, and so when this process is killed.
    fn spawn(
        &self,
        data: &Path,
        log: fs::File,
    ) -> Result<(Pid, mpsc::Receiver<ExitStatus>), ClusterError> {
        let copy = log.try_clone();
        let copy = copy.map_err(|error| program("postgres", &error.to_string()))?;
        let mut command = self.command("postgres", "INT");
        command.arg("-D").arg(data);
        for (setting, name) in [
            ("config_file", "strongroom.conf"),
            ("hba_file", "pg_hba.conf"),
            ("ident_file", "pg_ident.conf"),
        ] {
            let path = self.root.join("etc").join(name);
            command
                .arg("-c")
                .arg(format!("{setting}={}", path.display()));
        }
        // PostgreSQL inherits the log open: it could not open root's file by its name.
        command.stdin(Stdio::null()).stdout(copy).stderr(log);
        let (started, pid) = mpsc::channel();
        let (ended, exited) = mpsc::channel();
        std::thread::spawn(move || match command.spawn() {
            Ok(mut child) => {
                let _ = started.send(Ok(child.id()));
                let status = child.wait().unwrap_or_else(|_| ExitStatus::from_raw(-1));
                let _ = ended.send(status);
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        });
        let pid = pid
            .recv()
            .map_err(|error| program("postgres", &error.to_string()))?
            .map_err(|error| program("postgres", &error.to_string()))?;
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        Ok((
            pid.ok_or_else(|| program("postgres", "has no process id"))?,
            exited,
        ))
    }

    /// A program of the installation, as the cluster's user, with an environment of its own, told
    /// to stop by a signal when its parent dies.
    fn command(&self, name: &str, signal: &str) -> Command {
        self.as_owner(&self.binaries.program(name), signal)
    }

    fn as_owner(&self, program: &Path, signal: &str) -> Command {
        let mut command = Command::new("setpriv");
        if let Some(user) = &self.run_as {
            command.arg(format!("--reuid={}", user.uid));
            command
                .arg(format!("--regid={}", user.gid))
                .arg("--init-groups");
        }
        command
            .arg(format!("--pdeathsig={signal}"))
            .arg("--")
            .arg(program);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C")
            .env("TZ", "UTC");
        command.current_dir("/");
        command
    }
}

impl Cluster {
    /// How to reach one of its databases.
    #[must_use]
    pub fn endpoint(&self, database: &str) -> Endpoint {
        Endpoint::unix(self.endpoint_dir.clone(), PORT, database)
    }

    /// The folder of its socket.
    #[must_use]
    pub fn socket_dir(&self) -> &Path {
        &self.endpoint_dir
    }

    /// Whether the server has ended.
    #[must_use]
    pub fn has_exited(&self) -> bool {
        !matches!(self.exit().try_recv(), Err(mpsc::TryRecvError::Empty))
    }

    /// Kills the server with SIGKILL, as a crash would. What it leaves running ends by itself;
    /// [`ClusterSpec::start`] waits for that.
    pub fn crash(self) {
        let _ = kill_process(self.pid, Signal::KILL);
        let _ = self.exit().recv_timeout(STOP_PATIENCE);
    }

    /// Makes it read its configuration again.
    pub(super) fn reload(&self) {
        let _ = kill_process(self.pid, Signal::HUP);
    }

    /// The process that is to be signalled, and no other.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    fn exit(&self) -> MutexGuard<'_, mpsc::Receiver<ExitStatus>> {
        self.exited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_until_ready(&self) -> bool {
        let socket = self.endpoint_dir.join(format!(".s.PGSQL.{PORT}"));
        let started = Instant::now();
        while started.elapsed() < START_PATIENCE && !self.has_exited() {
            if socket.exists() && self.accepts() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    /// The postmaster writes its process id to the first line of its lock file and `ready` to the
    /// eighth. A predecessor's file says `ready` of the predecessor.
    fn accepts(&self) -> bool {
        let lock = self.data.join("postmaster.pid");
        let lock = files::read_foreign(&lock, LOCK).unwrap_or_default();
        let pid = lock
            .lines()
            .next()
            .and_then(|line| line.trim().parse().ok());
        if pid != Some(self.pid.as_raw_nonzero().get()) {
            return false;
        }
        lock.lines()
            .nth(7)
            .is_some_and(|status| status.trim() == "ready")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The number of a process that has ended may be somebody else's by now.
        if self.has_exited() {
            return;
        }
        // SIGINT is PostgreSQL's fast shutdown.
        let _ = kill_process(self.pid, Signal::INT);
        if self.exit().recv_timeout(STOP_PATIENCE).is_err() && !self.has_exited() {
            let _ = kill_process(self.pid, Signal::QUIT);
            let _ = self.exit().recv_timeout(STOP_PATIENCE);
        }
    }
}

/// A value in a configuration file of PostgreSQL.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "''"))
}

/// What an attempt that was killed left running may write there for a moment more.
fn remove_leftover(dir: &Path) -> std::io::Result<()> {
    let started = Instant::now();
    loop {
        match fs::remove_dir_all(dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error)
                if error.kind() == std::io::ErrorKind::DirectoryNotEmpty
                    && started.elapsed() < PREDECESSOR_PATIENCE =>
            {
                std::thread::sleep(Duration::from_millis(50));
            }
            done => return done,
        }
    }
}

fn claim_dir(dir: &Path, mode: u32, owner: Ownership) -> Result<(), ClusterError> {
    files::claim_dir(dir, mode, owner).map_err(|source| file(dir, source))
}

fn file(path: &Path, source: std::io::Error) -> ClusterError {
    ClusterError::File {
        path: path.to_owned(),
        source,
    }
}

fn program(program: &'static str, message: &str) -> ClusterError {
    ClusterError::Program {
        program,
        message: message.trim().to_owned(),
    }
}
