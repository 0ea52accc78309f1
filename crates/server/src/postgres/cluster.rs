//! A private PostgreSQL cluster of the platform's own, from the installed binaries.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::binaries::Binaries;
use super::endpoint::Endpoint;

/// A port is only part of the socket's name: nothing listens on the network.
const PORT: u16 = 5432;

/// How long the server may take to start, and to stop.
const START_PATIENCE: Duration = Duration::from_secs(60);
const STOP_PATIENCE: Duration = Duration::from_secs(20);

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
    /// Holds `data/` (0700) and `socket/`; must be reachable by the users below.
    pub root: PathBuf,
    /// Who runs the server; needed when this process is root, since PostgreSQL refuses root.
    pub run_as: Option<SystemUser>,
    /// The group that may reach the socket, when it is not only the server's own user.
    pub socket_gid: Option<u32>,
    /// Who gets in as what.
    pub ident: Vec<IdentLine>,
    /// Further lines of `postgresql.conf`.
    pub settings: Vec<(String, String)>,
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
    endpoint_dir: PathBuf,
    pid: Pid,
    exited: Mutex<mpsc::Receiver<ExitStatus>>,
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
    /// The server did not come up in time.
    #[error("the cluster did not start within a minute: {0}")]
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
}

impl ClusterSpec {
    /// Makes the cluster unless it is there, and starts it in the foreground of a thread of its own.
    ///
    /// # Errors
    /// [`ClusterError`] says which file or program failed.
    pub fn start(&self) -> Result<Cluster, ClusterError> {
        let (data, socket) = (self.root.join("data"), self.root.join("socket"));
        self.make_dir(&self.root, 0o711)?;
        self.make_dir(&socket, 0o750)?;
        if let (Some(user), Some(gid)) = (&self.run_as, self.socket_gid) {
            chown(&socket, Some(user.uid), Some(gid)).map_err(|source| file(&socket, source))?;
        }
        if !data.join("PG_VERSION").exists() {
            self.initialise(&data)?;
        }
        self.configure(&data, &socket)?;
        let log = self.root.join("postgresql.log");
        let (pid, exited) = self.spawn(&data, &log)?;
        let cluster = Cluster {
            endpoint_dir: socket,
            pid,
            exited: Mutex::new(exited),
        };
        cluster.wait_until_ready(&log)?;
        Ok(cluster)
    }

