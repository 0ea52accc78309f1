//! Retention and erasure: what is kept how long, and what an entry says is gone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use proptest::prelude::*;
use strongroom_auditchain::{
    Classes, ClassesError, Commitments, ERASED_KIND, Erasure, ErasureError, Event, MAX_TREE_SIZE,
    Outcome, Retention, RetentionClass, RetentionError,
};
use strongroom_tenancy::RequestId;

const AGENT: RetentionClass = RetentionClass::Agent;
const COMPLIANCE: RetentionClass = RetentionClass::Compliance;
const DAY: u64 = 86_400;

#[test]
fn a_choice_is_within_its_bounds() {
    assert_eq!(Retention::new(29), Err(RetentionError::TooShort));
    assert_eq!(Retention::new(0), Err(RetentionError::TooShort));
    assert_eq!(Retention::new(366), Err(RetentionError::TooLong));
    assert_eq!(Retention::new(u16::MAX), Err(RetentionError::TooLong));
    assert_eq!(Retention::new(90), Ok(Retention::default()));
    let days = |choice, class, high_risk| Retention::new(choice).unwrap().days(class, high_risk);
    for (choice, agent, high_risk) in [
        (30, 30, 184),
        (184, 184, 184),
        (185, 185, 185),
        (365, 365, 365),
    ] {
        assert_eq!(days(choice, AGENT, false), agent);
        assert_eq!(days(choice, AGENT, true), high_risk);
        assert_eq!(days(choice, COMPLIANCE, false), 2557);
        assert_eq!(days(choice, COMPLIANCE, true), 2557);
    }
}

#[test]
fn nothing_goes_a_second_early() {
    let retention = Retention::new(30).unwrap();
    let due = |time_us, now| retention.is_due(AGENT, false, time_us, now);
    assert!(!due(0, 30 * DAY - 1));
    assert!(due(0, 30 * DAY));
    assert!(!due(1, 30 * DAY));
    assert!(due(1, 30 * DAY + 1));
    assert_eq!(retention.expires_at(AGENT, false, 1_000_001), 30 * DAY + 2);
    // A clock that was set back, or an event from the future, makes nothing due.
    assert!(!due(1_700_000_000_000_000, 0));
    assert!(!due(u64::MAX, 1_700_000_000));
}

#[test]
fn an_unknown_kind_is_kept_longest() {
    let classes = Classes::new(["chat.", "tool.called"]).unwrap();
    let of = |kind: &str| classes.of(&kind.parse().unwrap());
    for kind in ["chat.attempt", "chat.outcome", "chat.", "tool.called"] {
        assert_eq!(of(kind), AGENT, "{kind}");
    }
    for kind in [
        "chat",
        "chats.x",
        "tool.called.x",
        "tool.calle",
        "x.chat.attempt",
        "api_key.issued",
        "break_glass.rotation_started",
        ERASED_KIND,
        "never.heard.of",
    ] {
        assert_eq!(of(kind), COMPLIANCE, "{kind}");
    }
    assert_eq!(
        Classes::new([])
            .unwrap()
            .of(&"chat.attempt".parse().unwrap()),
        COMPLIANCE
    );
    for bad in ["", "Chat.", "chat ", "chät."] {
        assert_eq!(Classes::new([bad]), Err(ClassesError::Kind), "{bad}");
    }
    for reserved in [
        "payload.erased",
        "payload.",
        "break_glass.",
        "break_glass.x",
    ] {
        assert_eq!(
            Classes::new([reserved]),
            Err(ClassesError::Reserved),
            "{reserved}"
        );
    }
}

#[test]
fn erasures_of_nothing_are_not_made() {
    assert_eq!(Erasure::new(1, 1, None), Err(ErasureError::Range));
    assert_eq!(Erasure::new(2, 1, None), Err(ErasureError::Range));
    let beyond = Erasure::new(0, MAX_TREE_SIZE + 1, None);
    assert_eq!(beyond, Err(ErasureError::Bound));
    assert!(Erasure::new(0, MAX_TREE_SIZE, None).is_ok());
}

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

proptest! {
    #[test]
    fn erasures_are_read_back(from in 0..MAX_TREE_SIZE, length in 1_u64..1 << 20, class in 0_usize..3) {
        let to = from.saturating_add(length).min(MAX_TREE_SIZE);
        let class = [None, Some(AGENT), Some(COMPLIANCE)][class];
        let erasure = Erasure::new(from, to, class).unwrap();
        let mut event = event();
        event.kind = ERASED_KIND.parse().unwrap();
        event.resource = Some(erasure.resource());
        prop_assert_eq!(Erasure::of(&event, to), Some(erasure));
        prop_assert_eq!(Erasure::of(&event, to - 1), None);
        for of in RetentionClass::ALL {
            let is_erased = class.is_none_or(|class| class == of);
            prop_assert_eq!(erasure.covers(from, of), is_erased);
            prop_assert_eq!(erasure.covers(to - 1, of), is_erased);
            prop_assert!(!erasure.covers(to, of));
            prop_assert!(from == 0 || !erasure.covers(from - 1, of));
        }
    }

    #[test]
    fn no_resource_is_read_in_two_ways(resource in "entries/[0-9-]{0,12}(/[a-z]{0,10})?") {
        let mut event = event();
        event.kind = ERASED_KIND.parse().unwrap();
        event.resource = Some(resource.clone());
        if let Some(erasure) = Erasure::of(&event, u64::MAX) {
            prop_assert_eq!(erasure.resource(), resource);
        }
    }

    #[test]
    fn no_time_overflows(time_us: u64, now: u64, days in 30_u16..=365, high_risk: bool) {
        let retention = Retention::new(days).unwrap();
        for class in RetentionClass::ALL {
            let at = retention.expires_at(class, high_risk, time_us);
            prop_assert_eq!(retention.is_due(class, high_risk, time_us, now), now >= at);
            prop_assert!(at >= time_us / 1_000_000 + u64::from(days) * DAY);
        }
    }
}
