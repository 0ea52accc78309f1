//! The demo's HTTP client: what a user of the platform would send with any other.

use serde_json::Value;

use crate::failure::Failure;

/// Speaks to one server, with one credential.
pub(crate) struct Client {
    agent: ureq::Agent,
    base: String,
}

/// A response, whatever its status.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) text: String,
    headers: Vec<(String, String)>,
}

impl Client {
    pub(crate) fn new(base: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(std::time::Duration::from_secs(30)))
            .build();
        Self {
            agent: config.into(),
            base: base.to_owned(),
        }
    }

    pub(crate) fn get(&self, path: &str, credential: &str) -> Result<Response, Failure> {
        self.send("GET", path, credential, None)
    }

    pub(crate) fn post(
        &self,
        path: &str,
        credential: &str,
        body: &Value,
    ) -> Result<Response, Failure> {
        self.send("POST", path, credential, Some(body))
    }

    /// Sends a request; an empty credential is none.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        credential: &str,
        body: Option<&Value>,
    ) -> Result<Response, Failure> {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        if !credential.is_empty() {
            request = request.header("authorization", format!("Bearer {credential}"));
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let text = body.map(ToString::to_string).unwrap_or_default();
        let request = request
            .body(text)
            .map_err(|error| Failure::failed(format!("{path}: {error}")))?;
        self.run(request, path)
    }

    /// Sends bytes with headers of one's own.
    pub(crate) fn send_raw(
        &self,
        path: &str,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> Result<Response, Failure> {
        let mut request = ureq::http::Request::builder()
            .method("POST")
            .uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request
            .body(body)
            .map_err(|error| Failure::failed(format!("{path}: {error}")))?;
        self.run(request, path)
    }

    fn run<B: ureq::AsSendBody>(
        &self,
        request: ureq::http::Request<B>,
        path: &str,
    ) -> Result<Response, Failure> {
        let wrong = |error: ureq::Error| Failure::failed(format!("{path}: {error}"));
        let mut response = self.agent.run(request).map_err(wrong)?;
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| {
                (
                    name.to_string(),
                    value.to_str().unwrap_or_default().to_owned(),
                )
            })
            .collect();
        let status = response.status().as_u16();
        let text = response.body_mut().read_to_string().map_err(wrong)?;
        Ok(Response {
            status,
            text,
            headers,
        })
    }
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self
            .headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    pub(crate) fn request_id(&self) -> &str {
        self.header("x-request-id")
    }

    pub(crate) fn json(&self) -> Result<Value, Failure> {
        serde_json::from_str(&self.text)
            .map_err(|error| Failure::failed(format!("not JSON ({error}): {}", self.text)))
    }

    /// The body, of a request that must have gone well.
    pub(crate) fn expect(&self, status: u16) -> Result<Value, Failure> {
        if self.status != status {
            let what = format!(
                "expected status {status}, got {}: {}",
                self.status, self.text
            );
            return Err(Failure::failed(what));
        }
        if self.text.is_empty() {
            Ok(Value::Null)
        } else {
            self.json()
        }
    }

    /// The last part of a problem's type, or nothing.
    pub(crate) fn problem(&self) -> String {
        let document = self.json().unwrap_or_default();
        let kind = document
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or_default();
        kind.rsplit('/').next().unwrap_or_default().to_owned()
    }
}

/// A text member, or nothing.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}
