//! Bad input is a typed problem: never a 500, never half a write.

use serde_json::json;

use crate::platform::{Answer, Running, client, on_platform};

async fn raw(
    running: &Running,
    token: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Answer {
    let mut call = client()
        .request(method.parse().unwrap(), running.url(path))
        .header("authorization", format!("Bearer {token}"))
        .body(body);
    for (name, value) in headers {
        call = call.header(*name, *value);
    }
    Answer::of(call.send().await.unwrap()).await
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn bodies() {
    on_platform(|running| async move {
        let tenant = running.tenant("bodies").await;
        let chat = |messages: &str| format!(r#"{{"model":"gpt-bad","messages":{messages}}}"#);
        let user = |content: &str| chat(&format!(r#"[{{"role":"user","content":{content}}}]"#));
        let cases: Vec<(&str, Vec<u8>, u16, &str)> = vec![
            ("empty", vec![], 400, "invalid-body"),
            ("not JSON", b"hello".to_vec(), 400, "invalid-body"),
            ("an array", b"[1]".to_vec(), 400, "invalid-body"),
            ("a number", b"1".to_vec(), 400, "invalid-body"),
            ("null", b"null".to_vec(), 400, "invalid-body"),
            (
                "not UTF-8",
                user("\"x\"").replace('x', "\u{1}").into_bytes(),
                400,
                "invalid-body",
            ),
            (
                "invalid UTF-8",
                [b"{\"model\":\"".as_slice(), b"\xff\"}"].concat(),
                400,
                "invalid-body",
            ),
            ("a JSON bomb", "[".repeat(200_000).into_bytes(), 400, "*"),
            (
                "a bomb in a field",
                user(&("[".repeat(50_000) + &"]".repeat(50_000))).into_bytes(),
                400,
                "*",
            ),
            (
                "a field twice",
                br#"{"model":"a","model":"b","messages":[]}"#.to_vec(),
                400,
                "*",
            ),
            ("no messages", br#"{"model":"gpt-bad"}"#.to_vec(), 400, "*"),
            ("empty messages", chat("[]").into_bytes(), 400, "*"),
            ("messages of numbers", chat("[1]").into_bytes(), 400, "*"),
            (
                "an unknown field",
                br#"{"model":"gpt-bad","messages":[{"role":"user","content":"x"}],"hack":1}"#
                    .to_vec(),
                400,
                "invalid-field",
            ),
            (
                "streaming",
                br#"{"model":"gpt-bad","messages":[{"role":"user","content":"x"}],"stream":true}"#
                    .to_vec(),
                400,
                "stream-unsupported",
            ),
            (
                "an image",
                user(r#"[{"type":"image_url","image_url":{"url":"https://x.example/a.png"}}]"#)
                    .into_bytes(),
                400,
                "invalid-field",
            ),
            (
                "trailing data",
                (user("\"x\"") + "{}").into_bytes(),
                400,
                "invalid-body",
            ),
            (
                "too long",
                user(&format!("\"{}\"", "x".repeat(1 << 20))).into_bytes(),
                413,
                "body-too-large",
            ),
        ];
        for (name, body, status, slug) in cases {
            let path = "/v1/chat/completions";
            let answer = raw(running, &tenant.token, "POST", path, &[JSON], body).await;
            assert_eq!(answer.status, status, "{name}: {}", answer.text);
            let said = answer.slug();
            assert!(
                slug == "*" && said.starts_with("invalid-") || said == slug,
                "{name}: {said}"
            );
            assert_eq!(answer.json()["error"]["code"], said, "{name}");
        }
        let sent = running.provider.received.lock().unwrap().clone();
        assert!(
            sent.iter().all(|(_, body)| body["model"] != "gpt-bad"),
            "a refused call went out"
        );
        let entries = running.entries(&tenant.token).await;
        assert!(
            entries
                .iter()
                .all(|entry| entry["event"]["kind"] != "chat.attempt")
        );
    });
}

#[test]
fn headers_and_routes() {
    on_platform(|running| async move {
        let tenant = running.tenant("headers").await;
        let ask = async |method: &str, path: &str, headers: &[(&str, &str)]| {
            raw(
                running,
                &tenant.token,
                method,
                path,
                headers,
                b"{}".to_vec(),
            )
            .await
            .slug()
        };
        let chat = "/v1/chat/completions";
        assert_eq!(ask("POST", chat, &[]).await, "unsupported-media-type");
        assert_eq!(
            ask("POST", chat, &[("content-type", "text/plain")]).await,
            "unsupported-media-type"
        );
        assert_eq!(
            ask("POST", chat, &[JSON, ("content-type", "text/plain")]).await,
            "malformed-request"
        );
        assert_eq!(
            ask("POST", chat, &[JSON, ("content-encoding", "gzip")]).await,
            "unsupported-media-type"
        );
        assert_eq!(
            ask("POST", chat, &[JSON, ("authorization", "Bearer x")]).await,
            "malformed-request"
        );
        assert_eq!(
            ask("POST", chat, &[JSON, ("x-api-key", "cust_live_x")]).await,
            "malformed-request"
        );
        let long = "x".repeat(40_000);
        assert_eq!(
            ask("GET", "/v1/audit/log", &[("x-any", &long)]).await,
            "headers-too-large"
        );
        let long = format!("/v1/audit/log?x={}", "x".repeat(9_000));
        assert_eq!(ask("GET", &long, &[]).await, "headers-too-large");
        assert_eq!(ask("GET", chat, &[]).await, "method-not-allowed");
        assert_eq!(ask("GET", "/v1/nonsense", &[]).await, "route-unknown");
        assert_eq!(
            ask("GET", "/v1/audit/entries?limit=0", &[]).await,
            "invalid-field"
        );
        assert_eq!(
            ask("GET", "/v1/audit/entries?limit=x", &[]).await,
            "malformed-request"
        );
        assert_eq!(
            ask("GET", "/v1/audit/entries?unknown=1", &[]).await,
            "malformed-request"
        );
        assert_eq!(
            ask("GET", "/v1/audit/entries/-1/proof", &[]).await,
            "malformed-request"
        );
        assert_eq!(
            ask("DELETE", "/v1/api-keys/nonsense", &[]).await,
            "not-found"
        );
        assert_eq!(
            ask("GET", "/v1/webhooks/nonsense/deliveries", &[]).await,
            "not-found"
        );
        assert_eq!(
            ask("PUT", "/v1/providers/No%20Name/credential", &[JSON]).await,
            "invalid-body"
        );
    });
}

#[test]
fn fields() {
    on_platform(|running| async move {
        let tenant = running.tenant("fields").await;
        let keys = "/v1/api-keys";
        let cases = [
            (
                "PUT",
                "/v1/providers/Bad_Name/credential",
                json!({"credential": "x"}),
                "name",
            ),
            (
                "PUT",
                "/v1/providers/a/credential",
                json!({"credential": ""}),
                "credential",
            ),
            (
                "PUT",
                "/v1/providers/a/credential",
                json!({"credential": "a b"}),
                "credential",
            ),
            (
                "POST",
                keys,
                json!({"capabilities": ["root:all"]}),
                "capabilities",
            ),
            ("POST", keys, json!({"capabilities": []}), "capabilities"),
            (
                "POST",
                keys,
                json!({"capabilities": ["chat:create", "chat:create"]}),
                "capabilities",
            ),
            (
                "POST",
                keys,
                json!({"capabilities": ["chat:create"], "environment": "x"}),
                "environment",
            ),
            (
                "POST",
                keys,
                json!({"capabilities": ["chat:create"], "expires_in": 0}),
                "expires_in",
            ),
            (
                "POST",
                keys,
                json!({"capabilities": ["tenants:create"]}),
                "capabilities",
            ),
            (
                "POST",
                "/v1/webhooks",
                json!({"url": "ftp://x.example/"}),
                "url",
            ),
            (
                "POST",
                "/v1/webhooks",
                json!({"url": "http://x@127.0.0.1/"}),
                "url",
            ),
            (
                "PUT",
                "/v1/policy",
                json!({"source": "version = 'x'"}),
                "source",
            ),
        ];
        for (method, path, body, field) in cases {
            let answer = running
                .send(method, path, Some(&tenant.token), Some(body.clone()))
                .await;
            assert!(
                matches!(answer.status, 400 | 403),
                "{path} {body}: {}",
                answer.text
            );
            assert_eq!(answer.problem()["error"]["param"], field, "{path} {body}");
        }
        let names = [
            json!({"name": ""}),
            json!({"name": "a\u{7}"}),
            json!({"name": "x".repeat(201)}),
        ];
        for body in names {
            let answer = running
                .send("POST", "/v1/tenants", Some(&running.admin_key), Some(body))
                .await;
            assert_eq!(answer.slug(), "invalid-field");
        }
        let listed = running
            .send("GET", "/v1/api-keys", Some(&tenant.token), None)
            .await;
        assert_eq!(
            listed.json()["data"].as_array().unwrap().len(),
            1,
            "only the owner's key"
        );
    });
}

/// The client's id is kept beside when it is safe, and never becomes ours.
#[test]
fn request_ids_are_our_own() {
    on_platform(|running| async move {
        let tenant = running.tenant("ids").await;
        for theirs in ["mine-1", "a\u{e9}", &"x".repeat(500)] {
            let header = [("x-client-request-id", theirs), ("x-request-id", theirs)];
            let answer = raw(
                running,
                &tenant.token,
                "GET",
                "/v1/audit/log",
                &header,
                Vec::new(),
            )
            .await;
            assert_eq!(answer.status, 200);
            let ours = answer.header("x-request-id");
            assert!(
                ours.parse::<strongroom_tenancy::RequestId>().is_ok(),
                "{ours}"
            );
            assert_eq!(ours, answer.header("request-id"));
        }
    });
}

/// A secret that is pasted where an id belongs is refused, and is not what the log says.
#[test]
fn what_is_pasted_into_a_path_or_a_url_does_no_harm() {
    on_platform(|running| async move {
        let tenant = running.tenant("pasted").await;
        let odd = json!({ "url": "https://example.com/\u{0}" });
        let made = running
            .send("POST", "/v1/webhooks", Some(&tenant.token), Some(odd))
            .await;
        assert!(matches!(made.status, 201 | 400), "{}", made.text);
        let path = format!("/v1/api-keys/{}", "cust_live_".repeat(8));
        let answer = running
            .send("DELETE", &path, Some(&tenant.token), None)
            .await;
        assert_eq!(answer.slug(), "not-found");
        assert!(!answer.text.contains("cust_live_"));
    });
}
