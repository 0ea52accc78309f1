//! The rows behind pseudonyms: what is tampered with is found, what is over stays so, and what is
//! older goes on being known.

use std::sync::Arc;

use serde_json::json;
use strongroom_server::login::derived_person;
use strongroom_server::postgres::{Access, Role};
use strongroom_server::subjects::Identity;
use strongroom_server::tokens::{Ended, end};
use tokio_postgres::types::ToSql;

use crate::database::{Database, database, request_id};
use crate::key_rotation::{on_own_platform, post};
use crate::login::{connected, log_in};
use crate::platform::on_platform;
use crate::subjects::{erase, get, id_token, logged_in};
use crate::token_renewal::login as begin;
use crate::webhook_operations::until;

#[test]
fn a_row_that_was_tampered_with_lets_nobody_be_another() {
    on_platform(|running| async move {
        let (tenant, issuer) = connected(running, "tampering").await;
        let (_, alice) = logged_in(running, &tenant, &issuer, "alice").await;
        let (_, bob) = logged_in(running, &tenant, &issuer, "bob").await;
        let superuser = database().sql("postgres").await;
        // As somebody who owns the tables: the triggers keep nothing.
        let beside = "set session_replication_role = replica";
        superuser.batch_execute(beside).await.unwrap();
        let swap = async |columns: &str| {
            let free = "update app.subjects set tag = null, bound = null, sealed = null, kek = null, \
                 kek_version = null, erased_at = 1 where tenant_id = $1 and pseudonym = $2";
            let was = format!(
                "create temp table was as select pseudonym, tag, bound, sealed, kek, kek_version \
                 from app.subjects where tenant_id = '{}'",
                tenant.id
            );
            superuser
                .batch_execute(&format!("begin; {was}"))
                .await
                .unwrap();
            for user in [alice, bob] {
                let params: [&(dyn ToSql + Sync); 2] = [tenant.id.as_uuid(), user.id()];
                superuser.execute(free, &params).await.unwrap();
            }
            let all = ["tag", "bound", "sealed", "kek", "kek_version"];
            let set = all.map(|column| {
                let of = if columns.split(' ').any(|it| it == column) {
                    "b"
                } else {
                    "a"
                };
                format!("{column} = {of}.{column}")
            });
            let sql = format!(
                "update app.subjects s set erased_at = null, {} from was a, was b \
                 where s.tenant_id = '{}' and a.pseudonym = s.pseudonym \
                 and b.pseudonym <> s.pseudonym; drop table was; commit",
                set.join(", "),
                tenant.id
            );
            superuser.batch_execute(&sql).await.unwrap();
        };
        let id = tenant.id.to_string();
        let log = async |subject: &str| {
            let token = id_token(running, &issuer, subject);
            log_in(running, &id, "staff", &token).await.status
        };
        for columns in ["tag", "tag bound", "bound"] {
            swap(columns).await;
            assert_eq!(
                (log("alice").await, log("bob").await),
                (500, 500),
                "{columns}"
            );
            assert_eq!(
                get(running, &tenant.key, alice).await.status,
                500,
                "{columns}"
            );
            swap(columns).await;
        }
        swap("sealed").await;
        assert_eq!(
            get(running, &tenant.key, alice).await.status,
            500,
            "another's identity"
        );
        assert_eq!(log("alice").await, 200, "nobody is another by it");
        swap("sealed").await;
        assert_eq!(get(running, &tenant.key, alice).await.status, 200);
        assert_eq!(logged_in(running, &tenant, &issuer, "alice").await.1, alice);
    });
}

/// What the roles of the platform may not do, whoever has their passwords.
#[test]
fn a_pseudonym_is_given_to_nobody_else_and_does_not_come_back() {
    on_platform(|running| async move {
        let (tenant, issuer) = connected(running, "keeping").await;
        let (_, alice) = logged_in(running, &tenant, &issuer, "alice").await;
        let keymaster = database().sql(Role::Keymaster.name()).await;
        let whose = format!(
            "where tenant_id = '{}' and pseudonym = '{}'",
            tenant.id,
            alice.id()
        );
        let refused = async |sql: &str| {
            let sql = format!("update app.subjects set {sql} {whose}");
            let error = keymaster.batch_execute(&sql).await.unwrap_err();
            error.as_db_error().unwrap().message().to_owned()
        };
        let kept = "a pseudonym is one person's until it is erased, and stays";
        assert_eq!(refused("tag = sha256('x')").await, kept);
        assert_eq!(refused("bound = sha256('x')").await, kept);
        let asked = erase(running, &tenant, json!({ "user": alice })).await;
        assert_eq!(asked.status, 200, "{}", asked.text);
        assert_eq!(refused("tag = sha256('x'), erased_at = null").await, kept);
        assert_eq!(refused("erased_at = 1").await, kept);
        for role in [Role::Gateway, Role::Keymaster] {
            let client = database().sql(role.name()).await;
            let deleted = client
                .batch_execute(&format!("delete from app.subjects {whose}"))
                .await;
            let error = deleted.unwrap_err();
            assert_eq!(error.code().unwrap().code(), "42501", "{role:?}");
        }
        let superuser = database().sql("postgres").await;
        for sql in [
            format!("delete from app.subjects {whose}"),
            "truncate app.subjects".to_owned(),
        ] {
            assert!(superuser.batch_execute(&sql).await.is_err(), "{sql}");
        }
    });
}

