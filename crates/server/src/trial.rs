//! `zones`: three zones on this machine, to lose and to bring back by hand.

use std::fmt::Write as _;
use std::path::PathBuf;

use tokio::sync::mpsc;

use crate::app::StartError;
use crate::config::ZoneMode;
use crate::postgres::{Binaries, ClusterSpec, Owner, ThreeZones};
use crate::supervise::{cluster_user, ident};

/// What can be typed.
const COMMANDS: &str = "\
kill ZONE      SIGKILL to its server, as the loss of its machine would be
start ZONE     start it again as it is. A former primary's own writes stay in it, which nobody
               should do: see that the platform does not admit it
promote        let the standby that has most lead; the primary must be dead
rejoin ZONE    rewind a former primary and let it follow
mode MODE      any_2, any_1 or one, from now on
status         who leads, who follows
";

/// Three zones in a folder of this machine.
pub struct Trial {
    zones: ThreeZones,
    mode: ZoneMode,
    /// Goes after what runs in it.
    _folder: Folder,
}

/// A folder that goes when this does.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Trial {
    /// Makes and starts them in a folder of their own, with the platform's database in them.
    ///
    /// # Errors
    /// [`StartError`] says which step failed.
    pub async fn start(mode: ZoneMode) -> Result<Self, StartError> {
        let name = format!("strongroom-zones-{}", std::process::id());
        let folder = Folder(std::env::temp_dir().join(name));
        let template = ClusterSpec {
            binaries: Binaries::find().map_err(StartError::of)?,
            root: folder.0.clone(),
            run_as: cluster_user()?,
            socket_gid: None,
            ident: ident(None)?,
            settings: Vec::new(),
            following: None,
        };
        let zones = ThreeZones::start(&template, mode).await;
        let zones = zones.map_err(StartError::of)?;
        let endpoint = zones.endpoint(zones.leader(), "postgres");
        let endpoint = endpoint.ok_or_else(|| StartError::of("there is no primary"))?;
        let owner = Owner::connect(&endpoint, "postgres").await;
        let owner = owner.map_err(StartError::of)?;
        owner.create_database().await.map_err(StartError::of)?;
        Ok(Self {
            zones,
            mode,
            _folder: folder,
        })
    }

    /// Who leads and who follows, how to connect, and what the platform's configuration is.
    #[must_use]
    pub fn status(&self) -> String {
        let mut text = String::new();
        for (zone, name) in ThreeZones::names().into_iter().enumerate() {
            let part = if zone == self.zones.leader() {
                "primary"
            } else {
                "standby"
            };
            let process = self.zones.pid(zone);
            let process = process.map_or_else(|| "down".to_owned(), |pid| format!("process {pid}"));
            let url = self.zones.url(zone, "strongroom").unwrap_or_default();
            let _ = writeln!(
                text,
                "{name} {part:8} {process:15} psql -U postgres '{url}'"
            );
        }
        let leader = self.zones.url(self.zones.leader(), "strongroom");
        let _ = write!(
            text,
            "\nconfiguration of a platform on them (`init`, then `serve`):\n\
             database.url = '{}'\nzones.mode = '{}'\nzones.standbys = [",
            leader.unwrap_or_default(),
            self.mode
        );
        for zone in self.zones.followers() {
            let name = ThreeZones::names().get(zone).copied().unwrap_or_default();
            let url = self.zones.url(zone, "strongroom").unwrap_or_default();
            let _ = write!(text, "'{name}={url}', ");
        }
        text.push_str("]\n");
        text
    }

    /// Prints the status, then does what is typed until `stop` is done.
    pub async fn converse(mut self, stop: impl Future<Output = ()>) {
        println!("{}\n{COMMANDS}", self.status());
        let (typed, mut lines) = mpsc::unbounded_channel();
        // Nothing ends a thread that waits for a terminal: it ends with the process.
        std::thread::spawn(move || {
            let lines = std::io::stdin().lines().map_while(Result::ok);
            lines
                .take_while(|line| typed.send(line.clone()).is_ok())
                .for_each(drop);
        });
        tokio::pin!(stop);
        loop {
            let line = tokio::select! {
                () = &mut stop => return,
                Some(line) = lines.recv() => line,
                // Started without a terminal: it runs until it is interrupted.
                else => return stop.await,
            };
            match self.obey(&line).await {
                Ok(()) => println!("{}", self.status()),
                Err(error) => println!("{error}\n\n{COMMANDS}"),
            }
        }
    }

    async fn obey(&mut self, line: &str) -> Result<(), StartError> {
        let mut words = line.split_whitespace();
        let (word, object) = (words.next(), words.next().unwrap_or_default());
        let zone = ThreeZones::names().iter().position(|name| *name == object);
        let zone = || zone.ok_or_else(|| StartError::of("expected z1, z2 or z3"));
        let zones = &mut self.zones;
        let done = match word {
            Some("kill") => zones.kill(zone()?),
            Some("start") => zones.restart(zone()?).await,
            Some("promote") => zones.promote().await.map(drop),
            Some("rejoin") => zones.rejoin(zone()?).await,
            Some("mode") => {
                self.mode = object.parse().map_err(StartError::of)?;
                zones.set_mode(self.mode)
            }
            Some("status") => Ok(()),
            _ => return Err(StartError::of("there is no such command")),
        };
        done.map_err(StartError::of)
    }
}
