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
fn auditchain() {
    assert!(ends_well(env!("CARGO_BIN_EXE_auditchain")).contains("after tampering: "));
}

#[test]
fn webhook() {
    assert!(ends_well(env!("CARGO_BIN_EXE_webhook")).contains("replay: refused"));
}

#[test]
fn apikey() {
    assert!(ends_well(env!("CARGO_BIN_EXE_apikey")).contains("(log: revoked)"));
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
fn llm_wire() {
    assert!(ends_well(env!("CARGO_BIN_EXE_llm_wire")).contains("cannot be redacted"));
}
