//! The JSON view of an event.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use serde_json::json;
use strongroom_auditchain::{Commitment, Commitments, Event, Outcome};
use strongroom_tenancy::{Actor, ActorId, ActorKind, RequestId};
use uuid::Uuid;

fn event() -> Event {
    let id = RequestId::from_parts(1_700_000_000_000, &[1; 10]);
    Event {
        id: *id.as_uuid(),
        time_us: u64::MAX,
        kind: "chat.completed".parse().unwrap(),
        actor: None,
        resource: None,
        credential: None,
        request_id: id,
        policy: None,
        source: "gateway".to_owned(),
        outcome: Outcome::Success,
        commitments: Commitments::NONE,
    }
}

#[test]
fn an_event_is_shown_whole() {
    let mut event = event();
    let id = "018bcfe5-6800-7101-8101-010101010101";
    assert_eq!(
        event.to_json(),
        json!({
            "id": id,
            "time_us": "18446744073709551615",
            "kind": "chat.completed",
            "actor": null,
            "on_behalf_of": [],
            "resource": null,
            "credential": null,
            "request_id": id,
            "policy": null,
            "source": "gateway",
            "outcome": "success",
            "reason": null,
            "commitments": [],
            "map_commitment": null,
        })
    );
    let actor = |kind, bits| ActorId::new(kind, Uuid::from_u128(bits)).unwrap();
    let chain = vec![actor(ActorKind::Service, 2), actor(ActorKind::User, 3)];
    event.actor = Some(Actor::delegated(actor(ActorKind::Agent, 1), chain).unwrap());
    event.resource = Some("model:small".to_owned());
    event.credential = Some("api_key/EXAMPLE".to_owned());
    event.policy = Some([0xab; 32]);
    event.outcome = Outcome::Refused("rate-limited".parse().unwrap());
    let field = "prompt".parse().unwrap();
    let digest = [0; 32];
    event.commitments = vec![Commitment { field, digest }].into();
    let shown = event.to_json();
    let nil = "A".repeat(43) + "=";
    assert_eq!(shown["actor"], "agent:00000000-0000-0000-0000-000000000001");
    assert_eq!(
        shown["on_behalf_of"],
        json!([
            "service:00000000-0000-0000-0000-000000000002",
            "user:00000000-0000-0000-0000-000000000003",
        ])
    );
    assert_eq!(shown["policy"], "ab".repeat(32));
    assert_eq!(
        (&shown["outcome"], &shown["reason"]),
        (&json!("refused"), &json!("rate-limited"))
    );
    assert_eq!(
        shown["commitments"],
        json!([{"field": "prompt", "digest": nil}])
    );
    event.commitments = Commitments::Map([0; 32]);
    let shown = event.to_json();
    assert_eq!(
        (&shown["commitments"], &shown["map_commitment"]),
        (&json!([]), &json!(nil))
    );
    let outcome = |outcome| {
        event.outcome = outcome;
        event.to_json()["outcome"].clone()
    };
    let shown = [Outcome::Failed("x".parse().unwrap()), Outcome::Attempt].map(outcome);
    assert_eq!(shown, ["failed", "attempt"]);
}
