//! Zones that are killed in the middle of load, and the server: whatever was acknowledged is where its
//! receipt says that it is.
//!
//! Twenty-five times in each test run, a thousand in `cargo xtask soak --only audit-zones`. A run is
//! repeated, as far as processes allow it, by the seed that it prints.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use strongroom_server::clock::SystemClock;
use strongroom_server::config::ZoneMode;
use strongroom_server::init::init;
use strongroom_server::postgres::{Owner, ThreeZones};
use tokio::task::JoinHandle;

use crate::database::{folder, random, spec};
use crate::kills::{Server, send};
use crate::platform::{Provider, config, on_runtime, start_provider};
use crate::three_zones::{environment, superuser, until};
use crate::zone_ledger::Ledger;

const WRITERS: usize = 8;

/// Kills of one log: each is followed by a look at all that was ever acknowledged of it.
const CHAPTER: usize = 100;

/// How long acknowledgements may take to go on once all zones are there.
const GOES_ON: Duration = Duration::from_secs(60);

/// What is killed in a round.
#[derive(Clone, Copy, Debug)]
enum Kill {
    /// The server.
    Server,
    /// A standby, which comes back.
    Standby,
    /// A standby, and the server meanwhile.
    Both,
    /// The primary. The furthest standby is promoted; the old primary comes back as it was, and then
    /// rewound.
    Primary,
    /// The primary, after it wrote what nobody else has.
    Ahead,
}

/// How often of twenty-five each is killed: in a test run, and in the soak.
const QUICK: [(Kill, usize); 4] = [
    (Kill::Server, 21),
    (Kill::Standby, 2),
    (Kill::Both, 1),
    (Kill::Ahead, 1),
];
const SOAK: [(Kill, usize); 5] = [
    (Kill::Server, 12),
    (Kill::Standby, 6),
    (Kill::Both, 2),
    (Kill::Primary, 2),
    (Kill::Ahead, 3),
];

/// xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound.max(1)
    }

    /// So many of each, in some order.
    fn deck(&mut self, of: &[(Kill, usize)]) -> Vec<Kill> {
        let each = of
            .iter()
            .map(|(kill, count)| std::iter::repeat_n(*kill, *count));
        let mut deck: Vec<Kill> = each.flatten().collect();
        for last in (1..deck.len()).rev() {
            let other = usize::try_from(self.below(last as u64 + 1)).unwrap();
            deck.swap(last, other);
        }
        deck
    }

    fn pause(&mut self, most: u64) -> Duration {
        Duration::from_millis(self.below(most))
    }
}

/// Three zones, a server on them, and those who write.
struct Scene {
    root: PathBuf,
    zones: ThreeZones,
    state: PathBuf,
    upstream: String,
    key: String,
    provider: Arc<Provider>,
    ledger: Arc<Ledger>,
    random: Random,
    running: Option<(Server, Vec<JoinHandle<()>>)>,
}

impl Scene {
    async fn new(random: Random) -> Self {
        strongroom_server::upstream::install_tls();
        let root = folder();
        let zones = ThreeZones::start(&spec(root.clone()), ZoneMode::Any2).await;
        let zones = zones.unwrap();
        let owner = Owner::connect(&zones.endpoint(0, "postgres").unwrap(), "postgres").await;
        owner.unwrap().create_database().await.unwrap();
        let provider = Arc::new(Provider::default());
        let address = start_provider(Arc::clone(&provider)).await;
        let config = config(address, &[]);
        let endpoint = zones.endpoint(0, "strongroom").unwrap();
        let done = init(&config, &endpoint, "postgres", None, Arc::new(SystemClock));
        let admin = done.await.unwrap().admin_key.unwrap();
        let state = config.state_dir.clone();
        let upstream = format!("http://{address}/v1");
        let server = start(&zones, &state, &upstream);
        until_each_is_held(&server).await;
        let call = async |method: &str, path: &str, key: &str, body: Value| {
            let answer = send(&server.base, method, path, key, body).await.unwrap();
            assert!(answer.status < 300, "{path}: {}", answer.text);
            answer
        };
        let made = json!({ "name": "killed" });
        let made = call("POST", "/v1/tenants", admin.expose(), made)
            .await
            .json();
        let key = made["owner_key"]["key"].as_str().unwrap().to_owned();
        let body = json!({ "credential": "sk-kill" });
        call("PUT", "/v1/providers/default/credential", &key, body).await;
        let log = call("GET", "/v1/audit/log", &key, json!({})).await.json();
        let batch_key = log["batch_key"].as_str().unwrap().parse().unwrap();
        let tenant = made["tenant_id"].as_str().unwrap().parse().unwrap();
        server.kill();
        // The credential that calls use has an event too; nobody kept its receipt.
        Self {
            root,
            zones,
            state,
            upstream,
            key,
            provider,
            ledger: Arc::new(Ledger::new(batch_key, tenant)),
            random,
            running: None,
        }
    }

