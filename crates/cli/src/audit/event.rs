//! An event as somebody types it: the JSON view without commitments, with the payload's fields.

use serde_json::{Map, Value};
use strongroom::auditchain::{Commitments, Event, FieldValue, Outcome};
use strongroom::tenancy::{Actor, ActorId, RequestId};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::clock;

/// An event, and the fields of its payload.
pub(super) struct Typed {
    pub(super) event: Event,
    pub(super) fields: Vec<FieldValue>,
}

impl Typed {
    /// Reads an event; what it does not say of time and ids is made. The error names the member.
    pub(super) fn read(line: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(line).map_err(|_| "no JSON object")?;
        let Value::Object(mut members) = value else {
            return Err("no JSON object".to_owned());
        };
        let now = clock::since_epoch();
        let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let micros = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        let fields = payload(&mut members)?;
        let mut text = |name: &str| match members.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(malformed(name)),
        };
        let id = match text("id")? {
            Some(id) => Uuid::parse_str(&id).map_err(|_| malformed("id"))?,
            None => *new_id(millis)?.as_uuid(),
        };
        let request_id = match text("request_id")? {
            Some(id) => id.parse().map_err(|_| malformed("request_id"))?,
            // What is given again must be the same request's.
            None => match id.to_string().parse() {
                Ok(id) => id,
                Err(_) => new_id(millis)?,
            },
        };
        let time_us = match text("time_us")? {
            Some(time) => time.parse().map_err(|_| malformed("time_us"))?,
            None => micros,
        };
        let kind = text("kind")?.ok_or_else(|| malformed("kind"))?;
        let kind = kind.parse().map_err(|_| malformed("kind"))?;
        let source = text("source")?.ok_or_else(|| malformed("source"))?;
        let actor = text("actor")?;
        let reason = text("reason")?;
        let slug = || {
            let slug = reason.as_deref().and_then(|reason| reason.parse().ok());
            slug.ok_or_else(|| malformed("reason"))
        };
        let outcome = match text("outcome")?.as_deref() {
            None | Some("success") => Outcome::Success,
            Some("attempt") => Outcome::Attempt,
            Some("refused") => Outcome::Refused(slug()?),
            Some("failed") => Outcome::Failed(slug()?),
            Some(_) => return Err(malformed("outcome")),
        };
        if reason.is_some() && matches!(outcome, Outcome::Success | Outcome::Attempt) {
            return Err(malformed("reason"));
        }
        let policy = text("policy")?.map(|policy| {
            let mut bytes = [0; 32];
            let read = hex::decode_to_slice(&policy, &mut bytes);
            read.map(|()| bytes).map_err(|_| malformed("policy"))
        });
        let event = Event {
            id,
            time_us,
            kind,
            resource: text("resource")?,
            credential: text("credential")?,
            request_id,
            policy: policy.transpose()?,
            source,
            outcome,
            actor: chain(actor, members.remove("on_behalf_of"))?,
            commitments: Commitments::NONE,
        };
        match members.keys().next() {
            Some(name) => Err(format!("unknown member {name:?}")),
            None => Ok(Self { event, fields }),
        }
    }
}

/// The payload's fields: texts by their names.
fn payload(members: &mut Map<String, Value>) -> Result<Vec<FieldValue>, String> {
    let fields = match members.remove("payload") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(fields)) => fields,
        Some(_) => return Err(malformed("payload")),
    };
    let fields = fields.into_iter().map(|(name, value)| match value {
        Value::String(text) => {
            let field = name.parse().map_err(|_| malformed("payload"))?;
            Ok((field, Zeroizing::new(text.into_bytes())))
        }
        _ => Err(malformed("payload")),
    });
    fields.collect()
}

fn chain(actor: Option<String>, others: Option<Value>) -> Result<Option<Actor>, String> {
    let others = match others {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(others)) => others,
        Some(_) => return Err(malformed("on_behalf_of")),
    };
    let others = others.iter().map(|other| other.as_str()?.parse().ok());
    let others: Option<Vec<ActorId>> = others.collect();
    let others = others.ok_or_else(|| malformed("on_behalf_of"))?;
    let Some(actor) = actor else {
        return if others.is_empty() {
            Ok(None)
        } else {
            Err(malformed("actor"))
        };
    };
    let actor = actor.parse().map_err(|_| malformed("actor"))?;
    let actor = Actor::delegated(actor, others);
    actor.map(Some).map_err(|_| malformed("on_behalf_of"))
}

fn new_id(millis: u64) -> Result<RequestId, String> {
    let mut random = [0; 10];
    getrandom::fill(&mut random).map_err(|error| error.to_string())?;
    Ok(RequestId::from_parts(millis, &random))
}

fn malformed(member: &str) -> String {
    format!("malformed {member}")
}
