//! What anybody would write by hand: a transaction for each event, which locks the log's head, writes
//! the leaf and the head, and signs. In two round trips; with the same tree, signature and receipt.

use std::sync::Arc;

use strongroom_auditchain::{BatchLine, Ed25519Signer, Frontier, Leaf, Origin, sign_batch};
use tokio_postgres::{Client, Statement};
use uuid::Uuid;

/// Its tables: the keys and the indices that the platform's have, and neither triggers nor policies.
const TABLES: &str = "create table public.heads (log int primary key, size bigint not null, \
     frontier bytea not null) with (fillfactor = 10); \
     create table public.leaves (log int, idx bigint, event_id uuid not null, leaf bytea not null, \
     leaf_hash bytea not null, primary key (log, idx), unique (log, event_id)); \
     create table public.bare (id uuid primary key, leaf bytea)";

pub(crate) async fn prepare(sql: &Client, logs: usize) {
    sql.batch_execute(TABLES).await.unwrap();
    let heads =
        format!("insert into public.heads select g, 0, '' from generate_series(0, {logs}) g");
    sql.batch_execute(&heads).await.unwrap();
}

/// One connection that writes so.
pub(crate) struct Single {
    sql: Client,
    lock: Statement,
    insert: Statement,
    update: Statement,
    bare: Statement,
    signer: Arc<Ed25519Signer>,
    origin: Origin,
}

impl Single {
    pub(crate) async fn new(sql: Client, signer: Arc<Ed25519Signer>) -> Self {
        let lock = "select size, frontier from public.heads where log = $1 for update";
        let insert = "insert into public.leaves values ($1, $2, $3, $4, $5)";
        let update = "update public.heads set size = $2, frontier = $3 where log = $1";
        let bare = "insert into public.bare values (gen_random_uuid(), $1)";
        Self {
            lock: sql.prepare(lock).await.unwrap(),
            insert: sql.prepare(insert).await.unwrap(),
            update: sql.prepare(update).await.unwrap(),
            bare: sql.prepare(bare).await.unwrap(),
            sql,
            signer,
            origin: "single.example/log".parse().unwrap(),
        }
    }

    /// Appends one event; answers once it is committed and its receipt made.
    pub(crate) async fn append(&self, log: usize, leaf: Leaf) {
        let log = i32::try_from(log).unwrap();
        // Polled in order: one round trip.
        let (begun, head) = tokio::join!(
            biased;
            self.sql.batch_execute("begin"),
            async { self.sql.query_one(&self.lock, &[&log]).await }
        );
        begun.unwrap();
        let head = head.unwrap();
        let size = u64::try_from(head.get::<_, i64>(0)).unwrap();
        let frontier = Frontier::from_bytes(size, head.get(1)).unwrap();
        let hash = leaf.hash();
        let (grown, proofs) = frontier.append_batch(&[hash]);
        let (index, id): (i64, Uuid) = (head.get(0), leaf.event_id());
        let bytes = (
            leaf.as_bytes(),
            hash.as_bytes().as_slice(),
            grown.to_bytes(),
        );
        let size = index + 1;
        let receipt = async {
            let line = BatchLine {
                origin: self.origin.clone(),
                size: grown.size(),
                root: grown.root(),
            };
            let signed = sign_batch(&[line], 1, self.signer.as_ref()).unwrap();
            signed.receipt(0, hash, &proofs[0]).unwrap()
        };
        // While it signs, the rows and the COMMIT are on their way.
        let (inserted, updated, committed, _receipt) = tokio::join!(
            biased;
            async { self.sql.execute(&self.insert, &[&log, &index, &id, &bytes.0, &bytes.1]).await },
            async { self.sql.execute(&self.update, &[&log, &size, &bytes.2]).await },
            self.sql.batch_execute("commit"),
            receipt
        );
        inserted.unwrap();
        updated.unwrap();
        committed.unwrap();
    }
}

/// A row, and nothing of a log.
pub(crate) async fn bare_insert(single: &Single) {
    let leaf = [7_u8; 230];
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 1] = [&leaf.as_slice()];
    single.sql.execute(&single.bare, &values).await.unwrap();
}
