//! Steps 7 and 8: a signed webhook, a signed checkpoint and a proof.

use std::fs;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::calls::Call;
use super::http::{Client, text};
use super::platform::Platform;
use super::tenants::Tenant;
use super::transcript::{Checked, Transcript};
use crate::failure::{At as _, Failure};
use crate::program;

/// Step 7.
pub(crate) fn webhooks(
    transcript: &mut Transcript,
    platform: &Platform,
    tenant: &Tenant,
) -> Result<(), Failure> {
    let mut checked = Checked::default();
    let client = &platform.client;
    let body = json!({ "url": platform.subscriber });
    let endpoint = client
        .post("/v1/webhooks", &tenant.token, &body)?
        .expect(201)?;
    let secret = platform.file("webhook-secret", text(&endpoint, "/secret").as_bytes())?;
    let body = json!({ "capabilities": ["chat:create"] });
    let issued = client.post("/v1/api-keys", &tenant.token, &body)?;
    checked.of_request(issued.request_id());
    issued.expect(201)?;

    let path = platform.folder.join("subscriber/1.json");
    let began = Instant::now();
    while !path.exists() {
        if began.elapsed() > Duration::from_secs(20) {
            return Err(Failure::failed("no webhook was delivered"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    // The record appears before it is whole.
    std::thread::sleep(Duration::from_millis(200));
    let record = fs::read_to_string(&path).at(&path)?;
    let record: Value = serde_json::from_str(&record)
        .map_err(|error| Failure::failed(format!("the subscriber's record: {error}")))?;
    checked.that(
        record.get("status") == Some(&json!(204)),
        "the subscriber verified the delivery",
        &record,
    )?;
    let place = path.display().to_string();
    let official = platform.script("check_webhook.py", &[&place, &secret], &[])?;
    checked.that(
        official == "accepted",
        "the official library accepts it",
        &official,
    )?;

    let headers: Vec<(String, String)> = record
        .get("headers")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter(|(name, _)| name.starts_with("webhook-") || *name == "content-type")
        .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect();
    let bytes = decode_base64(platform, text(&record, "/body_base64"))?;
    let late = Client::new(&platform.late_subscriber).send_raw("/hook", &headers, bytes)?;
    checked.that(
        late.status == 401 && late.header("content-type") == "application/problem+json",
        format!(
            "a subscriber whose clock is 301 s later refuses the same bytes: 401, {}",
            late.problem()
        ),
        &late.text,
    )?;

    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let old = (now - 360).to_string();
    let body = platform.file("old-body", b"{\"type\":\"demo\"}")?;
    let mut sign = platform.cli(&[
        "webhook",
        "sign",
        "--secret-file",
        &secret,
        "--id",
        "msg_old",
    ]);
    sign.args(["--timestamp", &old, "--json", &body]);
    let signed = program::output(&mut sign)?;
    let signed: Value = serde_json::from_str(&signed)
        .map_err(|error| Failure::failed(format!("webhook sign: {error}: {signed}")))?;
    let record = json!({
        "headers": signed.get("headers").unwrap_or(&signed),
        "body_base64": "eyJ0eXBlIjoiZGVtbyJ9",
    });
    let place = platform.file("old.json", record.to_string().as_bytes())?;
    let official = platform.script("check_webhook.py", &[&place, &secret], &[])?;
    checked.that(
        official.starts_with("refused") && official.contains("old"),
        format!("the official library refuses one that was signed six minutes back ({official})"),
        &official,
    )?;
    transcript.step(
        7,
        "a signed webhook is delivered, and only fresh ones are taken",
        &checked,
    );
    Ok(())
}

/// Step 8.
pub(crate) fn checkpoint_and_proof(
    transcript: &mut Transcript,
    platform: &Platform,
    tenant: &Tenant,
    call: &Call,
) -> Result<(), Failure> {
    let mut checked = Checked::default();
    let client = &platform.client;
    let signed = client.post("/v1/audit/checkpoints", &tenant.token, &json!({}))?;
    checked.of_request(signed.request_id());
    if signed.status != 200 {
        return Err(Failure::failed(format!("no checkpoint: {}", signed.text)));
    }
    let size = signed.text.lines().nth(1).unwrap_or_default().to_owned();
    checked.that(
        !size.is_empty(),
        format!("a checkpoint over {size} entries is signed"),
        "none",
    )?;
    let log = client.get("/v1/audit/log", &tenant.token)?.expect(200)?;
    let index = text(&call.entry, "/index");
    let proof = client.get(&format!("/v1/audit/entries/{index}/proof"), &tenant.token)?;
    let proof = platform.file("entry.tlog-proof", proof.text.as_bytes())?;
    let key = text(&log, "/checkpoint_key");
    let origin = text(&log, "/origin");
    let leaf_hash = text(&call.entry, "/leaf_hash");
    let verify = [
        "audit", "verify", "--proof", &proof, "--key", key, "--origin", origin,
    ];
    let mut good = platform.cli(&verify);
    good.args(["--leaf-hash", leaf_hash]);
    let said = program::output(&mut good)?;
    checked.that(
        said.contains(origin),
        format!(
            "entry {index} is proven offline by `strongroom audit verify` with the public key alone"
        ),
        &said,
    )?;
    let mut bad = platform.cli(&verify);
    bad.args([
        "--leaf-hash",
        "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    ]);
    let refused = bad
        .output()
        .map_err(|error| Failure::cannot_run(format!("strongroom: {error}")))?;
    let code = refused.status.code();
    checked.that(
        code == Some(1),
        "another leaf under the same proof is refused",
        format!("{code:?}"),
    )?;
    transcript.step(8, "a checkpoint is signed and an entry is proven", &checked);
    Ok(())
}

/// Decodes base64 with the demo's Python: the tool at hand.
fn decode_base64(platform: &Platform, text: &str) -> Result<Vec<u8>, Failure> {
    let mut command = std::process::Command::new(&platform.python);
    command.args([
        "-c",
        "import base64,sys;sys.stdout.buffer.write(base64.b64decode(sys.argv[1]))",
    ]);
    let output = command
        .arg(text)
        .output()
        .map_err(|error| Failure::cannot_run(format!("python: {error}")))?;
    Ok(output.stdout)
}
