//! Sealing and opening for services in other languages: they keep the records, not the keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use strongroom_auditchain::Outcome;
use strongroom_envelope::{
    EncryptionContext, KeyLocation, KeyRef, MAX_COMPACT, MAX_CONTEXT_PAIRS, inspect,
};
use zeroize::{Zeroize, Zeroizing};

use super::internal;
use super::keys::{self, Recorded};
use crate::app::App;
use crate::body::Json;
use crate::gates::{Caller, RequestContext, RequestHandle};
use crate::keystore::{EXPORT, KeyStoreError, TENANT};
use crate::problem::{Kind, Problem};

/// What keeps services' records apart from the platform's own, which nobody opens here.
const USE: (&str, &str) = ("strongroom:use", "service");

/// Something to be sealed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewRecord {
    /// What the record is for: at most 15 pairs. It is not in the record.
    context: BTreeMap<String, String>,
    /// At most 64 KiB, in base64.
    plaintext: String,
    /// `detached`, the default, or `inline`.
    form: Option<String>,
    /// Whose key, if not the tenant's: destroying it makes the record unreadable.
    subject: Option<String>,
}

/// A record to be opened.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedRecord {
    /// What the record is expected to be for.
    context: BTreeMap<String, String>,
    /// The record, in base64.
    sealed: String,
    /// Whose key it is expected to be under, if not the tenant's.
    subject: Option<String>,
}

impl Drop for NewRecord {
    fn drop(&mut self) {
        self.plaintext.zeroize();
    }
}

/// Seals under the tenant's key, or a subject's.
///
/// Detached, the record names a data key that the platform keeps; inline it carries it, wrapped,
/// for exports.
///
/// # Errors
/// `key-destroyed` for a subject whose key was destroyed.
pub async fn seal(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
    Json(asked): Json<NewRecord>,
) -> Result<Response, Problem> {
    let is_inline = match asked.form.as_deref() {
        None | Some("detached") => false,
        Some("inline") => true,
        Some(_) => return Err(refuse("form", "expected detached or inline")),
    };
    let (context, hash) = context(&asked.context)?;
    let plaintext = STANDARD.decode(&asked.plaintext).map(Zeroizing::new);
    let plaintext = plaintext.map_err(|_| refuse("plaintext", "expected base64"))?;
    if plaintext.len() > MAX_COMPACT {
        return Err(refuse("plaintext", "expected at most 65536 bytes"));
    }
    let tenant = caller.tenant();
    let name = kek(asked.subject.as_deref(), is_inline)?;
    let sealed = if is_inline {
        let sealed = app.keys.seal((&tenant, &name), &context, &plaintext);
        sealed.await?.bytes
    } else {
        let sealed = app
            .keys
            .seal_detached((&tenant, &name), &context, &plaintext);
        sealed.await?.1
    };
    done(&app, &request, &caller, ("keys.seal", &name), &hash).await?;
    Ok(axum::Json(json!({ "sealed": STANDARD.encode(sealed) })).into_response())
}

/// Opens what [`seal`] sealed for this tenant, context and subject. The event is durable before
/// the plaintext leaves.
///
/// # Errors
/// `record-unopened` for every record that does not open, whatever the reason.
pub async fn open(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
    Json(asked): Json<SealedRecord>,
) -> Result<Response, Problem> {
    let (context, hash) = context(&asked.context)?;
    let sealed = STANDARD
        .decode(&asked.sealed)
        .map_err(|_| refuse("sealed", "expected base64"))?;
    let location = inspect(&sealed).map_err(|_| unopened())?.key;
    let is_inline = matches!(location, KeyLocation::Inline(_));
    let name = kek(asked.subject.as_deref(), is_inline)?;
    let tenant = caller.tenant();
    let opened = app.keys.open_under(&tenant, &name, &context, &sealed).await;
    let opened = opened.map_err(|error| match error {
        // That a key is gone is not told apart: a subject's erasure is nobody's to find out.
        KeyStoreError::Failed | KeyStoreError::NoKey => unopened(),
        error => error.into(),
    })?;
    done(&app, &request, &caller, ("keys.open", &name), &hash).await?;
    let mut body = json!({ "plaintext": STANDARD.encode(&opened) });
    let response = axum::Json(&body).into_response();
    if let Some(serde_json::Value::String(text)) = body.get_mut("plaintext") {
        text.zeroize();
    }
    Ok(response)
}

/// The event of what was done under a KEK, durable when this returns. What the record is for, and whose
/// it is, may say who somebody is: the leaf has a commitment to the one, and of the other the kind.
async fn done(
    app: &App,
    request: &RequestContext,
    caller: &Caller,
    (kind, name): (&'static str, &KeyRef),
    hash: &str,
) -> Result<(), Problem> {
    let recorded = Recorded {
        app,
        request,
        caller,
    };
    let of = name.as_str().split([':', '/']).next().unwrap_or_default();
    let (resource, tenant) = (format!("kek/{of}"), caller.tenant());
    let of_what = [("context", hash)];
    let appended = recorded.append(tenant, kind, Outcome::Success, &resource, &of_what);
    request.acknowledge(&appended.await?);
    Ok(())
}

/// The KEK of a record by whose it is and by its form.
fn kek(subject: Option<&str>, is_inline: bool) -> Result<KeyRef, Problem> {
    let name = match (subject, is_inline) {
        (None, false) => TENANT.parse(),
        (None, true) => EXPORT.parse(),
        (Some(subject), false) => Ok(keys::subject(subject)?),
        (Some(subject), true) => format!("{EXPORT}/{}", keys::subject(subject)?).parse(),
    };
    name.map_err(internal)
}

/// The context, with the platform's own pair, and what is sealed of it beside the event: a hash, which
/// who knows the pairs can compare.
fn context(pairs: &BTreeMap<String, String>) -> Result<(EncryptionContext, String), Problem> {
    let refused = |reason: String| Problem::new(Kind::InvalidField, reason).with_param("context");
    if pairs.is_empty() || pairs.len() >= MAX_CONTEXT_PAIRS {
        return Err(refuse("context", "expected 1 to 15 pairs"));
    }
    if pairs.keys().any(|key| key.starts_with("strongroom:")) {
        return Err(refuse(
            "context",
            "keys that begin with strongroom: are the platform's",
        ));
    }
    let own = std::iter::once(USE);
    let all = pairs
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()));
    let context = EncryptionContext::new(all.chain(own)).map_err(|e| refused(e.to_string()))?;
    let mut hash = Sha256::new();
    for text in pairs.iter().flat_map(|(key, value)| [key, value]) {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    Ok((context, hex::encode(hash.finalize())))
}

fn refuse(field: &'static str, reason: &'static str) -> Problem {
    Problem::new(Kind::InvalidField, reason).with_param(field)
}

fn unopened() -> Problem {
    Problem::new(Kind::RecordUnopened, "the record does not open")
}
