//! Fuzz bodies of the two readers of leaves.

#[path = "../../crates/auditchain/tests/general/reader.rs"]
mod reader;

use strongroom_auditchain::{Commitment, Commitments, Event, Leaf, LeafView, Outcome};
use strongroom_tenancy::{Actor, ActorId, ActorKind, RequestId};
use uuid::Uuid;

/// Any bytes: the borrowed reader takes what a general decoder and a new encoding agree about, and
/// nothing else. Any event that has a leaf: it is read out of it.
pub fn view(data: &[u8]) {
    let read = LeafView::parse(data).ok().map(|view| view.to_event());
    let read = read.transpose();
    assert!(read.is_ok(), "a view that is no event");
    assert_eq!(read.ok().flatten(), reader::decoded(data));
    if let Some(event) = event(&mut Bytes(data))
        && let Ok(leaf) = Leaf::encode(&event)
    {
        assert_eq!(Leaf::decode(leaf.as_bytes()), Ok(event));
    }
}

/// What an event is made of; zeros after the end.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        for (to, from) in array.iter_mut().zip(self.0) {
            *to = *from;
        }
        self.0 = self.0.get(N..).unwrap_or_default();
        array
    }

    fn byte(&mut self) -> u8 {
        let [byte] = self.array();
        byte
    }

    /// One byte in eight of an alphabet's own is any byte.
    fn text(&mut self, alphabet: &[u8]) -> String {
        let length = self.byte() % 70;
        let letter = |bytes: &mut Self| match bytes.byte() {
            byte @ 0..32 => char::from(byte),
            byte => char::from(
                *alphabet
                    .get(usize::from(byte) % alphabet.len())
                    .unwrap_or(&0),
            ),
        };
        (0..length).map(|_| letter(self)).collect()
    }

    fn has(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    fn request_id(&mut self) -> RequestId {
        let millis = u64::from_be_bytes(self.array()) >> 16;
        RequestId::from_parts(millis, &self.array())
    }

    fn actor(&mut self) -> Option<ActorId> {
        let kind = *ActorKind::ALL.get(usize::from(self.byte() % 4))?;
        ActorId::new(kind, Uuid::from_bytes(self.array())).ok()
    }
}

const PLAIN: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789_.";
const SAFE: &[u8] = b"0123456789abcdefABCDEFxyzXYZ._-:/";

fn event(bytes: &mut Bytes<'_>) -> Option<Event> {
    let actors: Option<Vec<ActorId>> = (0..bytes.byte() % 11).map(|_| bytes.actor()).collect();
    let actor = match actors?.split_first() {
        Some((id, chain)) => Some(Actor::delegated(*id, chain.to_vec()).ok()?),
        None => None,
    };
    let commitments = if bytes.has() {
        Commitments::Map(bytes.array())
    } else {
        let field = |bytes: &mut Bytes<'_>| {
            let field = bytes.text(PLAIN).parse().ok()?;
            let digest = bytes.array();
            Some(Commitment { field, digest })
        };
        let fields: Option<Vec<_>> = (0..bytes.byte() % 18).map(|_| field(bytes)).collect();
        fields?.into()
    };
    Some(Event {
        id: *bytes.request_id().as_uuid(),
        time_us: u64::from_be_bytes(bytes.array()),
        kind: bytes.text(PLAIN).parse().ok()?,
        actor,
        resource: bytes.has().then(|| bytes.text(SAFE)),
        credential: bytes.has().then(|| bytes.text(SAFE)),
        request_id: bytes.request_id(),
        policy: bytes.has().then(|| bytes.array()),
        source: bytes.text(SAFE),
        outcome: match bytes.byte() % 4 {
            0 => Outcome::Success,
            1 => Outcome::Refused(bytes.text(PLAIN).parse().ok()?),
            2 => Outcome::Failed(bytes.text(PLAIN).parse().ok()?),
            _ => Outcome::Attempt,
        },
        commitments,
    })
}
