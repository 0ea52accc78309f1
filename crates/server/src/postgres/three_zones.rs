//! A primary and two standbys on this machine: what three zones are in the small, to try out what
//! happens when one is lost, and how it comes back.

use std::time::{Duration, Instant};

use super::cluster::{Cluster, ClusterError, ClusterSpec, Following, IdentLine, REPLICATOR};
use super::endpoint::Endpoint;
use super::session::{Session, SessionError};
use crate::config::ZoneMode;
use crate::files::{self, Ownership};

/// What the zones are called.
const NAMES: [&str; 3] = ["z1", "z2", "z3"];

/// How long a standby may take to stream, or to have all that it is to have.
const PATIENCE: Duration = Duration::from_secs(30);

/// Soon enough for somebody who looks on: a lost zone is noticed, and one that is back connects,
/// within seconds.
const SETTINGS: [(&str, &str); 6] = [
    ("wal_sender_timeout", "5s"),
    ("wal_receiver_timeout", "5s"),
    ("wal_receiver_status_interval", "1s"),
    ("wal_retrieve_retry_interval", "500ms"),
    ("wal_keep_size", "64MB"),
    // A zone that is away for longer is copied anew; the primary's disk is not filled for its sake.
    ("max_slot_wal_keep_size", "2GB"),
];

/// Streams, and reads what `pg_rewind` reads; no more.
const REPLICATOR_SQL: &str = "set synchronous_commit = local; \
     create role strongroom_replicator login replication; \
     grant execute on function pg_catalog.pg_ls_dir(text, boolean, boolean), \
     pg_catalog.pg_stat_file(text, boolean), pg_catalog.pg_read_binary_file(text), \
     pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean) to strongroom_replicator";

/// Three clusters of this machine: one leads, the others follow it.
///
/// Each server is a process of its own, under this one: all end when this is dropped, and when this
/// process dies.
pub struct ThreeZones {
    zones: Vec<Zone>,
    leader: usize,
}

struct Zone {
    name: &'static str,
    spec: ClusterSpec,
    cluster: Option<Cluster>,
}

