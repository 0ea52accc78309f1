//! Access tokens.

use crate::shell::{Shell, TENANT, assert_private};

const ACTOR: &str = "user:0190b2a4-8c7e-7d3a-9f00-0242ac120003";

#[test]
fn a_token_is_minted_and_verified() {
    let shell = Shell::new();
    shell.run("token keygen --out key").ends_with(0);
    assert_private(&shell.path("key"));
    let jwks = shell.run("token jwks --key-file key").ends_with(0);
    assert!(!jwks.text().contains(r#""d":"#));
    shell.file("jwks", jwks.text());

    let parties = "--issuer https://id.example.com --audience https://api.example.com";
    let mint = format!("token mint --key-file key {parties} --tenant {TENANT} --actor {ACTOR}");
    let minted = shell
        .run(&format!("{mint} --cap chat:create,audit:read"))
        .ends_with(0);
    let verify = format!("token verify --jwks jwks {parties}");
    let told = shell
        .run_with(&format!("{verify} --json"), minted.text())
        .ends_with(0)
        .json();
    assert_eq!(
        (told["tenant"].as_str(), told["actor"].as_str()),
        (Some(TENANT), Some(ACTOR))
    );
    assert_eq!(
        told["capabilities"],
        serde_json::json!(["chat:create", "audit:read"])
    );

    let token = minted.text().trim_end();
    let late = told["expires_at"].as_u64().unwrap() + 30;
    let expired = shell
        .run_with(&format!("{verify} --json --now {late}"), token)
        .ends_with(1);
    assert_eq!(expired.json()["code"], "expired");
    expired.never_says(token);
    let elsewhere = verify.replace("api.example.com", "other.example.com");
    shell
        .run_with(&elsewhere, token)
        .ends_with(1)
        .never_says(token);
    shell
        .run_with(&verify, token.replacen('.', "..", 1))
        .ends_with(1);

    shell.run(&format!("{mint} --cap root:all")).ends_with(2);
    shell
        .run(&format!("{mint} --cap chat:create --lifetime 3601"))
        .ends_with(2);
    shell.run("token jwks --key-file jwks").ends_with(2);
    let seed = "A".repeat(43);
    let wrong = format!(r#"{{"kty":"OKP","crv":"Ed25519","d":"{seed}","x":"{seed}"}}"#);
    shell.file("key", wrong);
    shell
        .run(&format!("{mint} --cap chat:create"))
        .ends_with(2)
        .never_says(&seed);
}
