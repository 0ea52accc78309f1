//! The export: one archive from which anyone verifies a tenant's log, with nothing of ours but keys.

use std::collections::BTreeMap;

use serde_json::json;
use strongroom_auditchain::{
    Checkpoint, EntryBundle, Hash, Leaf, Origin, Payload, TileKind, TilePath, TileTree,
    VerifierKey, bundles_for, tiles_for,
};
use strongroom_server::audit::Draft;

use crate::database::request_id;
use crate::key_rotation::{chat, post};
use crate::platform::{Running, Tenant, client, on_platform, past_a_checkpoint};

/// The files of an archive, in no order; each once.
pub(crate) fn untar(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut rest = archive;
    let text = |bytes: &[u8]| {
        let end = bytes
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(bytes.len());
        String::from_utf8(bytes[..end].to_vec()).unwrap()
    };
    while rest[0] != 0 {
        let (header, after) = rest.split_at(512);
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        let spaces: u32 = header[148..156].iter().map(|byte| u32::from(*byte)).sum();
        let said = u32::from_str_radix(text(&header[148..154]).trim(), 8).unwrap();
        assert_eq!(said, sum - spaces + 8 * 32);
        let length = usize::from_str_radix(&text(&header[124..136]), 8).unwrap();
        let again = files.insert(text(&header[..100]), after[..length].to_vec());
        assert!(again.is_none());
        rest = &after[length.div_ceil(512) * 512..];
    }
    assert_eq!(rest, [0; 1024]);
    files
}

pub(crate) async fn export(running: &Running, tenant: &Tenant, query: &str) -> (u16, Vec<u8>) {
    let url = running.url(&format!("/v1/audit/export{query}"));
    let answer = client()
        .get(url)
        .bearer_auth(&tenant.token)
        .send()
        .await
        .unwrap();
    let status = answer.status().as_u16();
    (status, answer.bytes().await.unwrap().to_vec())
}

/// Appends so many events of no consequence.
pub(crate) async fn grow(running: &Running, tenant: &Tenant, count: usize) {
    let app = &running.app;
    let appended = (0..count).map(|_| async move {
        let id = strongroom_server::audit::new_event_id(app.clock.as_ref()).unwrap();
        let draft = Draft {
            kind: "tests.event",
            actor: None,
            request: request_id(),
            resource: Some(id.to_string()),
            credential: None,
            policy: None,
            outcome: strongroom_auditchain::Outcome::Success,
        };
        let leaf = draft.leaf(id, app.clock.unix_micros(), Vec::new()).unwrap();
        app.sequencer
            .append(tenant.id, id, leaf, None)
            .await
            .unwrap();
    });
    futures_util::future::join_all(appended).await;
}

