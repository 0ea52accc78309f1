//! Refresh tokens: renewed once, the same answer twice within the grace, and a second use ends the
//! session on every node.

use http_body_util::BodyExt as _;
use serde_json::Value;
use strongroom_server::gates::RequestContext;
use strongroom_server::tokens::{Login, begin_session};
use strongroom_tenancy::{Actor, ActorId, CapabilitySet};
use strongroom_tenant_token::Authentication;

use crate::acceptance::accepts;
use crate::database::{database, request_id};
use crate::key_rotation::on_own_platform;
use crate::platform::{Answer, Running, Tenant, client, on_platform, second_node};

pub(crate) const CLIENT: &str = "tests:console";

/// What a login or a renewal gave.
pub(crate) struct Session {
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) id: String,
}

impl Session {
    pub(crate) fn of(body: &Value) -> Self {
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        Self {
            access: text("access_token"),
            refresh: text("refresh_token"),
            id: text("session_id"),
        }
    }
}

pub(crate) fn user(n: u8) -> ActorId {
    format!("user:0190b2a4-8c7e-7d3a-9f00-0242ac1200{n:02}")
        .parse()
        .unwrap()
}

/// A login of a user, as an identity provider's token would begin it.
pub(crate) async fn login(running: &Running, tenant: &Tenant, actor: ActorId) -> Session {
    let names = [
        "policy:manage",
        "audit:read",
        "tokens:revoke",
        "api_keys:manage",
        "identity:manage",
    ];
    let now = running.app.clock.unix_seconds();
    let login = Login {
        tenant: tenant.id,
        actor: Actor::new(actor),
        capabilities: CapabilitySet::from_names(names).unwrap(),
        client_id: CLIENT.to_owned(),
        authentication: Authentication::at(now),
        proof: None,
    };
    let request = RequestContext::new(request_id(), None);
    let answer = begin_session(&running.app, &request, login).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    Session::of(&serde_json::from_slice(&body).unwrap())
}

pub(crate) async fn form(base: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    let call = client()
        .post(format!("{base}{path}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    Answer::of(call.send().await.unwrap()).await
}

pub(crate) async fn renew(base: &str, token: &str) -> Answer {
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("client_id", CLIENT),
    ];
    form(base, "/oauth/token", &fields).await
}

fn refused(answer: &Answer) {
    assert_eq!(answer.status, 400, "{}", answer.text);
    assert_eq!(
        answer.header("strongroom-receipt"),
        "",
        "it would say that the token was genuine"
    );
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.json()["error"], "invalid_grant");
    assert_eq!(
        answer.json()["type"],
        "https://strongroom.dev/problems/grant-refused"
    );
    assert_eq!(answer.json()["detail"], "the refresh token is not accepted");
}

async fn kinds(running: &Running, tenant: &Tenant) -> Vec<(String, String)> {
    let entries = running.entries(&tenant.token).await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entries = entries.iter();
    entries
        .map(|entry| {
            (
                text(&entry["event"]["kind"]),
                text(&entry["event"]["resource"]),
            )
        })
        .collect()
}

#[test]
fn a_login_is_renewed_and_each_step_is_in_the_log() {
    on_platform(|running| async move {
        let tenant = running.tenant("renewing").await;
        let first = login(running, &tenant, user(1)).await;
        assert!(accepts(&running.base, &first.access).await);
        let answer = renew(&running.base, &first.refresh).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(!answer.header("strongroom-receipt").is_empty());
        let second = Session::of(&answer.json());
        assert_eq!(second.id, first.id);
        assert_ne!(second.refresh, first.refresh);
        assert!(accepts(&running.base, &second.access).await);
        // The answer was lost: the same successor once more, and then it is somebody else.
        let again = Session::of(&renew(&running.base, &first.refresh).await.json());
        assert_eq!(again.refresh, second.refresh);
        let third = Session::of(&renew(&running.base, &second.refresh).await.json());
        let stranger = renew(&running.base, &first.refresh).await;
        refused(&stranger);
        for token in [&first.access, &second.access, &third.access] {
            assert!(!accepts(&running.base, token).await);
        }
        refused(&renew(&running.base, &third.refresh).await);
        let session = format!("session/{}", first.id);
        let kinds = kinds(running, &tenant).await;
        let of_session: Vec<_> = kinds
            .iter()
            .filter(|(_, resource)| *resource == session)
            .map(|(kind, _)| kind.as_str())
            .collect();
        let expected = [
            "login",
            "token.refresh",
            "token.refresh_repeat",
            "token.refresh",
            "token.reuse",
        ];
        assert_eq!(of_session, expected);
        let later = kinds.iter().filter(|(kind, _)| kind == "token.refresh");
        assert_eq!(later.count(), 3, "and the refusal of a family that is over");
    });
}

