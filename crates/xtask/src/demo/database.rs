//! Steps 6 and 9: what someone with SQL can do, as the gateway's role and as the superuser.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::json;

use super::calls::Call;
use super::http::text;
use super::platform::Platform;
use super::tenants::Tenant;
use super::transcript::{Checked, Transcript};
use crate::failure::Failure;
use crate::program;

/// The database's superuser, by psql.
pub(crate) struct Superuser<'a> {
    platform: &'a Platform,
}

impl<'a> Superuser<'a> {
    pub(crate) const fn of(platform: &'a Platform) -> Self {
        Self { platform }
    }

    /// Runs one statement and answers its rows as text.
    pub(crate) fn query(&self, sql: &str) -> Result<String, Failure> {
        let mut psql = self.platform.as_user("postgres", Path::new("psql"));
        psql.args([
            "-X",
            "-A",
            "-t",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "postgres",
            "-c",
            sql,
        ]);
        psql.arg(&self.platform.database_url);
        Ok(program::output(&mut psql)?.trim().to_owned())
    }
}

/// A hand-made session of the gateway's role.
struct GatewaySession {
    psql: Child,
    answers: BufReader<ChildStdout>,
}

impl GatewaySession {
    fn open(platform: &Platform) -> Result<Self, Failure> {
        let mut psql = platform.as_user("strongroom", Path::new("psql"));
        psql.args([
            "-X",
            "-A",
            "-t",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "strongroom_gateway",
        ]);
        psql.arg(&platform.database_url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut psql = psql
            .spawn()
            .map_err(|error| Failure::cannot_run(format!("psql: {error}")))?;
        let answers = psql.stdout.take().map(BufReader::new);
        let answers = answers.ok_or_else(|| Failure::failed("psql has no output"))?;
        Ok(Self { psql, answers })
    }

    /// Runs one query of one row with one column. An error ends the session, and so the answer.
    fn ask(&mut self, sql: &str) -> Result<String, Failure> {
        let wrong = |error: std::io::Error| Failure::failed(format!("{sql}: {error}"));
        let input = self
            .psql
            .stdin
            .as_mut()
            .ok_or_else(|| Failure::failed("psql ended"))?;
        writeln!(input, "{sql};")
            .and_then(|()| input.flush())
            .map_err(wrong)?;
        let mut line = String::new();
        if self.answers.read_line(&mut line).map_err(wrong)? == 0 {
            return Err(Failure::failed(format!(
                "{sql}: the session ended with an error"
            )));
        }
        Ok(line.trim().to_owned())
    }

    /// How many rows of any tenant the session sees under a claim.
    fn visible(&mut self, claim: &str) -> Result<u64, Failure> {
        let quoted = claim.replace('\'', "''");
        self.ask(&format!(
            "select set_config('strongroom.claim', '{quoted}', false) is not null"
        ))?;
        let count = self.ask(
            "select (select count(*) from app.audit_leaves) + (select count(*) from app.api_keys) \
             + (select count(*) from app.provider_credentials) + (select count(*) from app.tenants)",
        )?;
        count
            .parse()
            .map_err(|_| Failure::failed(format!("not a count: {count}")))
    }
}

impl Drop for GatewaySession {
    fn drop(&mut self) {
        self.psql.stdin = None;
        let _ = self.psql.wait();
    }
}

/// Step 6.
pub(crate) fn nobody_else_sees_it(
    transcript: &mut Transcript,
    platform: &Platform,
    owner: &Tenant,
    other: &Tenant,
    call: &Call,
) -> Result<(), Failure> {
    let mut checked = Checked::default();
    let theirs = platform
        .client
        .get("/v1/audit/entries?limit=1000", &other.token)?;
    checked.of_request(theirs.request_id());
    theirs.expect(200)?;
    checked.that(
        !theirs.text.contains(&call.request_id) && !theirs.text.contains(&owner.key_id),
        format!("{}'s token sees zero of {}'s rows", other.name, owner.name),
        &theirs.text,
    )?;

    let superuser = Superuser::of(platform);
    let mut session = GatewaySession::open(platform)?;
    let pid = session.ask("select pg_backend_pid()")?;
    let genuine = claim(&superuser, owner, &pid)?;
    let forged = format!(
        "{}{}",
        genuine.get(..genuine.len() - 64).unwrap_or(""),
        "0".repeat(64)
    );
    let replayed = claim(&superuser, owner, "1")?;
    for (name, claim) in [
        ("missing or empty", ""),
        ("forged", &forged),
        ("malformed", "{\"tenant_id\": \"anyone\"}"),
        ("replayed from another connection", &replayed),
    ] {
        let seen = session.visible(claim)?;
        checked.that(
            seen == 0,
            format!("a claim that is {name}: zero rows, no error"),
            seen,
        )?;
    }
    let seen = session.visible(&genuine)?;
    checked.that(
        seen > 0,
        "the control, a genuine claim on the same session: its rows",
        seen,
    )?;
    transcript.step(
        6,
        "nobody else sees it, not even with SQL as the gateway's role",
        &checked,
    );
    Ok(())
}

/// A genuine claim for a backend, made with the key that the superuser can read.
fn claim(superuser: &Superuser<'_>, tenant: &Tenant, pid: &str) -> Result<String, Failure> {
    superuser.query(&format!(
        "with b as (select 'v1.' || kid || '.{}.service:{}.{pid}.' \
           || (extract(epoch from clock_timestamp())::bigint + 50) as body, ipad, opad \
           from priv.claim_key) \
         select body || '.' || encode(sha256(opad || sha256(ipad || convert_to(body, 'UTF8'))), 'hex') \
         from b",
        tenant.id, tenant.id
    ))
}

/// Step 9.
pub(crate) fn a_tampered_leaf_is_named(
    transcript: &mut Transcript,
    platform: &Platform,
    tenant: &Tenant,
) -> Result<(), Failure> {
    let mut checked = Checked::default();
    let post = |path: &str| platform.client.post(path, &tenant.token, &json!({}));
    post("/v1/audit/checkpoints")?;
    let before = post("/v1/audit/verify")?.expect(200)?;
    checked.that(
        before.get("intact") == Some(&json!(true)),
        "before: the log is intact",
        &before,
    )?;
    Superuser::of(platform).query(&format!(
        "begin; alter table app.audit_leaves disable trigger user; \
         update app.audit_leaves set leaf = set_byte(leaf, 30, get_byte(leaf, 30) # 1) \
         where tenant_id = '{}' and idx = 1; \
         alter table app.audit_leaves enable trigger user; commit",
        tenant.id
    ))?;
    let after = post("/v1/audit/verify")?;
    checked.of_request(after.request_id());
    let after = after.expect(200)?;
    let finding = text(&after, "/findings/0").to_owned();
    checked.that(
        after.get("intact") == Some(&json!(false)) && finding.contains("entry 1"),
        format!("after one bit of entry 1 was changed: {finding}"),
        &after,
    )?;
    transcript.step(
        9,
        "the superuser edits an audit leaf, and the verification names it",
        &checked,
    );
    Ok(())
}

/// SHA-256 in hexadecimal, by the system's own program: a second opinion on what is stored.
pub(crate) fn sha256_hex(bytes: &[u8]) -> Result<String, Failure> {
    let wrong = |error: std::io::Error| Failure::cannot_run(format!("sha256sum: {error}"));
    let mut child = Command::new("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(wrong)?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(bytes).map_err(wrong)?;
    }
    let output = child.wait_with_output().map_err(wrong)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned())
}
