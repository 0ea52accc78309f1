//! Every example is run: each ends by itself, and badly if what it claims is false.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::process::Command;

#[track_caller]
fn ends_well(program: &str) -> String {
    let output = Command::new(program).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}{complaint}");
    told
}

#[test]
fn envelope() {
    assert!(ends_well(env!("CARGO_BIN_EXE_envelope")).contains("by another tenant: open: failed"));
}

#[test]
fn envelope_rotation() {
    let told = ends_well(env!("CARGO_BIN_EXE_envelope_rotation"));
    assert!(told.contains("rewrapped under version 2, body untouched"));
    assert!(told.contains("without the key: open: failed"));
}

#[test]
fn envelope_recipients() {
    let told = ends_well(env!("CARGO_BIN_EXE_envelope_recipients"));
    assert!(told.contains("the vault opens it"));
    assert!(told.contains("the auditor, once removed: open: failed"));
}

#[test]
fn envelope_lookup() {
    let told = ends_well(env!("CARGO_BIN_EXE_envelope_lookup"));
    assert!(told.contains("found user 1 by the tag of an address"));
}

#[test]
fn envelope_layers() {
    let told = ends_well(env!("CARGO_BIN_EXE_envelope_layers"));
    assert!(told.contains("with the tenant's key alone: open: failed"));
}

#[test]
fn auditchain() {
    assert!(ends_well(env!("CARGO_BIN_EXE_auditchain")).contains("after tampering: "));
}

#[test]
fn webhook() {
    assert!(ends_well(env!("CARGO_BIN_EXE_webhook")).contains("replay: refused"));
}

#[test]
fn webhook_rotation() {
    let told = ends_well(env!("CARGO_BIN_EXE_webhook_rotation"));
    assert!(told.contains("overlap: the secret and the public key both verify"));
    assert!(told.contains("afterwards: the public key alone"));
}

#[test]
fn apikey() {
    assert!(ends_well(env!("CARGO_BIN_EXE_apikey")).contains("(log: revoked)"));
}

#[test]
fn apikey_revocation() {
    let told = ends_well(env!("CARGO_BIN_EXE_apikey_revocation"));
    assert!(told.contains("first node:  revoked"));
    assert!(told.contains("second node: accepted from memory, before"));
    assert!(told.contains("second node: not accepted: no lease"));
}

#[test]
fn pii() {
    assert!(ends_well(env!("CARGO_BIN_EXE_pii")).contains("blocked by policy: gov.ssn.us"));
}

#[test]
fn tenant_token() {
    assert!(ends_well(env!("CARGO_BIN_EXE_tenant_token")).contains("later: token: expired"));
}

#[test]
fn rls() {
    let told = ends_well(env!("CARGO_BIN_EXE_rls"));
    assert!(told.contains("alter table public.assessments force row level security;"));
}

#[test]
fn pii_reversible() {
    let told = ends_well(env!("CARGO_BIN_EXE_pii_reversible"));
    assert!(told.contains("withheld: 1"), "{told}");
}

#[test]
fn llm_wire() {
    assert!(ends_well(env!("CARGO_BIN_EXE_llm_wire")).contains("cannot be redacted"));
}
