//! Step 5: the call itself.

use std::fs;

use serde_json::Value;

use super::http::text;
use super::platform::Platform;
use super::tenants::{CREDENTIAL, Tenant, events};
use super::transcript::{Checked, Transcript};
use crate::failure::{At as _, Failure};
use crate::program;

const EMAIL: &str = "john@example.com";
const SSN: &str = "123-45-6789";

/// What the call left behind.
pub(crate) struct Call {
    pub(crate) request_id: String,
    /// The outcome's entry in the tenant's log.
    pub(crate) entry: Value,
}

/// Step 5.
pub(crate) fn through_every_gate(
    transcript: &mut Transcript,
    platform: &Platform,
    tenant: &Tenant,
) -> Result<Call, Failure> {
    let mut checked = Checked::default();
    let prompt = format!("My email is {EMAIL} and SSN is {SSN}. Who can I call?");
    let base = format!("{}/v1", platform.base());
    let environment = [
        ("OPENAI_BASE_URL", base.as_str()),
        ("OPENAI_API_KEY", &tenant.token),
    ];
    let said = platform.script("chat.py", &[&prompt], &environment)?;
    let said: Value = serde_json::from_str(&said)
        .map_err(|error| Failure::failed(format!("chat.py: {error}: {said}")))?;
    let request_id = text(&said, "/request_id").to_owned();
    checked.of_request(&request_id);
    let content = text(&said, "/content");
    checked.that(
        content.contains("[EMAIL]") && content.contains("[PHONE]") && !content.contains('@'),
        format!("the official openai SDK reads the redacted answer: {content:?}"),
        content,
    )?;
    let refused = text(&said, "/stream_refused_as");
    checked.that(
        refused == "stream-unsupported",
        "stream: true is a typed refusal in the SDK's own error class",
        refused,
    )?;

    let path = platform.folder.join("provider/1.json");
    let received = fs::read_to_string(&path).at(&path)?;
    checked.that(
        !received.contains(EMAIL) && !received.contains(SSN) && received.contains("[US_SSN]"),
        "the local provider (started by this demo) got the prompt redacted: no e-mail, no SSN",
        &received,
    )?;
    checked.that(
        received.contains(CREDENTIAL) && !received.contains("stainless"),
        "it was called with the tenant's credential and none of the client's headers",
        &received,
    )?;

    let entries = platform
        .client
        .get("/v1/audit/entries?limit=1000", &tenant.token)?
        .expect(200)?;
    let mine = |kind| {
        let found =
            events(&entries, kind).find(|entry| text(entry, "/event/request_id") == request_id);
        found
            .cloned()
            .ok_or_else(|| Failure::failed(format!("no {kind} event of the call")))
    };
    let (attempt, outcome) = (mine("chat.attempt")?, mine("chat.outcome")?);
    let index = |entry: &Value| text(entry, "/index").parse::<u64>().unwrap_or_default();
    checked.that(
        index(&attempt) < index(&outcome),
        format!(
            "entry {} is the attempt, entry {} the outcome",
            index(&attempt),
            index(&outcome)
        ),
        &entries,
    )?;
    for (entry, field) in [(&attempt, "prompt"), (&outcome, "answer")] {
        let path = format!("/v1/audit/entries/{}/payload", index(entry));
        let payload = platform.client.get(&path, &tenant.token)?;
        payload.expect(200)?;
        let clean = payload.text.contains("[EMAIL]") && !payload.text.contains(EMAIL);
        checked.that(
            clean,
            format!("its sealed payload is the redacted {field}"),
            &payload.text,
        )?;
    }
    let log = platform
        .client
        .get("/v1/audit/log", &tenant.token)?
        .expect(200)?;
    let receipt = platform.file("receipt", text(&said, "/receipt").as_bytes())?;
    let key = text(&log, "/batch_key");
    let verified = program::output(&mut platform.cli(&[
        "audit",
        "verify",
        "--receipt",
        &receipt,
        "--batch-key",
        key,
    ]))?;
    checked.that(
        verified.contains(text(&log, "/origin")),
        "`strongroom audit verify --receipt` accepts the response's receipt offline",
        &verified,
    )?;
    transcript.step(5, "a chat call passes every gate", &checked);
    Ok(Call {
        request_id,
        entry: outcome,
    })
}
