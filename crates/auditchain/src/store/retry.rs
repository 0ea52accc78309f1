//! Retries: whether an entry is one that its log has already.

use crate::{Commitments, Event, Leaf};

/// Whether two leaves of one event id are of one event. Whoever tries again after an unknown outcome
/// may have drawn its salts anew, and have looked at the clock again: commitments and time may differ.
pub(super) fn is_same_event(before: &[u8], again: &[u8]) -> bool {
    let said = |leaf: &[u8]| {
        let event = Leaf::decode(leaf).ok()?;
        Some(Event {
            time_us: 0,
            commitments: Commitments::NONE,
            ..event
        })
    };
    before == again || said(before).is_some_and(|before| said(again) == Some(before))
}

#[cfg(test)]
mod tests {
    use strongroom_tenancy::RequestId;

    use super::*;
    use crate::{Commitment, Outcome};

    fn event() -> Event {
        let id = RequestId::from_parts(1_700_000_000_000, &[1; 10]);
        let field = "prompt".parse().unwrap();
        let commitment = Commitment::commit(&[1; 32], id.as_uuid(), &field, b"hello");
        Event {
            id: *id.as_uuid(),
            time_us: 1_700_000_000_000_000,
            kind: "chat.completed".parse().unwrap(),
            actor: None,
            resource: Some("number/1".to_owned()),
            credential: None,
            request_id: id,
            policy: Some([1; 32]),
            source: "gateway".to_owned(),
            outcome: Outcome::Success,
            commitments: vec![commitment].into(),
        }
    }

    fn leaf(event: &Event) -> Vec<u8> {
        Leaf::encode(event).unwrap().into_bytes()
    }

    #[test]
    fn salts_and_times_may_differ_and_nothing_else() {
        let before = leaf(&event());
        assert!(is_same_event(&before, &before));
        let mut again = event();
        again.time_us += 1;
        let field = "prompt".parse().unwrap();
        let salted = Commitment::commit(&[2; 32], &again.id, &field, b"hello");
        again.commitments = vec![salted].into();
        assert!(is_same_event(&before, &leaf(&again)));
        let changes: [fn(&mut Event); 6] = [
            |it| it.kind = "key.destroyed".parse().unwrap(),
            |it| it.resource = None,
            |it| it.credential = Some("key_1".to_owned()),
            |it| it.policy = None,
            |it| it.source = "elsewhere".to_owned(),
            |it| it.outcome = Outcome::Attempt,
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut other = event();
            change(&mut other);
            assert!(!is_same_event(&before, &leaf(&other)), "{number}");
        }
        assert!(!is_same_event(&before, b"no leaf"));
    }
}