    fn make_dir(&self, path: &Path, mode: u32) -> Result<(), ClusterError> {
        if !path.exists() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(mode)
                .create(path)
                .map_err(|source| file(path, source))?;
        }
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(path, permissions).map_err(|source| file(path, source))?;
        if let Some(user) = &self.run_as {
            chown(path, Some(user.uid), Some(user.gid)).map_err(|source| file(path, source))?;
        }
        Ok(())
    }

    fn initialise(&self, data: &Path) -> Result<(), ClusterError> {
        // A folder that an interrupted attempt left is not a cluster.
        if data.exists() {
            fs::remove_dir_all(data).map_err(|source| file(data, source))?;
        }
        self.make_dir(data, 0o700)?;
        let output = self
            .command("initdb")
            .args([
                "--username=postgres",
                "--auth=peer",
                "--encoding=UTF8",
                "--locale=C",
            ])
            .args(["--data-checksums", "--no-instructions", "-D"])
            .arg(data)
            .output()
            .map_err(|source| program("initdb", &source.to_string()))?;
        if !output.status.success() {
            return Err(program("initdb", &String::from_utf8_lossy(&output.stderr)));
        }
        Ok(())
    }

    fn configure(&self, data: &Path, socket: &Path) -> Result<(), ClusterError> {
        let mut conf = format!(
            "# Written at every start.\n\
             listen_addresses = ''\n\
             port = {PORT}\n\
             unix_socket_directories = '{}'\n\
             unix_socket_permissions = 0777\n\
             max_connections = 100\n\
             log_parameter_max_length = 0\n\
             log_parameter_max_length_on_error = 0\n\
             client_connection_check_interval = '500ms'\n\
             log_line_prefix = '%m [%p] %a '\n",
            socket.display()
        );
        for (name, value) in &self.settings {
            conf.push_str(&format!("{name} = '{value}'\n"));
        }
        let mut ident = String::new();
        for line in &self.ident {
            ident.push_str(&format!("strongroom {} {}\n", line.os_user, line.role));
        }
        self.write(&data.join("strongroom.conf"), &conf)?;
        self.write(
            &data.join("pg_hba.conf"),
            "local all all peer map=strongroom\n",
        )?;
        self.write(&data.join("pg_ident.conf"), &ident)
    }

    fn write(&self, path: &Path, text: &str) -> Result<(), ClusterError> {
        fs::write(path, text).map_err(|source| file(path, source))?;
        if let Some(user) = &self.run_as {
            chown(path, Some(user.uid), Some(user.gid)).map_err(|source| file(path, source))?;
        }
        Ok(())
    }

    /// Starts the server from a thread that lives as long as it: the kernel stops the server when
    /// that thread is gone, and so when this process is killed.
    fn spawn(
        &self,
        data: &Path,
        log: &Path,
    ) -> Result<(Pid, mpsc::Receiver<ExitStatus>), ClusterError> {
        let out = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .map_err(|source| file(log, source))?;
        let err = out.try_clone().map_err(|source| file(log, source))?;
        let mut command = self.command("postgres");
        command
            .arg("-D")
            .arg(data)
            .arg("-c")
            .arg(format!(
                "config_file={}",
                data.join("strongroom.conf").display()
            ))
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err);
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
    /// to stop when its parent dies.
    fn command(&self, name: &str) -> Command {
        let mut command = Command::new("setpriv");
        if let Some(user) = &self.run_as {
            command.arg(format!("--reuid={}", user.uid));
            command
                .arg(format!("--regid={}", user.gid))
                .arg("--init-groups");
        }
        command
            .arg("--pdeathsig=INT")
            .arg("--")
            .arg(self.binaries.program(name));
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

    /// Kills the server without a word (SIGQUIT: no clean-up), as a crash would.
    pub fn crash(self) {
        let _ = kill_process(self.pid, Signal::QUIT);
        let _ = self.exit().recv_timeout(STOP_PATIENCE);
    }

    fn exit(&self) -> MutexGuard<'_, mpsc::Receiver<ExitStatus>> {
        self.exited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_until_ready(&self, log: &Path) -> Result<(), ClusterError> {
        let socket = self.endpoint_dir.join(format!(".s.PGSQL.{PORT}"));
        let started = Instant::now();
        while started.elapsed() < START_PATIENCE {
            if self.has_exited() {
                break;
            }
            if socket.exists() && self.accepts() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let tail = fs::read_to_string(log).unwrap_or_default();
        let last = tail.lines().rev().take(5).collect::<Vec<_>>();
        Err(ClusterError::Start(
            last.into_iter().rev().collect::<Vec<_>>().join("; "),
        ))
    }

    /// The postmaster writes `ready` to the eighth line of its lock file.
    fn accepts(&self) -> bool {
        let Some(root) = self.endpoint_dir.parent() else {
            return false;
        };
        let lock = fs::read_to_string(root.join("data/postmaster.pid")).unwrap_or_default();
        lock.lines()
            .nth(7)
            .is_some_and(|status| status.trim() == "ready")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // SIGINT is PostgreSQL's fast shutdown.
        let _ = kill_process(self.pid, Signal::INT);
        if self.exit().recv_timeout(STOP_PATIENCE).is_err() && !self.has_exited() {
            let _ = kill_process(self.pid, Signal::QUIT);
            let _ = self.exit().recv_timeout(STOP_PATIENCE);
        }
    }
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