#[test]
fn what_is_no_token_of_this_client_is_refused_alike() {
    on_platform(|running| async move {
        let tenant = running.tenant("refusing").await;
        let session = login(running, &tenant, user(1)).await;
        let unknown = session.refresh.replace("cust_rt_", "cusu_rt_");
        let made_up = strongroom_tenant_token::refresh::MemoryRefreshStore::default();
        let grant = strongroom_tenant_token::refresh::Grant {
            tenant: tenant.id,
            actor: Actor::new(user(1)),
            capabilities: CapabilitySet::EMPTY,
            session_id: uuid::Uuid::from_u128(7),
            client_id: CLIENT.to_owned(),
            authentication: Authentication::at(1),
        };
        let made_up = strongroom_tenant_token::refresh::begin(&made_up, "cust", grant, 1)
            .await
            .unwrap();
        for token in [
            unknown.as_str(),
            "x",
            made_up.expose(),
            session.access.as_str(),
        ] {
            refused(&renew(&running.base, token).await);
        }
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", session.refresh.as_str()),
            ("client_id", "another"),
        ];
        refused(&form(&running.base, "/oauth/token", &fields).await);
        for (fields, error, param) in [
            (
                vec![("grant_type", "password")],
                "unsupported_grant_type",
                "",
            ),
            (vec![("client_id", "x")], "invalid_request", "grant_type"),
            (
                vec![("grant_type", "refresh_token"), ("client_id", "x")],
                "invalid_request",
                "refresh_token",
            ),
            (
                vec![
                    ("grant_type", "refresh_token"),
                    ("client_id", "x"),
                    ("client_id", "x"),
                ],
                "invalid_request",
                "client_id",
            ),
            (
                vec![("grant_type", "refresh_token"), ("scope", "audit:read")],
                "invalid_scope",
                "scope",
            ),
        ] {
            let answer = form(&running.base, "/oauth/token", &fields).await;
            assert_eq!(
                (answer.status, &answer.json()["error"]),
                (400, &error.into())
            );
            let said = format!("{}", answer.json());
            assert!(param.is_empty() || !said.is_empty(), "{said}");
        }
        // None of that used the token up.
        assert_eq!(renew(&running.base, &session.refresh).await.status, 200);
    });
}

/// On two nodes at once: the one who came first has a successor, the second the same one, and a
/// third ends the session.
#[test]
fn two_at_once_have_one_successor_and_more_end_the_session() {
    on_own_platform(|database, running| async move {
        let tenant = running.tenant("racing").await;
        let second = second_node(&database, &running).await;
        let other = second.base.clone();
        for round in 0..5 {
            let session = login(&running, &tenant, user(2)).await;
            let (one, two) = tokio::join!(
                renew(&running.base, &session.refresh),
                renew(&other, &session.refresh)
            );
            assert_eq!((one.status, two.status), (200, 200), "{round}");
            let (one, two) = (Session::of(&one.json()), Session::of(&two.json()));
            assert_eq!(one.refresh, two.refresh);
            assert_eq!(renew(&other, &one.refresh).await.status, 200);
        }
        let session = login(&running, &tenant, user(2)).await;
        let asked = (0..8).map(|n| {
            let base = if n % 2 == 0 { &running.base } else { &other };
            renew(base, &session.refresh)
        });
        let answers = futures_util::future::join_all(asked).await;
        let given: Vec<_> = answers.iter().filter(|a| a.status == 200).collect();
        assert!((1..=2).contains(&given.len()), "{}", given.len());
        for answer in &given {
            let given = Session::of(&answer.json());
            refused(&renew(&running.base, &given.refresh).await);
            for base in [&running.base, &other] {
                assert!(!accepts(base, &given.access).await);
            }
        }
    });
}

/// Ages rows, which the triggers let nobody else do.
async fn age(superuser: &tokio_postgres::Client, sql: &str) {
    let sql = format!(
        "set session_replication_role = replica; {sql}; set session_replication_role = origin"
    );
    superuser.batch_execute(&sql).await.unwrap();
}