#[test]
fn a_whole_log_is_verified_from_its_export() {
    on_platform(|running| async move {
        past_a_checkpoint().await;
        let tenant = running.tenant("exported").await;
        let (status, _) = export(running, &tenant, "").await;
        assert_eq!(status, 404, "before the first checkpoint");
        assert_eq!(chat(running, &tenant).await.status, 200);
        let sign = async || post(running, &tenant, "/v1/audit/checkpoints", json!({})).await;
        assert_eq!(sign().await.status, 200);
        for count in [300, 400, 2000] {
            grow(running, &tenant, count).await;
            assert_eq!(chat(running, &tenant).await.status, 200);
            assert_eq!(sign().await.status, 200);
        }
        // What came after the newest checkpoint is in no export.
        grow(running, &tenant, 20).await;
        let (status, archive) = export(running, &tenant, "?payloads=true").await;
        assert_eq!(status, 200);
        let mut files = untar(&archive);
        let log = running
            .send("GET", "/v1/audit/log", Some(&tenant.token), None)
            .await
            .json();

        let origin: Origin = log["origin"].as_str().unwrap().parse().unwrap();
        let key: VerifierKey = log["checkpoint_key"].as_str().unwrap().parse().unwrap();
        let take = |files: &mut BTreeMap<String, Vec<u8>>, path: &str| {
            let bytes = files.remove(path).unwrap_or_else(|| panic!("no {path}"));
            String::from_utf8(bytes).unwrap()
        };
        assert_eq!(take(&mut files, "origin"), format!("{origin}\n"));
        let newest = take(&mut files, "checkpoint");
        let newest = Checkpoint::verify(&newest, &key, &origin).unwrap();
        let expected = format!(
            "strongroom.dev/audit-export/v1\norigin {origin}\nsize {}\nentries events\n\
             payloads opened\nlog-key {key}\nbatch-key {}\nagent chat.\n",
            newest.size,
            log["batch_key"].as_str().unwrap()
        );
        assert_eq!(take(&mut files, "export"), expected);

        // Every tile of its size and no other, each hashed from the entries; then every root.
        let mut tiles: BTreeMap<TilePath, Vec<u8>> = BTreeMap::new();
        for path in tiles_for(0, newest.size).chain(bundles_for(0, newest.size)) {
            let bytes = files.remove(&path.to_string());
            tiles.insert(path, bytes.unwrap_or_else(|| panic!("no {path}")));
        }
        let mut leaves: Vec<Vec<u8>> = Vec::new();
        for path in bundles_for(0, newest.size) {
            let bundle = EntryBundle::parse(&tiles[&path], path.width()).unwrap();
            leaves.extend(bundle.entries().map(<[u8]>::to_vec));
            let level = TilePath::new(TileKind::Hashes(0), path.index(), path.width()).unwrap();
            let hashes: Vec<u8> = bundle.leaf_hashes().flat_map(|h| *h.as_bytes()).collect();
            assert_eq!(tiles[&level], hashes);
        }
        assert_eq!(leaves.len() as u64, newest.size);
        let mut tree = TileTree::verified(&tiles, newest.size, &newest.root).unwrap();
        let notes: Vec<String> = files.keys().cloned().collect();
        let notes: Vec<_> = notes
            .iter()
            .filter_map(|path| path.strip_prefix("checkpoints/"))
            .collect();
        assert_eq!(notes.len(), 4);
        for size in notes {
            let note = take(&mut files, &format!("checkpoints/{size}"));
            let signed = Checkpoint::verify(&note, &key, &origin).unwrap();
            assert_eq!(signed.size.to_string(), size);
            assert_eq!(tree.root_at(signed.size).unwrap(), signed.root);
        }
        assert_eq!(Hash::of_leaf(&leaves[0]), tree.leaf(0).unwrap());

        // Each payload is there, and is what its entry commits to.
        let mut payloads = 0;
        for path in bundles_for(0, newest.size) {
            let at = path.to_string().replacen("tile/entries", "payload", 1);
            let Some(bytes) = files.remove(&at) else {
                continue;
            };
            let mut rest = bytes.as_slice();
            for leaf in &leaves[path.index() as usize * 256..][..usize::from(path.width())] {
                let (length, after) = rest.split_first_chunk::<4>().unwrap();
                let (payload, after) = after.split_at(u32::from_be_bytes(*length) as usize);
                let event = Leaf::decode(leaf).unwrap();
                assert_eq!(payload.is_empty(), event.commitments.is_none());
                if !payload.is_empty() {
                    Payload::decode(payload).unwrap().verify(&event).unwrap();
                    payloads += 1;
                }
                rest = after;
            }
            assert!(rest.is_empty());
        }
        assert_eq!(payloads, 8);
        assert!(files.is_empty(), "{:?}", files.keys());

        // The same log is the same archive; without payloads there are none of them.
        let (_, again) = export(running, &tenant, "?payloads=true").await;
        assert!(again == archive);
        let (_, bare) = export(running, &tenant, "").await;
        let bare = untar(&bare);
        assert!(bare.keys().all(|path| !path.starts_with("payload")));
        assert!(String::from_utf8_lossy(&bare["export"]).contains("payloads left-out"));
    });
}

#[test]
fn an_export_of_a_log_with_a_gap_has_no_end() {
    on_platform(|running| async move {
        let tenant = running.tenant("gap").await;
        grow(running, &tenant, 300).await;
        let signed = post(running, &tenant, "/v1/audit/checkpoints", json!({})).await;
        assert_eq!(signed.status, 200);
        let superuser = crate::database::database().sql("postgres").await;
        superuser
            .batch_execute(&format!(
                "set session_replication_role = replica; \
                 delete from app.audit_leaves where tenant_id = '{}' and idx = 7; \
                 set session_replication_role = origin",
                tenant.id
            ))
            .await
            .unwrap();
        let url = running.url("/v1/audit/export");
        let answer = client()
            .get(url)
            .bearer_auth(&tenant.token)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        assert!(answer.bytes().await.is_err(), "nobody takes it for whole");
    });
}
