//! Whoever edits one audit leaf, even as the database's superuser, is found, and the entry named.

use std::sync::Arc;

use serde_json::json;
use strongroom_auditchain::{
    Checkpoint, Ed25519Signer, Frontier, Hash, Leaf, ProofFile, VerifierKey,
};
use strongroom_server::audit::Checkpointer;
use strongroom_server::clock::{Clock, ManualClock};
use strongroom_server::postgres::{Job, Role};

use crate::database::{Database, database, folder};
use crate::metrics::value_of;
use crate::platform::{Running, Tenant, on_platform, on_runtime, past_a_checkpoint, start};

async fn post(running: &Running, tenant: &Tenant, path: &str) -> crate::platform::Answer {
    running
        .send("POST", path, Some(&tenant.token), Some(json!({})))
        .await
}

#[test]
fn an_edited_leaf_is_named() {
    on_platform(|running| async move {
        let tenant = running.tenant("tampered").await;
        let signed = post(running, &tenant, "/v1/audit/checkpoints").await;
        assert_eq!(signed.status, 200, "{}", signed.text);
        let before = post(running, &tenant, "/v1/audit/verify").await.json();
        assert_eq!(before["intact"], true, "{before}");

        // The leaf's own trigger refuses; a superuser can disable it.
        let superuser = database().sql("postgres").await;
        let edit = "update app.audit_leaves set leaf = set_byte(leaf, 20, get_byte(leaf, 20) # 1) \
                    where tenant_id = $1 and idx = 1";
        let refused = superuser
            .execute(edit, &[tenant.id.as_uuid()])
            .await
            .unwrap_err();
        assert!(
            refused
                .as_db_error()
                .unwrap()
                .message()
                .contains("only ever inserted")
        );
        superuser
            .batch_execute("alter table app.audit_leaves disable trigger audit_leaves_append_only")
            .await
            .unwrap();
        assert_eq!(
            superuser
                .execute(edit, &[tenant.id.as_uuid()])
                .await
                .unwrap(),
            1
        );

        let after = post(running, &tenant, "/v1/audit/verify").await.json();
        assert_eq!(after["intact"], false);
        let first = after["findings"][0].as_str().unwrap();
        assert!(
            first.contains("entry 1 ") || first.contains("entry 1:"),
            "{first}"
        );

        // With its hash rewritten too, the signed root no longer fits: the interval is named.
        superuser
            .execute(
                "update app.audit_leaves set leaf_hash = sha256('\\x00'::bytea || leaf) \
                 where tenant_id = $1 and idx = 1",
                &[tenant.id.as_uuid()],
            )
            .await
            .unwrap();
        superuser
            .batch_execute("alter table app.audit_leaves enable trigger audit_leaves_append_only")
            .await
            .unwrap();
        let after = post(running, &tenant, "/v1/audit/verify").await.json();
        assert_eq!(after["intact"], false, "{after}");
    });
}