    /// A server on the zone that leads, and writers, unless they are there.
    fn serve(&mut self) {
        if self.running.is_some() {
            return;
        }
        let server = start(&self.zones, &self.state, &self.upstream);
        let writers = (0..WRITERS).map(|_| {
            let (ledger, base) = (Arc::clone(&self.ledger), server.base.clone());
            let key = self.key.clone();
            tokio::spawn(async move { ledger.load(&base, &key).await })
        });
        let writers = writers.collect();
        self.running = Some((server, writers));
    }

    /// SIGKILL to the server; its writers notice.
    async fn end(&mut self) {
        if let Some((server, writers)) = self.running.take() {
            server.kill();
            for writer in writers {
                writer.await.unwrap();
            }
        }
    }

    /// Until so many more were acknowledged.
    async fn until_acknowledged(&self, more: u64) {
        let enough = self.ledger.acknowledged() + usize::try_from(more).unwrap();
        let began = Instant::now();
        while self.ledger.acknowledged() < enough {
            if began.elapsed() > GOES_ON {
                panic!(
                    "nothing is acknowledged any more:\n{}",
                    self.state_of().await
                );
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// What the server and the zones say of themselves.
    async fn state_of(&self) -> String {
        let mut said = String::new();
        if let Some((server, _)) = &self.running {
            let ready = send(&server.base, "GET", "/readyz", "", json!({})).await;
            said.push_str(&ready.map(|it| it.text).unwrap_or_default());
        }
        for (zone, name) in ThreeZones::names().into_iter().enumerate() {
            let log = self.root.join(name).join("etc/postgresql.log");
            let log = std::fs::read_to_string(log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(12)..].join("\n");
            let pid = self.zones.pid(zone);
            said.push_str(&format!("{name}, process {pid:?}:\n{last}\n"));
        }
        let sql = superuser(&self.zones, self.zones.leader(), "strongroom").await;
        let activity = "select string_agg(concat_ws(' ', usename, application_name, state, \
             wait_event, left(query, 60)), E'\\n') from pg_stat_activity";
        said.push_str(
            &sql.query_one(activity, &[])
                .await
                .unwrap()
                .get::<_, String>(0),
        );
        said
    }

    fn a_standby(&mut self) -> usize {
        let followers: Vec<usize> = self.zones.followers().collect();
        followers[usize::try_from(self.random.below(2)).unwrap()]
    }

    /// One round; then everything that anybody was told is so.
    async fn round(&mut self, kill: Kill) {
        self.serve();
        let some = 3 + self.random.below(12);
        self.until_acknowledged(some).await;
        tokio::time::sleep(self.random.pause(20)).await;
        match kill {
            Kill::Server => self.end().await,
            Kill::Standby | Kill::Both => self.lose_a_standby(matches!(kill, Kill::Both)).await,
            Kill::Primary => self.fail_over(false).await,
            Kill::Ahead => self.fail_over(true).await,
        }
        self.ledger.check_zones(&self.zones).await;
        self.ledger.check_events(&self.zones, &self.provider).await;
    }

    async fn lose_a_standby(&mut self, and_the_server: bool) {
        let standby = self.a_standby();
        self.zones.kill(standby).unwrap();
        tokio::time::sleep(self.random.pause(700)).await;
        if and_the_server {
            self.end().await;
            self.serve();
            let none = self.ledger.acknowledged();
            tokio::time::sleep(self.random.pause(700)).await;
            assert_eq!(self.ledger.acknowledged(), none, "a zone is missing");
        }
        self.zones.restart(standby).await.unwrap();
        self.until_acknowledged(3).await;
    }

    async fn fail_over(&mut self, is_ahead: bool) {
        let old = self.zones.leader();
        let followers: Vec<usize> = self.zones.followers().collect();
        if is_ahead {
            // A standby asks from the beginning of a segment on: the fork is to be near one, so that
            // PostgreSQL believes the old primary when it comes back.
            let first = superuser(&self.zones, old, "postgres").await;
            let switch = "set synchronous_commit = local; select pg_switch_wal()";
            first.batch_execute(switch).await.unwrap();
            self.until_acknowledged(2).await;
            for standby in &followers {
                self.zones.kill(*standby).unwrap();
            }
            // What the server has under way by now is on the primary alone; and then this.
            tokio::time::sleep(self.random.pause(200)).await;
            let alone = "set synchronous_commit = local; drop table if exists alone; \
                 create table alone as select g, repeat('x', 1000) from generate_series(1, 3000) g";
            first.batch_execute(alone).await.unwrap();
        }
        self.zones.kill(old).unwrap();
        self.end().await;
        if is_ahead {
            for standby in &followers {
                self.zones.restart(*standby).await.unwrap();
            }
        }
        let leader = self.zones.promote().await.unwrap();
        for other in self.zones.followers().filter(|zone| *zone != old) {
            self.zones.until_streaming(other).await.unwrap();
        }
        assert_ne!(leader, old);

        // As it was. If it wrote what nobody else has it does not count, whatever PostgreSQL says.
        self.zones.restart(old).await.unwrap();
        self.serve();
        let none = self.ledger.acknowledged();
        let while_unrewound = 1000 + self.random.below(500);
        tokio::time::sleep(Duration::from_millis(while_unrewound)).await;
        if is_ahead {
            assert_eq!(self.ledger.acknowledged(), none, "not rewound, and counted");
        }
        self.ledger.check_zones(&self.zones).await;
        self.zones.kill(old).unwrap();
        self.zones.rejoin(old).await.unwrap();
        self.until_acknowledged(3).await;
    }

    /// A last server sweeps up what was staged and never announced, signs, and verifies.
    async fn conclude(mut self) -> Random {
        self.end().await;
        let server = start(&self.zones, &self.state, &self.upstream);
        until_each_is_held(&server).await;
        let sql = superuser(&self.zones, self.zones.leader(), "strongroom").await;
        let staged = "select count(*) from app.audit_staged";
        let began = Instant::now();
        while sql.query_one(staged, &[]).await.unwrap().get::<_, i64>(0) > 0 {
            assert!(began.elapsed() < GOES_ON, "what is staged is not sequenced");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let post = async |path: &str| send(&server.base, "POST", path, &self.key, json!({})).await;
        let signed = post("/v1/audit/checkpoints").await.unwrap();
        assert_eq!(signed.status, 200, "{}", signed.text);
        let report = post("/v1/audit/verify").await.unwrap().json();
        assert_eq!(report["intact"], true, "{report}");
        server.kill();
        self.ledger.check_zones(&self.zones).await;
        self.ledger.check_events(&self.zones, &self.provider).await;
        self.random
    }
}

fn start(zones: &ThreeZones, state: &std::path::Path, upstream: &str) -> Server {
    let database = zones.url(zones.leader(), "strongroom").unwrap();
    let environment = environment(zones, ZoneMode::Any2);
    Server::start_with(state, &database, upstream, &environment)
}

/// The first look of a start may find a zone late that has everything: it counts as lost until the next.
async fn until_each_is_held(server: &Server) {
    until("each is held", async || {
        let ready = send(&server.base, "GET", "/readyz", "", json!({})).await;
        ready.is_some_and(|it| it.text.matches(" held").count() == 2)
    })
    .await;
}

async fn kill_again_and_again(rounds: usize, each: &[(Kill, usize)]) {
    let seed = std::env::var("ZONE_KILLS_SEED").ok();
    let seed = seed.map(|seed| seed.parse().unwrap());
    let seed = seed.unwrap_or_else(|| u64::from_le_bytes(random()) | 1);
    println!("seed {seed}: ZONE_KILLS_SEED={seed} repeats the order");
    let mut random = Random(seed);
    let began = Instant::now();
    let (mut deck, mut before) = (Vec::new(), 0);
    for first in (0..rounds).step_by(CHAPTER) {
        let mut scene = Scene::new(random).await;
        for round in first + 1..=rounds.min(first + CHAPTER) {
            if deck.is_empty() {
                deck = scene.random.deck(each);
            }
            let kill = deck.pop().unwrap();
            scene.round(kill).await;
            println!(
                "{round}/{rounds} {kill:?}: all of {} acknowledged entries are there, {:.0} s",
                before + scene.ledger.acknowledged(),
                began.elapsed().as_secs_f64()
            );
        }
        before += scene.ledger.acknowledged();
        random = scene.conclude().await;
    }
}

#[test]
fn no_acknowledged_event_is_lost_in_twenty_five_kills_of_zones() {
    on_runtime(kill_again_and_again(25, &QUICK));
}

#[test]
#[ignore = "an hour: cargo xtask soak --only audit-zones"]
fn no_acknowledged_event_is_lost_in_a_thousand_kills_of_zones() {
    let rounds = std::env::var("ZONE_KILLS").ok();
    let rounds = rounds.map_or(1000, |rounds| rounds.parse().unwrap());
    on_runtime(kill_again_and_again(rounds, &SOAK));
}
