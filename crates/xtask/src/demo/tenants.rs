//! Steps 2 to 4: tenants, their keys and tokens, their provider's credential.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::database::{Superuser, sha256_hex};
use super::http::text;
use super::platform::Platform;
use super::transcript::{Checked, Transcript};
use crate::failure::Failure;
use crate::program;

/// The credential of the demo's provider, visibly fake.
pub(crate) const CREDENTIAL: &str = "sk-demo-not-a-real-credential";

/// A tenant of the demo.
pub(crate) struct Tenant {
    pub(crate) id: String,
    pub(crate) name: String,
    /// The owner's access token.
    pub(crate) token: String,
    /// The key that it issued for its application.
    pub(crate) key: String,
    pub(crate) key_id: String,
    pub(crate) key_file: PathBuf,
}

/// Step 2.
pub(crate) fn create(
    transcript: &mut Transcript,
    platform: &Platform,
) -> Result<(Tenant, Tenant), Failure> {
    let mut checked = Checked::default();
    let acme = tenant(platform, "Acme", &mut checked)?;
    let globex = tenant(platform, "Globex", &mut checked)?;
    let entries = platform
        .client
        .get("/v1/audit/entries", &platform.admin_key)?
        .expect(200)?;
    let created = events(&entries, "tenant.create").count();
    checked.that(
        created == 2,
        "both creations are in the platform's audit log",
        created,
    )?;
    transcript.step(
        2,
        "two tenants are created, and each issues an API key",
        &checked,
    );
    Ok((acme, globex))
}

fn tenant(platform: &Platform, name: &str, checked: &mut Checked) -> Result<Tenant, Failure> {
    let client = &platform.client;
    let made = client.post("/v1/tenants", &platform.admin_key, &json!({ "name": name }))?;
    checked.of_request(made.request_id());
    let made = made.expect(201)?;
    let owner = text(&made, "/owner_key/key");
    let token = client.post("/v1/token", owner, &json!({}))?.expect(200)?;
    let token = text(&token, "/access_token").to_owned();
    let capabilities = [
        "chat:create",
        "audit:read",
        "webhooks:manage",
        "providers:manage",
    ];
    let body = json!({ "capabilities": capabilities });
    let issued = client.post("/v1/api-keys", &token, &body)?.expect(201)?;
    let key = text(&issued, "/key").to_owned();
    let key_id = text(&issued, "/id").to_owned();
    let key_file = PathBuf::from(platform.file(&format!("{name}.key"), key.as_bytes())?);

    let listed = client.get("/v1/api-keys", &token)?;
    let secret = key.rsplit('_').next().unwrap_or(&key);
    checked.that(
        listed.text.contains(&key_id) && !listed.text.contains(secret),
        format!("{name}: key {key_id} was shown once; the list has its id alone"),
        &listed.text,
    )?;
    let row = Superuser::of(platform).query(&format!(
        "select k::text from app.api_keys k where id = '{key_id}'"
    ))?;
    let hash = sha256_hex(key.as_bytes())?;
    checked.that(
        row.contains(&hash) && !row.contains(secret),
        format!("{name}: the database holds its SHA-256 hash and not the key"),
        row,
    )?;
    Ok(Tenant {
        id: text(&made, "/tenant_id").to_owned(),
        name: name.to_owned(),
        token,
        key,
        key_id,
        key_file,
    })
}

/// Step 3.
pub(crate) fn exchange(
    transcript: &mut Transcript,
    platform: &Platform,
    tenant: &Tenant,
) -> Result<(), Failure> {
    let mut checked = Checked::default();
    let answer = platform.client.post("/v1/token", &tenant.key, &json!({}))?;
    checked.of_request(answer.request_id());
    let answer = answer.expect(200)?;
    let life = answer.get("expires_in").and_then(Value::as_u64);
    checked.that(
        life == Some(900),
        "the key buys a token of 15 minutes",
        &answer,
    )?;
    let keys = platform.client.get("/.well-known/jwks.json", "")?;
    keys.expect(200)?;
    let jwks = platform.file("jwks.json", keys.text.as_bytes())?;
    let token = platform.file("token", text(&answer, "/access_token").as_bytes())?;
    let mut verify = platform.cli(&["token", "verify", "--jwks", &jwks]);
    verify.args([
        "--issuer",
        "https://strongroom.localhost",
        "--audience",
        "strongroom-gateway",
    ]);
    verify.arg(&token);
    let said = program::output(&mut verify)?;
    checked.that(
        said.contains(&tenant.id),
        "`strongroom token verify` accepts it with the public JWK Set alone",
        said,
    )?;
    transcript.step(3, "an API key is exchanged for an access token", &checked);
    Ok(())
}

/// Step 4.
pub(crate) fn store_credential(
    transcript: &mut Transcript,
    platform: &Platform,
    tenant: &Tenant,
) -> Result<(), Failure> {
    let mut checked = Checked::default();
    let body = json!({ "credential": CREDENTIAL });
    let path = "/v1/providers/default/credential";
    let stored = platform
        .client
        .send("PUT", path, &tenant.token, Some(&body))?;
    checked.of_request(stored.request_id());
    stored.expect(204)?;
    let sealed = Superuser::of(platform).query(&format!(
        "select encode(sealed, 'escape') from app.provider_credentials where tenant_id = '{}'",
        tenant.id
    ))?;
    checked.that(
        sealed.contains("tenant") && !sealed.contains(CREDENTIAL),
        "the row is sealed under the tenant's own key, wrapped by the KMS",
        "it is not",
    )?;
    for path in ["/v1/providers", "/v1/audit/entries", "/v1/api-keys"] {
        let answer = platform.client.get(path, &tenant.token)?;
        let fact = format!("GET {path} does not return it");
        checked.that(!answer.text.contains(CREDENTIAL), fact, "it does")?;
    }
    transcript.step(4, "the tenant stores its provider's credential", &checked);
    Ok(())
}

/// The events of one kind in a page of entries.
pub(crate) fn events<'a>(page: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> + 'a {
    let entries = page
        .get("data")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    entries
        .iter()
        .filter(move |entry| text(entry, "/event/kind") == kind)
}