/// Why the zones are not as they were to be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ZonesError {
    /// A cluster was not made or started.
    #[error("{0}: {1}")]
    Cluster(&'static str, ClusterError),
    /// A database did not answer, or refused.
    #[error("{0}: {1}")]
    Database(&'static str, String),
    /// There is no such zone, or it does not run, or it leads.
    #[error("{0}")]
    Misplaced(&'static str),
    /// A standby does not follow.
    #[error("{0} does not follow the primary: see its postgresql.log")]
    Behind(&'static str),
}

impl ThreeZones {
    /// Makes and starts three clusters in folders of their own below the template's root; the first
    /// leads. The template's `ident` says who gets in.
    ///
    /// # Errors
    /// [`ZonesError`].
    pub async fn start(template: &ClusterSpec, mode: ZoneMode) -> Result<Self, ZonesError> {
        let me = Ownership::of_this_process();
        files::claim_dir(&template.root, 0o711, me).map_err(|source| {
            let path = template.root.clone();
            ZonesError::Cluster("folder", ClusterError::File { path, source })
        })?;
        let zones = NAMES.map(|name| Zone {
            name,
            spec: spec_of(template, name, mode),
            cluster: None,
        });
        let mut all = Self {
            zones: zones.into(),
            leader: 0,
        };
        all.launch(0).await?;
        all.sql(0, REPLICATOR_SQL).await?;
        all.make_slots().await?;
        for follower in [1, 2] {
            all.zone_mut(follower)?.spec.following = all.following(follower);
            all.launch(follower).await?;
        }
        for follower in [1, 2] {
            all.until_streaming(follower).await?;
        }
        Ok(all)
    }

    /// The zones' names.
    #[must_use]
    pub const fn names() -> [&'static str; 3] {
        NAMES
    }

    /// The number of the one that leads.
    #[must_use]
    pub const fn leader(&self) -> usize {
        self.leader
    }

    /// The numbers of the two that follow, or would.
    pub fn followers(&self) -> impl Iterator<Item = usize> + use<> {
        let leader = self.leader;
        (0..NAMES.len()).filter(move |zone| *zone != leader)
    }

    /// The process of a zone's server, while it runs.
    #[must_use]
    pub fn pid(&self, zone: usize) -> Option<i32> {
        Some(self.zones.get(zone)?.cluster.as_ref()?.pid())
    }

    /// How to reach a zone's database, whether it runs or not.
    #[must_use]
    pub fn endpoint(&self, zone: usize, database: &str) -> Option<Endpoint> {
        let socket = self.zones.get(zone)?.spec.root.join("socket");
        Some(Endpoint::unix(socket, 5432, database))
    }

    /// The same as a URL.
    #[must_use]
    pub fn url(&self, zone: usize, database: &str) -> Option<String> {
        let socket = self.zones.get(zone)?.spec.root.join("socket");
        let socket = socket.display();
        Some(format!("postgresql:///{database}?host={socket}&port=5432"))
    }

    /// Kills a zone's server with SIGKILL, as the loss of its machine would.
    ///
    /// # Errors
    /// [`ZonesError::Misplaced`] when it does not run.
    pub fn kill(&mut self, zone: usize) -> Result<(), ZonesError> {
        let cluster = self.zone_mut(zone)?.cluster.take();
        cluster.ok_or(NOT_RUNNING).map(Cluster::crash)
    }

    /// Starts a zone again: the primary, or a standby of whatever leads by now. Answers before it
    /// streams.
    ///
    /// A former primary comes back with whatever it wrote that nobody else has. This is what an
    /// operator must not do: such a zone says that it has what it lacks. [`Self::rejoin`] is the
    /// way.
    ///
    /// # Errors
    /// [`ZonesError`].
    pub async fn restart(&mut self, zone: usize) -> Result<(), ZonesError> {
        if zone != self.leader {
            let following = self.following(zone);
            self.zone_mut(zone)?.spec.following = following;
        }
        self.launch(zone).await
    }

    /// Promotes the standby that has most, which is every acknowledged event: the other, which has
    /// less, can follow it. The old primary must be dead; it could take writes that get lost.
    /// Answers which it is.
    ///
    /// # Errors
    /// [`ZonesError`].
    pub async fn promote(&mut self) -> Result<usize, ZonesError> {
        const RECEIVED: &str = "select (pg_last_wal_receive_lsn() - '0/0'::pg_lsn)::text";
        if self.pid(self.leader).is_some() {
            return Err(ZonesError::Misplaced("the primary runs: kill it first"));
        }
        let mut furthest: Option<(u64, usize)> = None;
        for zone in self.followers().filter(|zone| self.pid(*zone).is_some()) {
            let received = self.text(zone, RECEIVED).await?;
            let received: u64 = received.parse().unwrap_or(0);
            if furthest.is_none_or(|(most, _)| received > most) {
                furthest = Some((received, zone));
            }
        }
        let (_, chosen) = furthest.ok_or(NOT_RUNNING)?;
        self.text(chosen, "select pg_promote(true, 30)::text")
            .await?;
        self.zone_mut(chosen)?.spec.following = None;
        self.leader = chosen;
        self.make_slots().await?;
        // Before it, pg_rewind would not see that there was a promotion.
        self.sql(chosen, "checkpoint").await?;
        for zone in self.followers() {
            if self.pid(zone).is_none() {
                continue;
            }
            let following = self.following(zone);
            let found = self.zone_mut(zone)?;
            found.spec.following = following;
            found.reconfigure()?;
        }
        Ok(chosen)
    }

    /// Takes back what a zone wrote that the new primary did not, and lets it follow. One that has
    /// something of the new primary's timeline wrote no such thing: it is started as it is.
    ///
    /// # Errors
    /// [`ZonesError`].
    pub async fn rejoin(&mut self, zone: usize) -> Result<(), ZonesError> {
        if self.zone(zone)?.cluster.is_some() {
            return Err(ZonesError::Misplaced("the zone runs: kill it first"));
        }
        let following = self.following(zone);
        let leader = self
            .zone(self.leader)?
            .cluster
            .as_ref()
            .ok_or(NOT_RUNNING)?;
        let mut spec = self.zone(zone)?.spec.clone();
        spec.following = following;
        let unread = |error| ZonesError::Cluster(spec_name(zone), error);
        let theirs = "select timeline_id::text from pg_control_checkpoint()";
        let theirs = self.text(self.leader, theirs).await?;
        if spec.timeline().map_err(unread)?.to_string() != theirs {
            spec.rewind(leader).map_err(unread)?;
        }
        self.zone_mut(zone)?.spec = spec;
        self.launch(zone).await?;
        self.until_streaming(zone).await
    }

    /// Makes the leader wait for other zones than before; what waits is released if it has enough.
    ///
    /// # Errors
    /// [`ZonesError`].
    pub fn set_mode(&mut self, mode: ZoneMode) -> Result<(), ZonesError> {
        for zone in &mut self.zones {
            set_mode(&mut zone.spec, zone.name, mode);
        }
        self.zone_mut(self.leader)?.reconfigure()
    }

    /// Waits until a standby streams from the leader.
    ///
    /// # Errors
    /// [`ZonesError::Behind`] after half a minute.
    pub async fn until_streaming(&self, zone: usize) -> Result<(), ZonesError> {
        let name = self.zone(zone)?.name;
        let streams = format!(
            "select (count(*) = 1)::text from pg_stat_replication \
             where application_name = '{name}' and state = 'streaming'"
        );
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if self.text(self.leader, &streams).await? == "true" {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(ZonesError::Behind(name))
    }

    async fn launch(&mut self, zone: usize) -> Result<(), ZonesError> {
        let found = self.zone_mut(zone)?;
        let (spec, name) = (found.spec.clone(), found.name);
        let started = tokio::task::spawn_blocking(move || spec.start()).await;
        let started = started.map_err(|error| ZonesError::Database(name, error.to_string()))?;
        let cluster = started.map_err(|error| ZonesError::Cluster(name, error))?;
        self.zone_mut(zone)?.cluster = Some(cluster);
        Ok(())
    }

    /// A slot for each of the others on the leader: it keeps what they have not got yet.
    async fn make_slots(&self) -> Result<(), ZonesError> {
        for zone in self.followers() {
            let name = self.zone(zone)?.name;
            let sql = format!(
                "select pg_create_physical_replication_slot('{name}', true) where not exists \
                 (select from pg_replication_slots where slot_name = '{name}')"
            );
            self.sql(self.leader, &sql).await?;
        }
        Ok(())
    }

    fn following(&self, zone: usize) -> Option<Following> {
        let leader = self.zones.get(self.leader)?;
        Some(Following {
            socket_dir: leader.spec.root.join("socket"),
            name: self.zones.get(zone)?.name.to_owned(),
        })
    }

    async fn session(&self, zone: usize) -> Result<Session, ZonesError> {
        let endpoint = self.endpoint(zone, "postgres").ok_or(NOT_RUNNING)?;
        let session = Session::connect(&endpoint, "postgres").await;
        session
            .map_err(|error: SessionError| ZonesError::Database(spec_name(zone), error.to_string()))
    }

    /// Runs statements as the superuser.
    async fn sql(&self, zone: usize, sql: &str) -> Result<(), ZonesError> {
        let session = self.session(zone).await?;
        let done = session.client().batch_execute(sql).await;
        session.end(false).await;
        done.map_err(|error| ZonesError::Database(spec_name(zone), said(&error)))
    }

    /// One value, as the superuser.
    async fn text(&self, zone: usize, sql: &str) -> Result<String, ZonesError> {
        let session = self.session(zone).await?;
        let row = session.client().query_one(sql, &[]).await;
        session.end(false).await;
        row.and_then(|row| row.try_get(0))
            .map_err(|error| ZonesError::Database(spec_name(zone), said(&error)))
    }

    fn zone(&self, zone: usize) -> Result<&Zone, ZonesError> {
        self.zones.get(zone).ok_or(NO_ZONE)
    }

    fn zone_mut(&mut self, zone: usize) -> Result<&mut Zone, ZonesError> {
        self.zones.get_mut(zone).ok_or(NO_ZONE)
    }
}

const NOT_RUNNING: ZonesError = ZonesError::Misplaced("the zone does not run");
const NO_ZONE: ZonesError = ZonesError::Misplaced("there is no such zone");

impl Zone {
    /// Lets a running server know of its new settings.
    fn reconfigure(&self) -> Result<(), ZonesError> {
        self.spec
            .configure()
            .map_err(|error| ZonesError::Cluster(self.name, error))?;
        if let Some(cluster) = &self.cluster {
            cluster.reload();
        }
        Ok(())
    }
}

fn spec_name(zone: usize) -> &'static str {
    NAMES.get(zone).copied().unwrap_or("zone")
}

fn spec_of(template: &ClusterSpec, name: &'static str, mode: ZoneMode) -> ClusterSpec {
    let mut spec = template.clone();
    spec.root = template.root.join(name);
    let settings = SETTINGS.iter();
    spec.settings
        .extend(settings.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    spec.settings
        .push(("cluster_name".to_owned(), name.to_owned()));
    set_mode(&mut spec, name, mode);
    // Standbys run as whoever runs the primary.
    let own = spec.run_as.as_ref().map(|user| user.name.clone());
    let own = own.or_else(|| spec.ident.first().map(|line| line.os_user.clone()));
    spec.ident.extend(own.map(|os_user| IdentLine {
        os_user,
        role: REPLICATOR.to_owned(),
    }));
    spec
}

/// Whom each waits for when it leads; a standby takes no notice.
fn set_mode(spec: &mut ClusterSpec, name: &'static str, mode: ZoneMode) {
    const SETTING: &str = "synchronous_standby_names";
    let others: Vec<&str> = NAMES.into_iter().filter(|other| *other != name).collect();
    spec.settings.retain(|(setting, _)| setting != SETTING);
    spec.settings
        .push((SETTING.to_owned(), mode.standby_names(&others)));
}

fn said(error: &tokio_postgres::Error) -> String {
    error
        .as_db_error()
        .map_or_else(|| error.to_string(), ToString::to_string)
}
