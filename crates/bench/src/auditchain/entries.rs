//! Entries, keys, and logs to put them in.

use std::error::Error;

use strongroom_auditchain::{Commitment, Commitments, Ed25519Signer, Event, Leaf, Origin, Outcome};
use strongroom_tenancy::RequestId;

/// 4,096 entries of so many bytes, which the trees take over and over.
pub fn entries(bytes: usize) -> &'static [Box<[u8]>] {
    let entry = |number: u32| {
        let mut entry = vec![7; bytes];
        for (place, byte) in entry.iter_mut().zip(number.to_be_bytes()) {
            *place = byte;
        }
        entry.into_boxed_slice()
    };
    // They live as long as the measurement, which is the program.
    Box::leak((0..4096).map(entry).collect())
}

/// The leaf of the event with this number, of about 230 bytes: two sealed fields, and who may see
/// them.
pub fn leaf(number: u64) -> Result<Leaf, Box<dyn Error>> {
    Ok(Leaf::encode(&event(number)?)?)
}

/// That event.
pub fn event(number: u64) -> Result<Event, Box<dyn Error>> {
    let mut entropy = [0; 10];
    for (place, byte) in entropy.iter_mut().rev().zip(number.to_le_bytes()) {
        *place = byte;
    }
    let request_id = RequestId::from_parts(1_700_000_000_000 + number / 100, &entropy);
    let commitment = |field: &str, digest| -> Result<Commitment, Box<dyn Error>> {
        let field = field.parse()?;
        Ok(Commitment { field, digest })
    };
    let fields = vec![
        commitment("answer", [3; 32])?,
        commitment("prompt", [4; 32])?,
    ];
    Ok(Event {
        id: *request_id.as_uuid(),
        time_us: 1_700_000_000_000_000 + number,
        kind: "chat.completed".parse()?,
        actor: None,
        resource: Some("model:small".to_owned()),
        credential: Some("api_key/0123456789ab".to_owned()),
        request_id,
        policy: Some([5; 32]),
        source: "gateway".to_owned(),
        outcome: Outcome::Success,
        commitments: Commitments::Fields(fields),
    })
}

/// The log with this number.
pub fn origin(number: usize) -> Result<Origin, Box<dyn Error>> {
    Ok(format!("audit.example.com/t/{number:06}").parse()?)
}

/// The key under which stores sign.
pub fn keys() -> Result<Ed25519Signer, Box<dyn Error>> {
    Ok(Ed25519Signer::from_seed(
        "audit.example.com/batch",
        &[1; 32],
    )?)
}
