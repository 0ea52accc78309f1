//! A cluster that follows another one of this machine: its base backup, its settings, and the way
//! back of one that was ahead.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::said::is_held;
use super::{Cluster, ClusterError, ClusterSpec, PORT, PREDECESSOR_PATIENCE, program};

/// The role that standbys stream as, and that their data is wound back with.
pub const REPLICATOR: &str = "strongroom_replicator";

/// The file in its data that makes a server a standby.
const SIGNAL: &str = "standby.signal";

/// Whom a cluster follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Following {
    /// The folder of the primary's socket.
    pub socket_dir: PathBuf,
    /// What it calls itself, and its slot on the primary.
    pub name: String,
}

impl Following {
    /// How it is reached, as libpq reads it.
    fn conninfo(&self) -> String {
        format!(
            "host={} port={PORT} user={REPLICATOR} application_name={}",
            libpq(&self.socket_dir.display().to_string()),
            self.name
        )
    }

    pub(super) fn settings(&self) -> [(&'static str, String); 2] {
        [
            ("primary_conninfo", self.conninfo()),
            ("primary_slot_name", self.name.clone()),
        ]
    }
}

impl ClusterSpec {
    /// Fills an empty folder with a copy of the primary.
    pub(super) fn back_up(&self, from: &Following, into: &Path) -> Result<(), ClusterError> {
        let mut command = self.command("pg_basebackup", "KILL");
        command
            .arg(format!("--dbname={}", from.conninfo()))
            .arg("--pgdata")
            .arg(into)
            .args(["--wal-method=stream", "--checkpoint=fast", "--slot"])
            .arg(&from.name);
        finish("pg_basebackup", &mut command)
    }

    /// A server is a standby by a file in its data, which is the cluster user's to make.
    pub(super) fn signal_standby(&self, data: &Path) -> Result<(), ClusterError> {
        if self.following.is_none() {
            return Ok(());
        }
        let mut touch = self.as_owner(Path::new("touch"), "KILL");
        finish("touch", touch.arg(data.join(SIGNAL)))
    }

    /// The last timeline that this cluster has something of. It must not run.
    ///
    /// # Errors
    /// [`ClusterError`] when it cannot be read.
    pub fn timeline(&self) -> Result<u32, ClusterError> {
        const LINES: [&str; 2] = [
            "Latest checkpoint's TimeLineID:",
            "Min recovery ending loc's timeline:",
        ];
        let mut read = self.command("pg_controldata", "KILL");
        let output = read.arg(self.root.join("data")).output();
        let output = output.map_err(|source| program("pg_controldata", &source.to_string()))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let numbers = said.lines().filter_map(|line| {
            let number = LINES.iter().find_map(|name| line.strip_prefix(name))?;
            number.trim().parse().ok()
        });
        numbers
            .max()
            .ok_or_else(|| program("pg_controldata", &String::from_utf8_lossy(&output.stderr)))
    }

    /// Takes back what this cluster wrote and `source`, which was promoted meanwhile, did not. It
    /// must not run, and its settings be those of a follower of `source` by then.
    ///
    /// The source must have made a checkpoint since it was promoted: before, `pg_rewind` compares
    /// with a history that does not know of the promotion, and does nothing.
    ///
    /// # Errors
    /// [`ClusterError`] says which program failed.
    pub fn rewind(&self, source: &Cluster) -> Result<(), ClusterError> {
        let data = self.root.join("data");
        let mut unsignal = self.as_owner(Path::new("rm"), "KILL");
        finish("rm", unsignal.arg("-f").arg(data.join(SIGNAL)))?;
        // A crashed server first ends its recovery, by itself: pg_rewind wants a clean end.
        let began = Instant::now();
        loop {
            let mut recover = self.command("postgres", "KILL");
            recover.args(["--single", "-D"]).arg(&data);
            recover.args(["-c", "synchronous_standby_names=", "postgres"]);
            match finish("postgres", recover.stdin(std::process::Stdio::null())) {
                // What a killed server left running ends by itself.
                Err(ClusterError::Program { message, .. })
                    if is_held(&message) && began.elapsed() < PREDECESSOR_PATIENCE =>
                {
                    std::thread::sleep(Duration::from_millis(200));
                }
                done => break done?,
            }
        }
        let from = format!(
            "host={} port={PORT} user={REPLICATOR} dbname=postgres",
            libpq(&source.socket_dir().display().to_string())
        );
        let mut rewind = self.command("pg_rewind", "KILL");
        rewind.arg("--target-pgdata").arg(&data);
        rewind.arg(format!("--source-server={from}"));
        finish("pg_rewind", &mut rewind)
    }
}

fn finish(name: &'static str, command: &mut Command) -> Result<(), ClusterError> {
    let output = command.output();
    let output = output.map_err(|source| program(name, &source.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(program(name, &String::from_utf8_lossy(&output.stderr)))
}

/// A value in a connection string.
fn libpq(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}
