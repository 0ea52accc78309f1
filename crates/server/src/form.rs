//! Form bodies, as OAuth's endpoints take them: each parameter at most once.

use axum::extract::{FromRequest, Request};
use http::{HeaderMap, header};
use zeroize::Zeroizing;

use crate::body;
use crate::problem::{Kind, Problem};

/// The longest form, in bytes.
const MAX_FORM: usize = 16 * 1024;

/// Most parameters of a form.
const MAX_PARAMETERS: usize = 32;

/// The parameters of a form. Those that a route does not know are passed over (RFC 6749, section
/// 3.2); they may be secret, so they are wiped.
pub struct Form(Vec<(String, Zeroizing<String>)>);

impl Form {
    /// A parameter; one without a value is one that is not there (RFC 6749, section 3.2).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// A parameter that must be there.
    ///
    /// # Errors
    /// A problem that names it.
    pub fn require(&self, name: &'static str) -> Result<&str, Problem> {
        self.get(name).ok_or_else(|| {
            let problem = Problem::new(Kind::InvalidField, "the parameter is missing");
            problem.with_param(name)
        })
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        check_content_type(request.headers())?;
        let bytes = body::read(request.into_body(), MAX_FORM).await?;
        parse(&bytes)
    }
}

fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let said = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let mut parts = said.unwrap_or_default().split(';').map(str::trim);
    let is_form = parts
        .next()
        .is_some_and(|essence| essence.eq_ignore_ascii_case("application/x-www-form-urlencoded"));
    if is_form && parts.all(|parameter| parameter.eq_ignore_ascii_case("charset=utf-8")) {
        return Ok(());
    }
    let problem = Problem::new(
        Kind::UnsupportedMediaType,
        "the body must be application/x-www-form-urlencoded",
    );
    Err(problem.with_param("content-type"))
}

fn parse(bytes: &[u8]) -> Result<Form, Problem> {
    let mut parameters: Vec<(String, Zeroizing<String>)> = Vec::new();
    for (name, value) in form_urlencoded::parse(bytes) {
        let value = Zeroizing::new(value.into_owned());
        if parameters.iter().any(|(known, _)| *known == name) {
            let problem = Problem::new(Kind::InvalidField, "the parameter is given twice");
            // Only a name of ours: any other could be a secret in the wrong place.
            return Err(match known(&name) {
                Some(name) => problem.with_param(name),
                None => problem,
            });
        }
        if parameters.len() == MAX_PARAMETERS {
            return Err(Problem::new(Kind::InvalidBody, "too many parameters"));
        }
        parameters.push((name.into_owned(), value));
    }
    Ok(Form(parameters))
}

fn known(name: &str) -> Option<&'static str> {
    [
        "grant_type",
        "refresh_token",
        "client_id",
        "token",
        "token_type_hint",
        "scope",
    ]
    .into_iter()
    .find(|known| *known == name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parameters_are_decoded_and_empty_ones_are_absent() {
        let form = parse(b"grant_type=refresh_token&a=%2B+x&client_id=").ok();
        let form = form.unwrap_or(Form(Vec::new()));
        assert_eq!(form.get("grant_type"), Some("refresh_token"));
        assert_eq!(form.get("a"), Some("+ x"));
        assert_eq!(form.get("client_id"), None);
        let missing = form.require("client_id").err();
        assert_eq!(missing.as_ref().and_then(Problem::param), Some("client_id"));
    }

    #[test]
    fn rejections() {
        let many = "a=1&".repeat(40);
        let distinct: String = (0..40).map(|n| format!("p{n}=1&")).collect();
        for (name, body, param) in [
            ("a parameter twice", "token=a&token=b", Some("token")),
            ("twice, once empty", "token=a&token=", Some("token")),
            ("twice, once encoded", "token=a&t%6fken=b", Some("token")),
            ("an unknown one twice", "secret=a&secret=b", None),
            ("one forty times", many.as_str(), None),
            ("forty parameters", distinct.as_str(), None),
        ] {
            let problem = parse(body.as_bytes()).err();
            let problem = problem.unwrap_or_else(|| panic!("{name}: accepted"));
            assert_eq!(problem.param(), param, "{name}");
        }
        for bad in [
            "application/json",
            "application/x-www-form-urlencoded; charset=latin1",
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, bad.parse().unwrap());
            assert!(check_content_type(&headers).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_form_or_refused(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