#[test]
fn the_pass_by_schedule_finds_it_and_says_so() {
    on_runtime(async {
        // A cluster of its own: on another, another node may take it up.
        let database = Database::start(folder()).await;
        let running = start(database.endpoint(), &[]).await;
        let tenant = running.tenant("scheduled").await;
        let other = running.tenant("scheduled-too").await;
        let read = async |tenant: &Tenant| {
            let log = running.send("GET", "/v1/audit/log", Some(&tenant.token), None);
            log.await.json()
        };
        assert_eq!(read(&tenant).await["verified"], json!(null));
        let superuser = database.sql("postgres").await;
        let edit = "alter table app.audit_leaves disable trigger audit_leaves_append_only; \
             update app.audit_leaves set leaf = set_byte(leaf, 20, get_byte(leaf, 20) # 1) \
             where idx = 0 and tenant_id = ";
        let id = tenant.id.as_uuid();
        let edit = format!(
            "{edit}'{id}'; alter table app.audit_leaves enable trigger audit_leaves_append_only"
        );
        superuser.batch_execute(&edit).await.unwrap();
        // It takes up both within seconds of their day.
        let due = "insert into app.verification_runs (tenant_id, due_at) \
             select unnest($1::uuid[]), 0 on conflict (tenant_id) do update set due_at = 0";
        let both = [*id, *other.id.as_uuid()];
        superuser.execute(due, &[&both.as_slice()]).await.unwrap();
        let (mut mine, mut theirs) = (json!(null), json!(null));
        for _ in 0..300 {
            (mine, theirs) = (
                read(&tenant).await["verified"].take(),
                read(&other).await["verified"].take(),
            );
            if !mine.is_null() && !theirs.is_null() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        assert_eq!(theirs["findings"], "0", "{theirs}");
        assert_ne!(theirs["entries"], "0");
        assert!(
            mine["first"].as_str().unwrap().contains("entry 0"),
            "{mine}"
        );
        // The platform's log says which.
        let origin = read(&tenant).await["origin"].take();
        let sql = "select leaf from app.audit_leaves \
             where position('audit.not_intact'::bytea in leaf) > 0";
        let rows = superuser.query(sql, &[]).await.unwrap();
        let said: Vec<_> = rows
            .iter()
            .map(|row| Leaf::decode(row.get(0)).unwrap().resource)
            .collect();
        assert!(
            said.contains(&origin.as_str().map(str::to_owned)),
            "{said:?}"
        );
        let due: i64 = superuser
            .query_one(
                "select due_at from app.verification_runs where tenant_id = $1",
                &[id],
            )
            .await
            .unwrap()
            .get(0);
        assert!(due > 80_000, "not before tomorrow");
        let counted = running.app.metrics.render().unwrap();
        let counted = value_of(&counted, "strongroom_audit_logs_not_intact_total");
        assert_eq!(counted, Some(1.0));
    });
}

#[test]
fn an_inclusion_proof_is_good_offline_with_the_public_key_alone() {
    on_platform(|running| async move {
        past_a_checkpoint().await;
        let tenant = running.tenant("proven").await;
        let early = running
            .send(
                "GET",
                "/v1/audit/entries/0/proof",
                Some(&tenant.token),
                None,
            )
            .await;
        assert_eq!((early.status, early.slug().as_str()), (404, "not-found"));
        post(running, &tenant, "/v1/audit/checkpoints").await;
        let log = running
            .send("GET", "/v1/audit/log", Some(&tenant.token), None)
            .await
            .json();
        let key: VerifierKey = log["checkpoint_key"].as_str().unwrap().parse().unwrap();
        let origin = log["origin"].as_str().unwrap().parse().unwrap();
        let entry = running.entries(&tenant.token).await[2].clone();
        let leaf: Hash = entry["leaf_hash"].as_str().unwrap().parse().unwrap();
        let proof = running
            .send(
                "GET",
                "/v1/audit/entries/2/proof",
                Some(&tenant.token),
                None,
            )
            .await;
        let proof: ProofFile = proof.text.parse().unwrap();
        assert!(proof.verify(&leaf, &key, &origin).unwrap().size > 2);
        assert!(
            proof
                .verify(&Hash::of_leaf(b"another"), &key, &origin)
                .is_err()
        );
    });
}

#[test]
fn checkpoints_come_by_the_clock() {
    on_runtime(async {
        // A cluster of its own: this checkpointer's key is not the platform's.
        let database = Database::start(folder()).await;
        let tenant = database.tenant("clockwork").await;
        let superuser = database.sql("postgres").await;
        let leaves = [
            Hash::of_leaf(b"one"),
            Hash::of_leaf(b"two"),
            Hash::of_leaf(b"three"),
        ];
        let origin = "tests.example/log/clockwork";
        superuser
            .execute(
                "insert into app.audit_logs values ($1, $2, 0, '')",
                &[tenant.as_uuid(), &origin],
            )
            .await
            .unwrap();
        let grow = async |count: usize| {
            let (tree, _) = Frontier::new().append_batch(&leaves[..count]);
            let index = i64::try_from(count).unwrap() - 1;
            let leaf_hash = leaves[count - 1].as_bytes().as_slice();
            superuser
                .execute(
                    "insert into app.audit_leaves values ($1, $2, gen_random_uuid(), '', $3)",
                    &[tenant.as_uuid(), &index, &leaf_hash],
                )
                .await
                .unwrap();
            superuser
                .execute(
                    "update app.audit_logs set size = $2, frontier = $3 where tenant_id = $1",
                    &[tenant.as_uuid(), &(index + 1), &tree.to_bytes()],
                )
                .await
                .unwrap();
        };
        let clock = Arc::new(ManualClock::at(1_800_000_010));
        let signer = Arc::new(Ed25519Signer::generate("tests.example/checkpoint").unwrap());
        let job = Job::new(database.pool(Role::Checkpointer, 1));
        let shared = Arc::clone(&clock) as Arc<dyn Clock>;
        let checkpointer = Checkpointer::new(job, Arc::clone(&signer), shared, 300);
        let mut last = 1_800_000_000;
        grow(1).await;
        assert_eq!(
            checkpointer.tick(&mut last).await.unwrap(),
            0,
            "10 s later nothing is due"
        );
        clock.advance(289);
        assert_eq!(
            checkpointer.tick(&mut last).await.unwrap(),
            0,
            "299 s later nothing is due"
        );
        clock.advance(1);
        assert_eq!(
            checkpointer.tick(&mut last).await.unwrap(),
            1,
            "300 s later it is"
        );
        assert_eq!(
            checkpointer.tick(&mut last).await.unwrap(),
            0,
            "and once only"
        );
        clock.advance(300);
        assert_eq!(
            checkpointer.tick(&mut last).await.unwrap(),
            0,
            "an idle log costs nothing"
        );
        let sql = "select note from app.audit_checkpoints order by size desc limit 1";
        let note: String = superuser.query_one(sql, &[]).await.unwrap().get(0);
        let key = signer.with_name(origin).unwrap();
        let signed = Checkpoint::verify(&note, key.verifier_key(), &origin.parse().unwrap());
        assert_eq!(signed.unwrap().size, 1);

        // A log whose signed entries were changed is not signed again, whatever its head says.
        grow(2).await;
        superuser
            .batch_execute(
                "alter table app.audit_leaves disable trigger user; \
                 update app.audit_leaves set leaf_hash = sha256('other') where idx = 1; \
                 alter table app.audit_leaves enable trigger user",
            )
            .await
            .unwrap();
        clock.advance(300);
        assert!(
            checkpointer.tick(&mut last).await.is_err(),
            "its entries are not its head's"
        );
        assert_eq!(
            checkpointer.tick(&mut last).await.unwrap(),
            0,
            "and the schedule goes on"
        );
        // Nor is one that was rewound behind its checkpoint and grew again.
        superuser
            .batch_execute(
                "alter table app.audit_leaves disable trigger user; delete from app.audit_leaves; \
                 alter table app.audit_leaves enable trigger user",
            )
            .await
            .unwrap();
        grow(1).await;
        superuser
            .batch_execute("update app.audit_leaves set leaf_hash = leaf_hash")
            .await
            .unwrap_err();
        let (tree, _) = Frontier::new().append_batch(&[leaves[1], leaves[2]]);
        superuser
            .execute(
                "update app.audit_logs set size = 2, frontier = $1",
                &[&tree.to_bytes()],
            )
            .await
            .unwrap();
        clock.advance(300);
        assert!(
            checkpointer.tick(&mut last).await.is_err(),
            "a second history is not signed"
        );
    });
}
