//! The JSON view of an event, `docs/spec/audit-leaf.md`, "JSON view".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::{Commitments, Event, Outcome};

impl Event {
    /// The event as a JSON object, for people and for tools without CBOR.
    ///
    /// It is a view: nothing is verified from it. Numbers that may not fit a binary64 are strings.
    ///
    /// ```
    /// use strongroom_auditchain::{Commitments, Event, Outcome};
    /// use strongroom_tenancy::RequestId;
    ///
    /// let id = RequestId::from_parts(1_700_000_000_000, &[1; 10]);
    /// let event = Event {
    ///     id: *id.as_uuid(),
    ///     time_us: 1_700_000_000_000_000,
    ///     kind: "chat.completed".parse()?,
    ///     actor: None,
    ///     resource: None,
    ///     credential: None,
    ///     request_id: id,
    ///     policy: None,
    ///     source: "gateway".to_owned(),
    ///     outcome: Outcome::Success,
    ///     commitments: Commitments::NONE,
    /// };
    /// assert_eq!(event.to_json()["time_us"], "1700000000000000");
    /// # Ok::<(), strongroom_auditchain::LabelError>(())
    /// ```
    #[must_use]
    pub fn to_json(&self) -> Value {
        let members = self.json_members();
        Value::Object(
            members
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    }

    /// The members of [`Self::to_json`], in the order in which a person reads them.
    pub fn json_members(&self) -> impl Iterator<Item = (&'static str, Value)> {
        let (outcome, reason) = match &self.outcome {
            Outcome::Success => ("success", None),
            Outcome::Refused(slug) => ("refused", Some(slug.as_str())),
            Outcome::Failed(slug) => ("failed", Some(slug.as_str())),
            Outcome::Attempt => ("attempt", None),
        };
        let actor = self.actor.as_ref();
        let chain = actor.into_iter().flat_map(|actor| actor.on_behalf_of());
        let policy = self
            .policy
            .map(|policy| -> String { policy.iter().map(|byte| format!("{byte:02x}")).collect() });
        let commitments = self.commitments.fields().iter().map(|commitment| {
            json!({
                "field": commitment.field.as_str(),
                "digest": STANDARD.encode(commitment.digest),
            })
        });
        let map = match &self.commitments {
            Commitments::Fields(_) => None,
            Commitments::Map(digest) => Some(STANDARD.encode(digest)),
        };
        [
            ("id", json!(self.id.as_hyphenated().to_string())),
            ("time_us", json!(self.time_us.to_string())),
            ("kind", json!(self.kind.as_str())),
            ("actor", json!(actor.map(|actor| actor.id().to_string()))),
            (
                "on_behalf_of",
                json!(chain.map(ToString::to_string).collect::<Vec<_>>()),
            ),
            ("resource", json!(self.resource)),
            ("credential", json!(self.credential)),
            ("request_id", json!(self.request_id.to_string())),
            ("policy", json!(policy)),
            ("source", json!(self.source)),
            ("outcome", json!(outcome)),
            ("reason", json!(reason)),
            ("commitments", Value::Array(commitments.collect())),
            ("map_commitment", json!(map)),
        ]
        .into_iter()
    }
}
