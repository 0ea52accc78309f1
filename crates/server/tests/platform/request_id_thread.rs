//! One request id threads the response, the problem, the audit events and the database's session.

use serde_json::json;

use crate::database::{begin, database, request_id};
use crate::platform::on_platform;
use strongroom_server::postgres::Access;

#[test]
fn from_the_response_to_the_audit_log() {
    on_platform(|running| async move {
        let tenant = running.tenant("threaded").await;
        let body = json!({ "capabilities": ["root:all"] });
        let refused = running
            .send("POST", "/v1/api-keys", Some(&tenant.token), Some(body))
            .await;
        let id = refused.header("x-request-id").to_owned();
        assert_eq!(refused.problem()["request_id"], id);
        assert_eq!(refused.json()["instance"], format!("urn:uuid:{id}"));
        let entries = running.entries(&tenant.token).await;
        let mine: Vec<_> = entries
            .iter()
            .filter(|entry| entry["event"]["request_id"] == id)
            .collect();
        assert_eq!(mine.len(), 1);
        assert_eq!(mine[0]["event"]["outcome"], "refused");
    });
}

#[tokio::test]
async fn in_the_database_s_session() {
    let database = database();
    let tenant = database.tenant("session").await;
    let gateway = database.gateway(1);
    let id = request_id();
    let actor = crate::database::actor();
    let mut tx = gateway
        .begin(tenant, actor, &id, Access::Read)
        .await
        .unwrap();
    tx.query("select from app.tenants", &[]).await.unwrap();
    let superuser = database.sql("postgres").await;
    let sql = "select count(*) from pg_stat_activity where application_name = $1";
    let seen: i64 = superuser
        .query_one(sql, &[&id.to_string()])
        .await
        .unwrap()
        .get(0);
    assert_eq!(seen, 1);
    tx.rollback().await;
    // The next request's session bears the next request's id.
    let tx = begin(&gateway, tenant, Access::Read).await;
    let seen: i64 = superuser
        .query_one(sql, &[&id.to_string()])
        .await
        .unwrap()
        .get(0);
    assert_eq!(seen, 0);
    tx.rollback().await;
}