#[test]
fn a_rotation_wraps_identities_again() {
    on_own_platform(|database: Arc<Database>, running| async move {
        let (tenant, issuer) = connected(&running, "rotating people").await;
        let (_, alice) = logged_in(&running, &tenant, &issuer, "alice").await;
        let superuser = database.sql("postgres").await;
        for (version, reencrypt) in [(2, false), (3, true)] {
            let body = json!({ "reason": "to see", "exposed": "dek", "reencrypt": reencrypt });
            let started = post(&running, &tenant, "/v1/keys/rotate", body).await;
            assert_eq!(started.status, 202, "{}", started.text);
            let id = started.json()["id"].as_str().unwrap().to_owned();
            until("the rotation is finished", || async {
                let path = format!("/v1/keys/rotations/{id}");
                let shown = running.send("GET", &path, Some(&tenant.token), None).await;
                (shown.json()["phase"] == "finished").then_some(())
            })
            .await;
            let sql = "select kek_version, (select count(*) from app.tenant_keks k \
                 where k.tenant_id = s.tenant_id and k.name = s.kek and k.wrapped is not null) \
                 from app.subjects s where tenant_id = $1";
            let row = superuser
                .query_one(sql, &[tenant.id.as_uuid()])
                .await
                .unwrap();
            assert_eq!((row.get::<_, i32>(0), row.get::<_, i64>(1)), (version, 1));
            let shown = get(&running, &tenant.token, alice).await;
            assert_eq!(shown.json()["identity"]["sub"], "alice", "{}", shown.text);
        }
        // A person's keys are not among those that the tenant has to look after.
        let listed = running
            .send("GET", "/v1/keys", Some(&tenant.token), None)
            .await;
        assert!(!listed.text.contains("subject/"), "{}", listed.text);
    });
}

/// Sessions of versions that made ids of a hash end; revocations of those days hold still.
#[test]
fn what_was_named_by_a_hash_is_not_named_so_again() {
    on_platform(|running| async move {
        let (tenant, issuer) = connected(running, "upgrading").await;
        let former = derived_person(&tenant.id, &issuer.base, "alice").unwrap();
        let old = begin(running, &tenant, former).await;
        let before = running.entries(&tenant.token).await.len();
        let renewed = crate::token_renewal::renew(&running.base, &old.refresh).await;
        assert_eq!(renewed.json()["error"], "invalid_grant");
        let entries = running.entries(&tenant.token).await;
        assert_eq!(
            entries.len(),
            before + 1,
            "each look at the log is an entry, and nothing else"
        );
        let token = id_token(running, &issuer, "alice");
        let (request, now) = (request_id(), running.app.clock.unix_seconds());
        let begun = running
            .app
            .gateway
            .begin(tenant.id, former, &request, Access::Write);
        let mut tx = begun.await.unwrap();
        let now = i64::try_from(now).unwrap();
        end(&mut tx, &Ended::Actor(former), now).await.unwrap();
        tx.commit().await.unwrap();
        let refused = log_in(running, &tenant.id.to_string(), "staff", &token).await;
        assert_eq!(refused.slug(), "credential-refused");
        let bob = id_token(running, &issuer, "bob");
        let others = log_in(running, &tenant.id.to_string(), "staff", &bob).await;
        assert_eq!(others.status, 200, "{}", others.text);
        // Who it was can be found by those who may ask, by the new name.
        let who = Identity::new(&issuer.base, "alice");
        let known = running.app.subjects.known(tenant.id, &who, &request);
        let alice = known.await.unwrap().unwrap();
        let shown = get(running, &tenant.key, alice).await.json();
        assert_eq!(shown["former_user"], json!(former));
    });
}
