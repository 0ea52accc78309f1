//! Request bodies: strict JSON of a known shape, or a problem that names the field.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use http::{HeaderMap, header};
use serde::de::DeserializeOwned;

use crate::problem::{Kind, Problem};

/// The longest body of any route but chat, in bytes.
const MAX_BODY: usize = 128 * 1024;

/// How long a body may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A JSON object of the route's own shape: `application/json`, UTF-8, no unknown field, no field
/// twice.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        check_content_type(request.headers())?;
        let bytes = read(request.into_body(), MAX_BODY).await?;
        parse(&bytes).map(Json)
    }
}

/// Refuses a body that does not say it is JSON.
///
/// # Errors
/// A problem of kind `unsupported-media-type`.
pub fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let said = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let mut parts = said.unwrap_or_default().split(';').map(str::trim);
    let json = parts
        .next()
        .is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    let plain = parts.all(|parameter| parameter.eq_ignore_ascii_case("charset=utf-8"));
    if json && plain {
        return Ok(());
    }
    let problem = Problem::new(
        Kind::UnsupportedMediaType,
        "the body must be application/json",
    );
    Err(problem.with_param("content-type"))
}

/// Reads a body of at most so many bytes, within half a minute.
///
/// # Errors
/// A problem of kind `body-too-large`, `body-timeout` or `malformed-request`.
pub async fn read(body: Body, most: usize) -> Result<Bytes, Problem> {
    let Ok(read) = tokio::time::timeout(PATIENCE, to_bytes(body, most)).await else {
        return Err(Problem::new(
            Kind::BodyTimeout,
            "the body did not come in time",
        ));
    };
    read.map_err(unreadable)
}

/// What a body is that could not be read to its end.
#[must_use]
pub fn unreadable(error: axum::Error) -> Problem {
    let mut source: Option<&dyn std::error::Error> = Some(&error);
    while let Some(cause) = source {
        if cause.is::<http_body_util::LengthLimitError>() {
            return Problem::new(Kind::BodyTooLarge, "the body is too long");
        }
        source = cause.source();
    }
    Problem::new(Kind::MalformedRequest, "the body could not be read")
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Problem::new(Kind::InvalidBody, "the body is not UTF-8"))?;
    // A struct can also be read from an array by position; the routes take objects only.
    if !text
        .trim_start_matches([' ', '\t', '\r', '\n'])
        .starts_with('{')
    {
        return Err(Problem::new(
            Kind::InvalidBody,
            "the body must be a JSON object",
        ));
    }
    let mut document = serde_json::Deserializer::from_str(text);
    let parsed = serde_path_to_error::deserialize(&mut document);
    let refused = |field: Option<String>, error: &serde_json::Error| {
        // The parser's own message may quote a value: the place and the field are enough.
        let place = format!(
            "the body is not what this route takes (line {}, column {})",
            error.line(),
            error.column()
        );
        let problem = Problem::new(Kind::InvalidBody, place);
        match field {
            Some(field) => problem.with_param(field),
            None => problem,
        }
    };
    let body = parsed.map_err(|error| {
        let path = error.path().to_string();
        let named = path != "." && path.len() <= 128 && path.chars().all(|c| !c.is_control());
        refused(named.then_some(path), error.inner())
    })?;
    document.end().map_err(|error| refused(None, &error))?;
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Shape {
        name: String,
    }

    #[test]
    fn rejections() {
        for (name, bytes) in [
            ("empty", &b""[..]),
            ("an array", b"[1]"),
            ("an array of the fields", br#"["acme"]"#),
            ("a string", br#""acme""#),
            ("null", b"null"),
            ("unknown field", br#"{"name":"a","x":1}"#),
            ("field twice", br#"{"name":"a","name":"b"}"#),
            ("missing field", b"{}"),
            ("wrong type", br#"{"name":1}"#),
            ("trailing", br#"{"name":"a"}{}"#),
            ("not UTF-8", b"{\"name\":\"\xff\"}"),
            ("half", br#"{"name":"#),
        ] {
            let problem = parse::<Shape>(bytes).map(|shape| shape.name).unwrap_err();
            assert_eq!(problem.kind(), Kind::InvalidBody, "{name}");
        }
        let problem = parse::<Shape>(br#"{"name":1}"#)
            .map(|shape| shape.name)
            .unwrap_err();
        assert_eq!(problem.param(), Some("name"), "the field is named");
        let bomb = "{\"name\":".to_owned() + &"[".repeat(100_000);
        assert!(parse::<Shape>(bomb.as_bytes()).is_err());
        assert_eq!(parse::<Shape>(br#" {"name":"a"}"#).unwrap().name, "a");
    }

    #[test]
    fn content_types() {
        let check = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, text.parse().unwrap());
            check_content_type(&headers).is_ok()
        };
        assert!(check("application/json") && check("Application/JSON; charset=UTF-8"));
        for bad in [
            "text/plain",
            "application/jsonx",
            "application/json; charset=latin1",
            "",
        ] {
            assert!(!check(bad), "{bad}");
        }
        assert!(check_content_type(&HeaderMap::new()).is_err());
    }
}
