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

#[test]
fn es256_and_every_claim_go_through() {
    let shell = Shell::new();
    shell.run("token keygen --alg ES256 --out key").ends_with(0);
    assert_private(&shell.path("key"));
    let jwks = shell.run("token jwks --key-file key").ends_with(0);
    assert!(jwks.text().contains(r#""alg":"ES256""#) && !jwks.text().contains(r#""d":"#));
    shell.file("jwks", jwks.text());
    let parties = "--issuer i --audience a";
    let mint = format!("token mint --key-file key {parties} --tenant {TENANT} --actor {ACTOR}");
    let more = "--cap chat:create --amr pwd,otp --acr urn:example:2 --epoch 7 --now 1800000000";
    let minted = shell
        .run(&format!("{mint} {more} --auth-time 1799999999"))
        .ends_with(0);
    let verify = format!("token verify --jwks jwks {parties} --json --now 1800000001");
    let told = shell.run_with(&verify, minted.text()).ends_with(0).json();
    assert_eq!(told["amr"], serde_json::json!(["pwd", "otp"]));
    assert_eq!(told["acr"], "urn:example:2");
    assert_eq!(
        (&told["epoch"], &told["authenticated_at"]),
        (&7.into(), &1_799_999_999_u64.into())
    );

    shell
        .run(&format!("{mint} {more} --auth-time 1800000001"))
        .ends_with(2);
    shell
        .run("token keygen --alg HS256 --out other")
        .ends_with(2);
    shell.run("token keygen --out key").ends_with(2);
}

#[test]
fn a_token_is_shown_and_not_believed() {
    let shell = Shell::new();
    // {"alg":"none"}, {"iss":"a\u001b"}
    let forged = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJhXHUwMDFiIn0.";
    let shown = shell.run_with("token decode", forged).ends_with(0);
    assert!(shown.text().starts_with("not verified\n"));
    assert!(!shown.text().contains('\u{1b}'));
    let shown = shell
        .run_with("token decode --json", forged)
        .ends_with(0)
        .json();
    assert_eq!(
        (&shown["verified"], &shown["header"]["alg"]),
        (&false.into(), &"none".into())
    );
    let padded = shell
        .run_with("token decode --json", "e30=.e30.")
        .ends_with(1);
    assert_eq!(padded.json()["code"], "padded");
    shell.run_with("token decode", "").ends_with(1);
}
