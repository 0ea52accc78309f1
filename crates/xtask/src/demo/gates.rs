//! Step 10: each gate, missed in turn.

use std::time::{Duration, Instant};

use serde_json::json;

use super::http::{Response, text};
use super::platform::Platform;
use super::tenants::{Tenant, events};
use super::transcript::{Checked, Transcript};
use crate::failure::Failure;

/// A token is taken up to 30 s after its expiry, for clocks that are off.
const LEEWAY: Duration = Duration::from_secs(30);

/// A token that was made to live a second.
pub(crate) struct ShortLived {
    token: String,
    made: Instant,
}

/// Gets a token from a second server, which is set to mint them for one second.
pub(crate) fn expiring_token(platform: &Platform, tenant: &Tenant) -> Result<ShortLived, Failure> {
    let (server, client) = platform.second_server(("STRONGROOM_TOKENS_LIFETIME_SECONDS", "1"))?;
    let answer = client
        .post("/v1/token", &tenant.key, &json!({}))?
        .expect(200)?;
    drop(server);
    Ok(ShortLived {
        token: text(&answer, "/access_token").to_owned(),
        made: Instant::now(),
    })
}

/// Step 10.
pub(crate) fn each_missing(
    transcript: &mut Transcript,
    platform: &Platform,
    tenant: &Tenant,
    other: &Tenant,
    short_lived: ShortLived,
) -> Result<(), Failure> {
    let mut checked = Checked::default();
    let client = &platform.client;
    let path = "/v1/audit/log";
    let mut recorded = Vec::new();

    let none = client.get(path, "")?;
    refusal(&mut checked, &none, "no token", 401, "unauthenticated")?;

    let (server, elsewhere) = platform.second_server(("STRONGROOM_AUDIENCE", "reports"))?;
    let answer = elsewhere
        .post("/v1/token", &tenant.key, &json!({}))?
        .expect(200)?;
    drop(server);
    let audience = client.get(path, text(&answer, "/access_token"))?;
    refusal(
        &mut checked,
        &audience,
        "wrong audience",
        401,
        "wrong-audience",
    )?;
    recorded.push((audience.request_id().to_owned(), "wrong-audience"));

    let token = client
        .post("/v1/token", &tenant.key, &json!({}))?
        .expect(200)?;
    let capability = client.get("/v1/api-keys", text(&token, "/access_token"))?;
    refusal(
        &mut checked,
        &capability,
        "missing capability",
        403,
        "capability-missing",
    )?;
    recorded.push((capability.request_id().to_owned(), "capability-missing"));

    let theirs = format!("/v1/api-keys/{}", other.key_id);
    let foreign = client.send("DELETE", &theirs, &tenant.token, None)?;
    refusal(
        &mut checked,
        &foreign,
        "another tenant's object",
        404,
        "not-found",
    )?;
    recorded.push((foreign.request_id().to_owned(), "not-found"));

    let fast = (0..60).find_map(|_| match client.get(path, &tenant.token) {
        Ok(answer) if answer.status == 200 => None,
        answer => Some(answer),
    });
    let fast = fast.ok_or_else(|| Failure::failed("60 calls in a row were not too fast"))??;
    refusal(&mut checked, &fast, "too fast", 429, "rate-limited")?;
    let wait = fast.header("retry-after");
    checked.that(
        !wait.is_empty(),
        format!("and is told to come back after {wait} s"),
        "it is not",
    )?;
    recorded.push((fast.request_id().to_owned(), "rate-limited"));

    let until = Duration::from_secs(2) + LEEWAY;
    std::thread::sleep(
        until
            .saturating_sub(short_lived.made.elapsed())
            .max(Duration::from_secs(2)),
    );
    let expired = client.get(path, &short_lived.token)?;
    refusal(
        &mut checked,
        &expired,
        "an expired token",
        401,
        "token-expired",
    )?;
    recorded.push((expired.request_id().to_owned(), "token-expired"));

    let entries = client
        .get("/v1/audit/entries?limit=1000", &tenant.token)?
        .expect(200)?;
    let all = entries.get("data").and_then(serde_json::Value::as_array);
    for (request_id, reason) in &recorded {
        let found = all.into_iter().flatten().any(|entry| {
            text(entry, "/event/request_id") == request_id
                && text(entry, "/event/reason") == *reason
        });
        checked.that(
            found,
            format!("the tenant's log has {reason} [{request_id}]"),
            "it has not",
        )?;
    }
    let refused = events(&entries, "audit.log").count();
    checked.that(refused > 0, "reads are in the log too", refused)?;
    transcript.step(
        10,
        "a request that misses a gate gets its problem document",
        &checked,
    );
    Ok(())
}

fn refusal(
    checked: &mut Checked,
    answer: &Response,
    name: &str,
    status: u16,
    problem: &str,
) -> Result<(), Failure> {
    let document = answer.json().unwrap_or_default();
    let id = answer.request_id();
    let whole = answer.header("content-type") == "application/problem+json"
        && !id.is_empty()
        && text(&document, "/request_id") == id;
    checked.that(
        answer.status == status && answer.problem() == problem && whole,
        format!("{name}: {status} {problem} [{id}]"),
        &answer.text,
    )
}
