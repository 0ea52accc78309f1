//! What writers were told, and whether it is so: in each zone, read directly.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::json;
use strongroom_auditchain::{Event, Leaf, Outcome, Receipt, VerifierKey};
use strongroom_server::postgres::ThreeZones;
use strongroom_tenancy::TenantId;

use crate::platform::{Answer, Provider};
use crate::three_zones::superuser;

/// How long a zone may take to show what its disk has.
const SHOWS: Duration = Duration::from_secs(30);

/// Which of these receipts' entries a zone holds, each at its index and with its bytes.
const HELD: &str = "select r.i from unnest($2::bigint[], $3::bytea[]) as r (i, h) \
     join app.audit_leaves l on l.tenant_id = $1 and l.idx = r.i and l.leaf_hash = r.h \
     and pg_catalog.sha256('\\x00'::bytea || l.leaf) = r.h";

/// What a receipt says of an entry.
#[derive(Clone, PartialEq, Eq)]
struct Acknowledged {
    index: i64,
    hash: Vec<u8>,
    zones: usize,
}

/// One call to the provider, by the name of its model.
type Calls = HashMap<String, Option<(u16, String)>>;

#[derive(Default)]
struct Told {
    entries: Vec<Acknowledged>,
    /// Credentials that were stored.
    stored: HashSet<String>,
    /// Calls, and what was answered: the status and the request's id. Nothing for one that was cut off.
    calls: Calls,
    numbers: u64,
}

/// What all writers were told.
pub(crate) struct Ledger {
    key: VerifierKey,
    tenant: TenantId,
    told: Mutex<Told>,
}

impl Ledger {
    pub(crate) fn new(key: VerifierKey, tenant: TenantId) -> Self {
        let told = Mutex::default();
        Self { key, tenant, told }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap()
    }

