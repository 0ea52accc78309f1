//! A certified OpenID provider for real: what its code flow ends with is accepted.
//!
//! `cargo xtask soak --only oidc` installs it and names its folder; without that the test is left
//! out.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::login::person;
use crate::platform::on_platform;

/// Names the folder in which the provider's packages are. Not `STRONGROOM_`: those are the
/// server's configuration.
const FOLDER: &str = "OIDC_PROVIDER";

/// The provider's process; it ends with this value.
struct Provider {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Provider {
    fn start() -> Self {
        let folder = std::env::var_os(FOLDER).expect("OIDC_PROVIDER is not set");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oidc/provider.mjs");
        let mut child = Command::new("node")
            .arg(script)
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            input: child.stdin.take().unwrap(),
            output,
            _child: child,
        }
    }

    /// The next line that is for us: the provider has words of its own.
    async fn said(&mut self) -> Value {
        let patience = Duration::from_secs(60);
        loop {
            let line = tokio::time::timeout(patience, self.output.next_line()).await;
            let line = line.unwrap().unwrap().expect("the provider ended");
            if line.starts_with('{') {
                return serde_json::from_str(&line).unwrap();
            }
        }
    }

    async fn id_token(&mut self, question: Value) -> String {
        let line = format!("{question}\n");
        self.input.write_all(line.as_bytes()).await.unwrap();
        self.said().await["id_token"].as_str().unwrap().to_owned()
    }
}

#[test]
#[ignore = "needs node and the provider's packages: cargo xtask soak --only oidc"]
fn a_certified_provider_s_id_tokens_are_accepted() {
    on_platform(|running| async move {
        let tenant = running.tenant("certified").await;
        let mut provider = Provider::start();
        let found = provider.said().await;
        let issuer = found["issuer"].as_str().unwrap();
        for (client, algorithm) in [("console-rs256", "RS256"), ("console-es256", "ES256")] {
            let path = format!("/v1/identity-providers/{client}");
            let body = json!({
                "profile": "oidc",
                "issuer": issuer,
                "client_id": client,
                "jwks_url": found["jwks_url"],
                "algorithms": [algorithm],
                "capabilities": ["chat:create"],
            });
            let made = running
                .send("PUT", &path, Some(&tenant.token), Some(body))
                .await;
            assert_eq!(made.status, 201, "{}", made.text);
        }
        let alice = person(running, &tenant, issuer, "alice").await;
        let log_in = async |client: &str, token: &str, nonce: Value| {
            let body = json!({ "tenant_id": tenant.id, "id_token": token, "nonce": nonce });
            let path = format!("/v1/login/{client}");
            running.send("POST", &path, None, Some(body)).await
        };
        for (client, other) in [
            ("console-rs256", "console-es256"),
            ("console-es256", "console-rs256"),
        ] {
            let question = json!({ "client": client, "login": "alice", "nonce": "n-1" });
            let token = provider.id_token(question).await;
            let answer = log_in(client, &token, json!("n-1")).await;
            assert_eq!(answer.status, 200, "{client}: {}", answer.text);
            let access = answer.json()["access_token"].as_str().unwrap().to_owned();
            let now = running.app.clock.unix_seconds();
            let verified = running
                .app
                .token_keys
                .verifier()
                .await
                .unwrap()
                .verify(&access, now)
                .unwrap();
            assert_eq!(verified.claims().actor.id(), &alice);
            for (client, nonce) in [
                (client, json!("n-2")),
                (client, Value::Null),
                (other, json!("n-1")),
            ] {
                let refused = log_in(client, &token, nonce).await;
                assert_eq!(refused.slug(), "credential-refused", "{client}");
            }
            let bare = json!({ "client": client, "login": "alice" });
            let token = provider.id_token(bare).await;
            assert_eq!(log_in(client, &token, Value::Null).await.status, 200);
        }
    });
}
