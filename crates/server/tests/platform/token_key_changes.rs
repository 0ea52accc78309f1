//! Changes of the token keys: by one node at a time, whole after whatever was cut off, in any order,
//! and together with the platform's KEK.

use std::sync::Arc;
use std::time::Duration;

use strongroom_envelope::{EncryptionContext, LocalKms, Recipient};
use strongroom_server::app::Platform;
use strongroom_server::clock::SystemClock;
use strongroom_server::generations::revoked_everywhere;
use strongroom_server::init::init;
use strongroom_server::keystore::{self, Roots};
use strongroom_server::postgres::{Job, Role};
use strongroom_server::token_keys::ChangeError;
use strongroom_tenancy::TenantId;
use strongroom_tenant_token::{KeyState, SigningKey};

use crate::acceptance::accepts;
use crate::database::{Database, folder, random};
use crate::key_rotation::on_own_platform;
use crate::platform::{config, on_runtime, second_node, start_provider};
use crate::stored_keys::StoredKeys;
use crate::token_keys::{
    WEEK, age, ask, cause, halves, kid, only, published, states, swept, written,
};

#[test]
fn of_many_nodes_at_once_one_makes_the_next_key() {
    on_own_platform(|database, running| async move {
        let superuser = database.sql("postgres").await;
        let second = second_node(&database, &running).await;
        let version = "select version from app.token_key_rings";
        let version = async || -> i64 { superuser.query_one(version, &[]).await.unwrap().get(0) };
        let before = version().await;
        for (round, seconds) in [WEEK - 600, 600, 1_800].into_iter().enumerate() {
            age(&superuser, seconds).await;
            let work = (0..6).flat_map(|_| [&running, &second]).map(|node| {
                let keys = node.app.token_keys.clone();
                tokio::spawn(async move { keys.advance().await })
            });
            for done in futures_util::future::join_all(work.collect::<Vec<_>>()).await {
                done.unwrap().unwrap();
            }
            assert_eq!(version().await, before + 1 + round as i64);
            assert_eq!(states(&running).await.len(), 2);
        }
        swept(&superuser).await;
        let (old, new) = (only(&running, "gone").await, only(&running, "active").await);
        for (kind, key) in [("published", &new), ("retired", &old), ("gone", &old)] {
            let kind = format!("token_key.{kind}");
            assert_eq!(written(&running, &kind, key).await, 1, "{kind}");
        }
    });
}

/// Each step of a change fails once, and the commit too: nothing of it remains, keys go on as they
/// were, and the next try does it all.
#[test]
fn a_change_that_is_cut_off_anywhere_leaves_nothing_and_is_made_up_for() {
    const DUMP: &str = "select (select json_agg(r)::text from app.token_key_rings r), \
         (select json_agg(k order by kid)::text from app.token_keys k), \
         (select json_agg(p order by purpose, kid)::text from app.platform_keys p)";
    on_own_platform(|database, running| async move {
        let superuser = database.sql("postgres").await;
        let tenant = running.tenant("cut-off").await;
        superuser
            .batch_execute(
                "create function public.cut_off() returns trigger language plpgsql as \
                 $$ begin raise exception 'cut off'; end $$",
            )
            .await
            .unwrap();
        let dump = async || {
            let row = superuser.query_one(DUMP, &[]).await.unwrap();
            [0, 1, 2].map(|column| row.get::<_, String>(column))
        };
        // With a key that is over, one that is to sign, and, where it is withdrawn, one to make.
        age(&superuser, WEEK - 600).await;
        running.app.token_keys.advance().await.unwrap();
        age(&superuser, 600).await;
        let before = dump().await;
        let active = only(&running, "active").await;
        for (timing, table) in [
            ("trigger cut_off before update", "token_key_rings"),
            ("trigger cut_off before update", "token_keys"),
            ("trigger cut_off before delete", "platform_keys"),
            ("trigger cut_off before update", "generations"),
            ("trigger cut_off before insert", "audit_staged"),
            ("constraint trigger cut_off after update", "token_key_rings"),
        ] {
            let late = match timing.starts_with("constraint") {
                true => "deferrable initially deferred",
                false => "",
            };
            let plant = format!(
                "create {timing} on app.{table} {late} for each row \
                 execute function public.cut_off()"
            );
            superuser.batch_execute(&plant).await.unwrap();
            let failed = running.app.token_keys.advance().await;
            assert!(
                matches!(failed, Err(ChangeError::Query(_) | ChangeError::Commit(_))),
                "{table}: {failed:?}"
            );
            let refused = ask(&running, "POST", &format!("/{active}/withdraw")).await;
            assert!(refused.status >= 500, "{table}: {}", refused.text);
            let remove = format!("drop trigger cut_off on app.{table}");
            superuser.batch_execute(&remove).await.unwrap();
            assert_eq!(dump().await, before, "{table}");
            running.app.token_keys.read_again().await.unwrap();
            let token = running.token(&tenant.key).await;
            assert_eq!(kid(&token), active, "{table}");
            assert!(accepts(&running.base, &token).await, "{table}");
        }
        running.app.token_keys.advance().await.unwrap();
        assert_eq!(only(&running, "retiring").await, active);
        assert_eq!(halves(&superuser).await, [only(&running, "active").await]);
    });
}