    /// How many entries were acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        self.told().entries.len()
    }

    fn note(&self, answer: &Answer) {
        let receipt = Receipt::from_header(answer.header("strongroom-receipt")).unwrap();
        let receipt = receipt.verify(&self.key).unwrap();
        self.told().entries.push(Acknowledged {
            index: i64::try_from(receipt.index()).unwrap(),
            hash: receipt.leaf().as_bytes().to_vec(),
            zones: usize::from(receipt.zones()),
        });
    }

    /// Writes and calls until the server is gone.
    pub(crate) async fn load(&self, base: &str, key: &str) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        loop {
            let number = {
                let mut told = self.told();
                told.numbers += 1;
                told.numbers
            };
            let name = format!("kill-{number}");
            let (method, path, body) = if number % 2 == 0 {
                let body = json!({ "credential": "sk-load" });
                ("PUT", format!("/v1/providers/{name}/credential"), body)
            } else {
                let said = json!([{ "role": "user", "content": "hello" }]);
                let body = json!({ "model": name, "messages": said });
                self.told().calls.insert(name.clone(), None);
                ("POST", "/v1/chat/completions".to_owned(), body)
            };
            let call = client.request(method.parse().unwrap(), format!("{base}{path}"));
            let call = call.header("authorization", format!("Bearer {key}"));
            let call = call.header("content-type", "application/json");
            let Ok(response) = call.body(body.to_string()).send().await else {
                return;
            };
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            // An answer that was cut off acknowledges nothing.
            let Ok(text) = response.text().await else {
                return;
            };
            let answer = Answer {
                status,
                headers,
                text,
            };
            if method == "POST" {
                let said = (status, answer.header("x-request-id").to_owned());
                self.told().calls.insert(name.clone(), Some(said));
            }
            if status < 300 {
                self.note(&answer);
                if method == "PUT" {
                    self.told().stored.insert(name);
                }
            } else {
                assert!(matches!(status, 500..), "{status}: {}", answer.text);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Each entry that was acknowledged is in as many zones as its receipt says, at its index, with
    /// its bytes; all zones must run.
    pub(crate) async fn check_zones(&self, zones: &ThreeZones) {
        let entries = self.told().entries.clone();
        let indices: Vec<i64> = entries.iter().map(|it| it.index).collect();
        let hashes: Vec<&[u8]> = entries.iter().map(|it| it.hash.as_slice()).collect();
        let mut holders: HashMap<i64, usize> = HashMap::new();
        let began = Instant::now();
        loop {
            holders.clear();
            for zone in 0..ThreeZones::names().len() {
                let sql = superuser(zones, zone, "strongroom").await;
                let tenant = self.tenant.as_uuid();
                let held = sql.query(HELD, &[tenant, &indices, &hashes]).await;
                for row in held.unwrap() {
                    *holders.entry(row.get(0)).or_default() += 1;
                }
            }
            let lacking = entries
                .iter()
                .find(|it| holders.get(&it.index).copied().unwrap_or(0) < it.zones);
            let Some(lacking) = lacking else { return };
            // What is on a zone's disk may yet have to be replayed there.
            assert!(
                began.elapsed() < SHOWS,
                "entry {} is in {:?} zones; its receipt says {}",
                lacking.index,
                holders.get(&lacking.index),
                lacking.zones
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// No row without its event; no call without its event, and no event of a call that was not made.
    pub(crate) async fn check_events(&self, zones: &ThreeZones, provider: &Provider) {
        // The writers go on. A call's event comes before it, an outcome after.
        let (stored_before, calls) = {
            let told = self.told();
            (told.stored.clone(), told.calls.clone())
        };
        let called_before = received(provider);
        let sql = superuser(zones, zones.leader(), "strongroom").await;
        let tenant = self.tenant.as_uuid();
        // As of one moment: the server may be at work.
        sql.batch_execute("begin isolation level repeatable read")
            .await
            .unwrap();
        let rows = "select leaf from app.audit_leaves where tenant_id = $1 union all \
             select leaf from app.audit_staged where tenant_id = $1";
        let rows = sql.query(rows, &[tenant]).await.unwrap();
        let events: Vec<Event> = rows
            .iter()
            .map(|row| Leaf::decode(row.get(0)).unwrap())
            .collect();
        let names = "select name from app.provider_credentials where tenant_id = $1";
        let names = sql.query(names, &[tenant]).await.unwrap();
        let names: HashSet<String> = names.iter().map(|row| row.get(0)).collect();
        let stored: HashSet<&str> = of(&events, "provider_credential.store")
            .filter_map(|it| it.resource.as_deref()?.strip_prefix("provider/"))
            .collect();
        for name in &names {
            assert!(stored.contains(name.as_str()), "{name} without its event");
        }

        for name in &stored_before {
            assert!(names.contains(name), "{name} was acknowledged, and is lost");
        }
        let called = received(provider);
        let ids = |kind, is_meant: fn(&Outcome) -> bool| -> HashSet<String> {
            let those = of(&events, kind).filter(|it| is_meant(&it.outcome));
            those.map(|it| it.request_id.to_string()).collect()
        };
        let attempts = ids("chat.attempt", |_| true);
        let outcomes = ids("chat.outcome", |it| *it == Outcome::Success);
        let mut of_answered = HashSet::new();
        let is_cut_off = |model: &&String| calls.get(*model).is_none_or(Option::is_none);
        for (model, answer) in &calls {
            let Some((status, id)) = answer else { continue };
            of_answered.insert(id.clone());
            let is_attempted = attempts.contains(id) || !called_before.contains(model);
            assert!(is_attempted, "{model}: a call without its event");
            let is_called = called.contains(model) || !outcomes.contains(id);
            assert!(is_called, "{model}: an outcome without its call");
            assert!(*status >= 300 || outcomes.contains(id), "{model}: lost");
        }
        // Whoever was cut off does not know its request's id.
        let rest = |all: &HashSet<String>| all.difference(&of_answered).count();
        let cut_off = called_before.iter().filter(is_cut_off).count();
        assert!(cut_off <= rest(&attempts), "a call without its event");
        let cut_off = called.iter().filter(is_cut_off).count();
        assert!(rest(&outcomes) <= cut_off, "an outcome without its call");
    }
}

/// The models that were called.
fn received(provider: &Provider) -> HashSet<String> {
    let received = provider.received.lock().unwrap();
    let models = received.iter().map(|(_, body)| body["model"].as_str());
    models.map(|model| model.unwrap().to_owned()).collect()
}

fn of<'a>(events: &'a [Event], kind: &'a str) -> impl Iterator<Item = &'a Event> {
    events.iter().filter(move |it| it.kind.as_str() == kind)
}