#[test]
fn a_sealed_successor_is_gone_after_its_grace_and_what_is_over_is_deleted() {
    on_own_platform(|database, running| async move {
        let tenant = running.tenant("sweeping").await;
        let session = login(&running, &tenant, user(3)).await;
        let (old, idle) = (
            login(&running, &tenant, user(3)).await,
            login(&running, &tenant, user(3)).await,
        );
        assert_eq!(renew(&running.base, &session.refresh).await.status, 200);
        let superuser = database.sql("postgres").await;
        let sealed = "select count(*) from app.refresh_families where successor is not null";
        let count = async |sql: &str| {
            let row = superuser.query_one(sql, &[]).await.unwrap();
            row.get::<_, i64>(0)
        };
        assert_eq!(count(sealed).await, 1);
        let later = "update app.refresh_families set rotated_at = rotated_at - 11";
        age(&superuser, later).await;
        let started = std::time::Instant::now();
        while count(sealed).await > 0 {
            assert!(started.elapsed().as_secs() < 10);
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        let fields = [("token", old.access.as_str()), ("client_id", CLIENT)];
        let ended = form(&running.base, "/oauth/revoke", &fields).await;
        assert_eq!(ended.status, 200);
        age(
            &superuser,
            &format!(
                "update app.token_revocations set revoked_at = revoked_at - 100000; \
                 update app.refresh_families set begun_at = begun_at - 31 * 86400 - 1 \
                 where session_id = '{}'; \
                 update app.refresh_families set rotated_at = rotated_at - 15 * 86400 - 1 \
                 where session_id = '{}'",
                old.id, idle.id
            ),
        )
        .await;
        let fields = [("token", session.access.as_str()), ("client_id", CLIENT)];
        let ended = form(&running.base, "/oauth/revoke", &fields).await;
        assert_eq!(ended.status, 200);
        // What somebody else holds is passed over.
        let holder = database.sql("postgres").await;
        let hold = "begin; insert into app.token_revocations (tenant_id, kind, subject) \
             select tenant_id, 'token', 'held' from app.refresh_families limit 1";
        holder.batch_execute(hold).await.unwrap();
        // A node that starts looks at once; this one looks once a minute.
        let _second = second_node(&database, &running).await;
        let left = "select count(*) from app.refresh_families";
        let revocations = "select count(*) from app.token_revocations";
        let started = std::time::Instant::now();
        while count(left).await > 1 || count(revocations).await > 1 {
            assert!(started.elapsed().as_secs() < 8);
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        let ids = "select count(*) from app.refresh_family_ids";
        assert_eq!((count(left).await, count(ids).await), (1, 1));
        assert_eq!(count(revocations).await, 1, "no token has outlived it");
        assert!(!accepts(&running.base, &session.access).await);
        for over in [&old, &idle] {
            refused(&renew(&running.base, &over.refresh).await);
        }
    });
}

/// The change may have happened, with its event: that is no failure.
#[test]
fn a_renewal_whose_event_is_not_acknowledged_is_not_said_to_have_failed() {
    on_own_platform(|database, running| async move {
        let tenant = running.tenant("unacknowledged").await;
        let session = login(&running, &tenant, user(5)).await;
        let superuser = database.sql("postgres").await;
        let sql = "revoke insert on app.audit_leaves from strongroom_sequencer";
        superuser.batch_execute(sql).await.unwrap();
        let answer = renew(&running.base, &session.refresh).await;
        assert_eq!(answer.status, 503);
        let kind = answer.json()["type"].as_str().unwrap().to_owned();
        assert!(kind.ends_with("/outcome-unknown"), "{kind}");
        assert_eq!(answer.json()["error"], "temporarily_unavailable");
    });
}

/// Whoever writes SQL as the gateway, under a tenant's own claim.
#[test]
fn a_family_does_not_come_back_and_nobody_takes_another_s() {
    const FAMILY: &str = "insert into app.refresh_families (tenant_id, id, version, actors, \
         capabilities, session_id, client_id, auth_time, auth_methods, epoch, lineage, \
         generation, newest, begun_at, rotated_at, successor) select app.tenant_id(), ID, VERSION, \
         '{x}', '', gen_random_uuid(), CLIENT, 0, '{}', EPOCH, decode(repeat('00', 32), 'hex'), 0, \
         decode(repeat('00', 32), 'hex'), BEGUN, BEGUN, SUCCESSOR";
    on_platform(|running| async move {
        let tenant = running.tenant("coming-back").await;
        let other = running.tenant("taking").await;
        let session = login(running, &tenant, user(4)).await;
        let family = session.refresh.get(8..20).unwrap().to_owned();
        let fields = [("token", session.refresh.as_str()), ("client_id", CLIENT)];
        let ended = form(&running.base, "/oauth/revoke", &fields).await;
        assert_eq!(ended.status, 200);
        let database = database();
        let (attacker, pid) = database.attacker().await;
        let claimed = async |who, sql: &str| {
            let claim = database.claim(who, pid);
            let sql = format!(
                "begin; set local strongroom.claim = '{}'; {sql}",
                claim.expose()
            );
            let done = attacker.simple_query(&sql).await;
            attacker.batch_execute("rollback").await.unwrap();
            done
        };
        let now = "extract(epoch from clock_timestamp())::bigint";
        let insert = |id: &str, version, client, begun: &str, successor| {
            FAMILY
                .replace("ID,", &format!("'{id}',"))
                .replace("VERSION", version)
                .replace("CLIENT", client)
                .replace("EPOCH", "1000000")
                .replace("BEGUN", begun)
                .replace("SUCCESSOR", successor)
        };
        let fresh = "Abcdefghij01";
        let sealed = "decode(repeat('00', 60), 'hex')";
        let set = |what: &str| format!("update app.refresh_families set {what}");
        for (name, who, sql) in [
            (
                "un-revoked",
                tenant.id,
                set("version = version + 1, revoked_at = null, revoked_reason = null"),
            ),
            ("unchanged", tenant.id, set("version = version")),
            ("far ahead", tenant.id, set("version = version + 2")),
            (
                "rotated without its parent",
                tenant.id,
                set("version = version + 1, generation = generation + 1"),
            ),
            (
                "another newest",
                tenant.id,
                set("version = version + 1, newest = decode(repeat('00', 32), 'hex')"),
            ),
            (
                "rotated after its end",
                tenant.id,
                set(&format!(
                    "version = version + 1, generation = generation + 1, \
                     parent = sha256('{}'::bytea)",
                    session.refresh
                )),
            ),
            (
                "another's id",
                other.id,
                insert(&family, "0", "'c'", now, "null"),
            ),
            (
                "begun old",
                other.id,
                insert(fresh, "7", "'c'", now, "null"),
            ),
            (
                "begun in future",
                other.id,
                insert(fresh, "0", "'c'", "9000000000000000000", "null"),
            ),
            (
                "begun sealed",
                other.id,
                insert(fresh, "0", "'c'", now, sealed),
            ),
            (
                "a key's client",
                other.id,
                insert(fresh, "0", "'mobileclient'", now, "null"),
            ),
            (
                "a tenant's row held",
                other.id,
                "select from app.tenants for update".to_owned(),
            ),
            (
                "hashes read",
                tenant.id,
                "select newest from app.refresh_families".to_owned(),
            ),
            (
                "lineage read",
                tenant.id,
                "select lineage from app.refresh_families".to_owned(),
            ),
            (
                "a revocation deleted",
                tenant.id,
                "delete from app.token_revocations".to_owned(),
            ),
        ] {
            assert!(claimed(who, &sql).await.is_err(), "{name}");
        }
        // What may be written is not what is asked for.
        for (name, who, sql, read) in [
            (
                "an epoch to come",
                other.id,
                insert(fresh, "0", "'c'", now, "null"),
                "select epoch = 0 from app.refresh_families".to_owned(),
            ),
            (
                "an epoch of choice",
                tenant.id,
                "insert into app.token_epochs (tenant_id) values (app.tenant_id()); \
                 update app.token_epochs set epoch = 9000000000000000000"
                    .to_owned(),
                "select epoch = 2 from app.token_epochs".to_owned(),
            ),
            (
                "a revocation of long ago",
                tenant.id,
                "update app.token_revocations set revoked_at = 0".to_owned(),
                format!("select min(revoked_at) > {now} - 60 from app.token_revocations"),
            ),
        ] {
            let answer = claimed(who, &format!("{sql}; {read}")).await.unwrap();
            let row = answer.iter().rev().find_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            });
            assert_eq!(row.as_deref(), Some("t"), "{name}");
        }
    });
}