#[test]
fn the_private_halves_are_wrapped_again_with_the_platforms_kek() {
    const UNDER: &str = "select array_agg(distinct kek_version) from app.platform_keys";
    on_own_platform(|database, running| async move {
        let superuser = database.sql("postgres").await;
        let tenant = running.tenant("rewrapped").await;
        let keyrings = running.app.config.keyrings();
        let stored = StoredKeys {
            superuser: &superuser,
            keyrings: &keyrings,
            tenant: TenantId::PLATFORM,
        };
        stored.age_kek(90 * 86_400).await;
        assert_eq!(running.app.keys.start_due_rotations(90).await.unwrap(), 1);
        let finished = "select from app.key_rotations where phase = 'finished'";
        for _ in 0..300 {
            if !superuser.query(finished, &[]).await.unwrap().is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let under: Vec<i32> = superuser.query_one(UNDER, &[]).await.unwrap().get(0);
        assert_eq!(under, [2]);
        let second = second_node(&database, &running).await;
        assert_eq!(kid(&second.token(&tenant.key).await), kid(&tenant.token));
        // And a key that is made now is under the new version.
        let cause = cause();
        let keys = &running.app.token_keys;
        keys.withdraw(&kid(&tenant.token), &cause).await.unwrap();
        let under: Vec<i32> = superuser.query_one(UNDER, &[]).await.unwrap().get(0);
        assert_eq!(under, [2]);
    });
}

#[test]
fn a_platform_that_had_one_key_goes_on_with_it() {
    on_runtime(async {
        let database = Database::start(folder()).await;
        let config = config(start_provider(Arc::default()).await, &[]);
        let clock = Arc::new(SystemClock);
        let endpoint = database.endpoint();
        let done = init(&config, &endpoint, "postgres", None, clock.clone());
        done.await.unwrap();
        // Sealed as it was when there was one.
        let job = Job::new(database.pool(Role::Keymaster, 1));
        let kms = Arc::new(LocalKms::open(config.keyrings()).unwrap());
        let roots = Roots::new(kms, keystore::root().unwrap());
        let kek = keystore::platform_keys(&job, &roots, clock.as_ref());
        let (kek, name) = (kek.await.unwrap(), keystore::TENANT.parse().unwrap());
        let context = [("purpose", "platform-key"), ("use", "token"), ("kid", "k1")];
        let context = EncryptionContext::new(context).unwrap();
        let recipients = [Recipient::new(&kek, &name)];
        let platform = TenantId::PLATFORM;
        let sealed = strongroom_envelope::seal(&recipients, &platform, &context, &[3; 32]);
        let sealed = keystore::describe(sealed.await.unwrap()).unwrap();
        let superuser = database.sql("postgres").await;
        superuser
            .execute(
                "insert into app.platform_keys \
                 (tenant_id, purpose, kid, sealed, created_at, kek, kek_version) \
                 values ($1, 'token', 'k1', $2, 0, $3, $4)",
                &[
                    platform.as_uuid(),
                    &sealed.bytes,
                    &sealed.kek,
                    &sealed.kek_version,
                ],
            )
            .await
            .unwrap();
        let only = SigningKey::from_seed(&[3; 32]);
        let platform = Platform::start(config, endpoint, clock).await.unwrap();
        let keys = &platform.app.token_keys;
        assert_eq!(keys.signing().await.unwrap().kid(), only.kid());
        assert_eq!(keys.ring().await.unwrap().entries().len(), 1);
        assert_eq!(halves(&superuser).await, [only.kid()]);
        // Once: a key that is withdrawn does not come back from where it was.
        keys.withdraw(only.kid(), &cause()).await.unwrap();
        assert_eq!(keys.ring().await.unwrap().published().iter().count(), 1);
        assert!(!halves(&superuser).await.contains(&only.kid().to_owned()));
        platform.stop().await;
    });
}

/// Somebody with the key that signs withdraws one next key after the other, so that it stays; then
/// it is withdrawn all the same, by whatever clock.
#[test]
fn a_key_is_withdrawn_however_many_were_before_it() {
    on_own_platform(|database, running| async move {
        let superuser = database.sql("postgres").await;
        let (keys, cause) = (&running.app.token_keys, cause());
        let active = only(&running, "active").await;
        keys.replace(&cause).await.unwrap();
        for _ in 0..66 {
            let next = only(&running, "next").await;
            keys.withdraw(&next, &cause).await.unwrap();
            keys.replace(&cause).await.unwrap();
        }
        // The others left by a clock that was ahead.
        let sql = "update app.token_keys set since = since + 100000 where state = 'gone'";
        superuser.batch_execute(sql).await.unwrap();
        keys.withdraw(&active, &cause).await.unwrap();
        revoked_everywhere().await;
        assert!(!published(&running).await.contains(&active));
        assert!(!halves(&superuser).await.contains(&active));
        assert_ne!(only(&running, "active").await, active);
    });
}

/// Whatever the operator asks for and however late the clock's changes come: one key signs, its
/// private half is there, and no key comes back.
#[test]
fn one_key_signs_whatever_is_asked_for_in_any_order() {
    on_own_platform(|database, running| async move {
        let superuser = database.sql("postgres").await;
        let (keys, cause) = (&running.app.token_keys, cause());
        let mut seed = u64::from_le_bytes(random());
        println!("seed {seed}");
        let mut draw = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(seed >> 33).unwrap() % below
        };
        let mut gone: Vec<String> = Vec::new();
        let mut generation = 0;
        for step in 0..120 {
            let pause = [0, 1, 300, 600, 1_800, WEEK - 600, WEEK][draw(7)];
            age(&superuser, pause).await;
            let entries = keys.ring().await.unwrap().entries().to_vec();
            match draw(6) {
                0 => drop(keys.replace(&cause).await.unwrap()),
                1 => {
                    let kid = entries[draw(entries.len())].key.kid();
                    keys.withdraw(kid, &cause).await.unwrap();
                    gone.push(kid.to_owned());
                }
                _ => keys.advance().await.unwrap(),
            }
            let ring = keys.ring().await.unwrap();
            let of = |state| -> Vec<String> {
                let entries = ring.entries().iter().filter(|entry| entry.state == state);
                entries.map(|entry| entry.key.kid().to_owned()).collect()
            };
            let (active, next) = (of(KeyState::Active), of(KeyState::Next));
            assert_eq!(active.len(), 1, "{step}");
            let mut expected = [active.clone(), next].concat();
            expected.sort();
            assert_eq!(halves(&superuser).await, expected, "{step}");
            assert!(ring.generation() >= generation, "{step}");
            generation = ring.generation();
            let published = ring.published();
            assert!(
                gone.iter().all(|kid| published.find(kid).is_none()),
                "{step}"
            );
            keys.read_again().await.unwrap();
            assert_eq!(keys.signing().await.unwrap().kid(), active[0], "{step}");
            assert_eq!(keys.jwks().await.unwrap(), published, "{step}");
        }
        let counted = "select count(*) from app.token_keys where state = 'gone'";
        let counted: i64 = superuser.query_one(counted, &[]).await.unwrap().get(0);
        assert!(counted > 0, "a run in which no key went says nothing");
    });
}
