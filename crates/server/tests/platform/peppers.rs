//! API keys hashed under peppers: known to every node before one hashes under them, and hashed
//! anew at their use.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use strongroom_apikey::ApiKey;
use strongroom_server::clock::SystemClock;

use crate::database::Database;
use crate::key_rotation::on_own_platform;
use crate::platform::{Running, Tenant, node};

/// What is stored of a key: scheme, pepper, hash.
async fn stored(database: &Database, key: &str) -> (i16, Option<i32>, Vec<u8>) {
    const READ: &str = "select scheme, pepper, hash from app.api_keys where id = $1";
    let key: ApiKey = key.parse().unwrap();
    let superuser = database.sql("postgres").await;
    let row = superuser.query_one(READ, &[&key.id().as_str()]).await;
    let row = row.unwrap();
    (row.get(0), row.get(1), row.get(2))
}

async fn issue(node: &Running, tenant: &Tenant) -> String {
    let body = json!({ "capabilities": ["policy:manage"] });
    let made = node.send("POST", "/v1/api-keys", Some(&tenant.token), Some(body));
    let made = made.await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.json()["key"].as_str().unwrap().to_owned()
}

async fn accepted(node: &Running, key: &str) {
    let answer = node.send("GET", "/v1/policy", Some(key), None).await;
    assert!(matches!(answer.status, 200 | 404), "{}", answer.text);
}

/// A node of this database that hashes under a version.
async fn under(version: u32, database: &Database, running: &Running) -> Arc<Running> {
    let mut config = running.app.config.clone();
    config.api_key_pepper = version;
    node(database, running, config, Arc::new(SystemClock)).await
}

async fn until_hashed(database: &Database, key: &str, version: i32) {
    for _ in 0..600 {
        if stored(database, key).await.1 == Some(version) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the key was never hashed under version {version}");
}

#[test]
fn keys_are_hashed_anew_under_each_pepper_and_accepted_everywhere_meanwhile() {
    on_own_platform(|database, running| async move {
        let tenant = running.tenant("peppered").await;
        let old = issue(&running, &tenant).await;
        let plain = Sha256::digest(old.as_bytes()).to_vec();
        assert_eq!(stored(&database, &old).await, (1, None, plain.clone()));

        let first = under(1, &database, &running).await;
        let new = issue(&first, &tenant).await;
        let (scheme, pepper, hash) = stored(&database, &new).await;
        assert_eq!((scheme, pepper), (2, Some(1)));
        assert_ne!(hash, Sha256::digest(new.as_bytes()).to_vec());
        let born = first.tenant("born-peppered").await;
        assert_eq!(stored(&database, &born.key).await.1, Some(1));
        // Those that do not hash under it yet know it.
        accepted(&running, &new).await;
        accepted(&first, &old).await;
        until_hashed(&database, &old, 1).await;
        let (scheme, _, hash) = stored(&database, &old).await;
        assert!(scheme == 2 && hash != plain);
        for node in [&running, &first] {
            accepted(node, &old).await;
        }

        let second = under(2, &database, &running).await;
        accepted(&second, &old).await;
        until_hashed(&database, &old, 2).await;
        for node in [&first, &second] {
            accepted(node, &old).await;
            accepted(node, &new).await;
        }
    });
}

/// A key that was hashed anew by another node, meanwhile, stays as that one stored it.
#[test]
fn only_the_hash_that_was_read_is_replaced() {
    on_own_platform(|database, running| async move {
        let tenant = running.tenant("compared").await;
        let (key, other) = (
            issue(&running, &tenant).await,
            issue(&running, &tenant).await,
        );
        let before = stored(&database, &key).await;
        let parsed: ApiKey = key.parse().unwrap();
        let record = running.app.lookup.api_key(parsed.id()).await.unwrap();
        let mut stale = record.unwrap();
        stale.hash = other.parse::<ApiKey>().unwrap().hash();
        let first = under(1, &database, &running).await;
        let peppered: ApiKey = issue(&first, &tenant).await.parse().unwrap();
        let peppered = running.app.lookup.api_key(peppered.id()).await.unwrap();
        running.app.rehashes.note(&stale, &peppered.unwrap().hash);
        // The other one shows that a batch was stored.
        accepted(&first, &other).await;
        until_hashed(&database, &other, 1).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(stored(&database, &key).await, before);
    });
}

/// Somebody holds a key's row: no other key waits for it, and it is hashed anew once it is free.
#[test]
fn a_key_whose_row_is_held_holds_up_no_other() {
    on_own_platform(|database, running| async move {
        let tenant = running.tenant("held").await;
        let holder = database.sql("postgres").await;
        // Who waited for the row would do so for 55 s, which is all that a transaction has.
        for limit in ["lock_timeout", "statement_timeout"] {
            let sql = format!(
                "alter role strongroom_gateway in database strongroom set {limit} = '2min'"
            );
            holder.batch_execute(&sql).await.unwrap();
        }
        let first = under(1, &database, &running).await;
        let mut keys = Vec::new();
        for _ in 0..2 {
            keys.push(issue(&running, &tenant).await);
        }
        let held: ApiKey = keys[0].parse().unwrap();
        let hold = format!(
            "begin; select from app.api_keys where id = '{}' for update",
            held.id()
        );
        holder.batch_execute(&hold).await.unwrap();
        accepted(&first, &keys[0]).await;
        // By then its turn has come, every five seconds.
        tokio::time::sleep(Duration::from_secs(6)).await;
        accepted(&first, &keys[1]).await;
        let other = until_hashed(&database, &keys[1], 1);
        let in_time = tokio::time::timeout(Duration::from_secs(40), other).await;
        assert!(in_time.is_ok(), "it waited for the one that is held");
        holder.batch_execute("rollback").await.unwrap();
        until_hashed(&database, &keys[0], 1).await;
    });
}
