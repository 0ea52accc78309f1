//! Whoever edits one audit leaf, even as the database's superuser, is found, and the entry named.

use serde_json::json;
use strongroom_auditchain::{Hash, ProofFile, VerifierKey};

use crate::database::database;
use crate::platform::{Running, Tenant, on_platform};

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
fn an_inclusion_proof_is_good_offline_with_the_public_key_alone() {
    on_platform(|running| async move {
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
    use std::sync::Arc;

    use strongroom_auditchain::{Checkpoint, Ed25519Signer};
    use strongroom_server::audit::Checkpointer;
    use strongroom_server::clock::{Clock, ManualClock};
    use strongroom_server::postgres::{Job, Role};

    on_platform(|running| async move {
        let tenant = running.tenant("clockwork").await;
        let clock = Arc::new(ManualClock::at(1_800_000_010));
        let signer = Arc::new(Ed25519Signer::generate("tests.example/checkpoint").unwrap());
        let job = Job::new(database().pool(Role::Checkpointer, 1));
        let checkpointer = Checkpointer::new(
            job,
            Arc::clone(&signer),
            Arc::clone(&clock) as Arc<dyn Clock>,
            300,
        );
        let mut last = 1_800_000_000;
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
        assert!(
            checkpointer.tick(&mut last).await.unwrap() > 0,
            "300 s later it is"
        );
        assert_eq!(
            checkpointer.tick(&mut last).await.unwrap(),
            0,
            "and once only"
        );
        let superuser = database().sql("postgres").await;
        let row = superuser
            .query_one(
                "select c.note, l.origin from app.audit_checkpoints c \
                 join app.audit_logs l using (tenant_id) \
                 where c.tenant_id = $1 and c.signed_at = 1800000300",
                &[tenant.id.as_uuid()],
            )
            .await
            .unwrap();
        let (note, origin): (String, String) = (row.get(0), row.get(1));
        let key = signer.with_name(&origin).unwrap();
        Checkpoint::verify(&note, key.verifier_key(), &origin.parse().unwrap()).unwrap();
        // This key is the tests' own: what it signed must not stay for others to trip over.
        let clean = "delete from app.audit_checkpoints where signed_at = 1800000300";
        superuser.batch_execute(clean).await.unwrap();
    });
}
