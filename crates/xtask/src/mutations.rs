//! The sabotages, each with the test that must go red.

/// One line to break.
pub(crate) struct Mutation {
    pub(crate) name: &'static str,
    /// The file, from the project's top.
    pub(crate) file: &'static str,
    /// A text that occurs exactly once in the file.
    pub(crate) find: &'static str,
    pub(crate) replace: &'static str,
    /// What to tell `cargo test` so that it runs the test that must go red.
    pub(crate) test: &'static str,
}

pub(crate) const MUTATIONS: &[Mutation] = &[
    Mutation {
        name: "claim-any-backend",
        file: "crates/rls/src/install.sql",
        find: "elsif pid <> pg_backend_pid() then",
        replace: "elsif false then",
        test: "-p strongroom-server --test platform -- --exact \
               claim_attacks::a_captured_claim_cannot_be_replayed_on_another_connection",
    },
    Mutation {
        name: "claim-mac-unchecked",
        file: "crates/rls/src/install.sql",
        find: "     <> sha256(convert_to(right(claim, 64), 'UTF8'))",
        replace: "     is null",
        test: "-p strongroom-server --test platform -- --exact \
               claim_attacks::a_bad_claim_reads_as_nobody_without_an_error",
    },
    Mutation {
        name: "claim-never-expires",
        file: "crates/rls/src/install.sql",
        find: "if expiry < extract(epoch from clock_timestamp())",
        replace: "if false",
        test: "-p strongroom-server --test platform -- --exact \
               claim_attacks::a_bad_claim_reads_as_nobody_without_an_error",
    },
    Mutation {
        name: "verifier-searches-pg-temp-first",
        file: "crates/rls/src/install.sql",
        find: "language plpgsql stable security definer parallel restricted\n\
               set search_path = pg_catalog, pg_temp as $$",
        replace: "language plpgsql stable security definer parallel restricted\n\
                  set search_path = pg_catalog as $$",
        test: "-p strongroom-server --test platform -- --exact \
               isolation_check::the_self_check_passes_and_finds_planted_holes",
    },
    Mutation {
        name: "tables-do-not-force-row-security",
        file: "crates/rls/src/names.rs",
        find: "force row level security",
        replace: "no force row level security",
        test: "-p strongroom-server --test platform -- --exact \
               isolation_check::the_self_check_passes_and_finds_planted_holes",
    },
    Mutation {
        name: "dropped-statement-not-cancelled",
        file: "crates/server/src/postgres/session.rs",
        find: "if in_statement && let Ok(stream)",
        replace: "if !in_statement && let Ok(stream)",
        test: "-p strongroom-server --test platform -- --exact \
               dropped_requests::two_hundred_hang_ups_in_mid_statement_never_exceed_the_slots",
    },
    Mutation {
        name: "dirty-connection-goes-back",
        file: "crates/server/src/postgres/transaction.rs",
        find: "            lease.end(self.state == State::InStatement);",
        replace: "            lease.give_back();",
        test: "-p strongroom-server --test platform -- --exact \
               dropped_requests::a_transaction_that_is_only_dropped_writes_nothing",
    },
    Mutation {
        name: "capabilities-widen",
        file: "crates/tenancy/src/capability.rs",
        find: "Self(self.0 & other.0)",
        replace: "Self(self.0 | other.0)",
        test: "-p strongroom-tenancy --lib -- --exact capability::tests::narrowing_never_widens",
    },
    Mutation {
        name: "tenant-id-in-two-spellings",
        file: "crates/tenancy/src/tenant.rs",
        find: "text.len() != 36 || text.bytes().any(|b| b.is_ascii_uppercase())",
        replace: "text.len() != 36",
        test: "-p strongroom-tenancy --lib -- --exact tenant::tests::refuses_every_other_spelling",
    },
    Mutation {
        name: "claim-lives-long",
        file: "crates/rls/src/claim.rs",
        find: "!(1..=MAX_LIFETIME_SECONDS).contains(&self.lifetime)",
        replace: "self.lifetime == 0",
        test: "-p strongroom-rls --lib -- --exact claim::tests::rejections",
    },
    Mutation {
        name: "failed-stage-not-counted",
        file: "crates/xtask/src/stage.rs",
        find: "counts.failed = counts.failed.max(1);",
        replace: "",
        test: "-p xtask -- --exact stage::tests::one_failed_stage_fails_the_tier",
    },
    Mutation {
        name: "package-makes-a-cluster",
        file: "crates/xtask/src/setup.rs",
        find: "packages.contains(&\"postgresql\") && self.forbid_package_cluster()?",
        replace: "false",
        test: "-p xtask -- --exact \
               setup::tests::installs_without_a_question_and_forbids_the_package_s_cluster_first",
    },
    Mutation {
        name: "licences-and-read-as-or",
        file: "crates/xtask/src/tidy/licences.rs",
        find: "answer &= one(rest, takes)?;",
        replace: "answer |= one(rest, takes)?;",
        test: "-p xtask -- --exact tidy::licences::tests::reads_licence_expressions",
    },
    Mutation {
        name: "webhook-window-unchecked",
        file: "crates/webhook-sig/src/verify.rs",
        find: "if timestamp.saturating_sub(now) > self.tolerance {",
        replace: "if false {",
        test: "-p strongroom-webhook-sig the_window_is_inclusive_on_both_sides",
    },
    Mutation {
        name: "webhook-any-mac",
        file: "crates/webhook-sig/src/verify.rs",
        find: "matched |= expected.ct_eq(signature);",
        replace: "matched |= expected.ct_eq(&expected);",
        test: "-p strongroom-webhook-sig any_flipped_bit_of_the_body_is_refused",
    },
    Mutation {
        name: "webhook-dot-in-id",
        file: "crates/webhook-sig/src/message.rs",
        find: "let allowed = |b: u8| b.is_ascii_graphic() && b != b'.';",
        replace: "let allowed = |b: u8| b.is_ascii_graphic();",
        test: "-p strongroom-webhook-sig invalid_vectors",
    },
    Mutation {
        name: "webhook-replayed",
        file: "crates/webhook-sig/src/memory.rs",
        find: "if known.is_some_and(|message| message.timestamps.contains(&timestamp)) {",
        replace: "if false {",
        test: "-p strongroom-webhook-sig the_table_of_the_specification",
    },
    Mutation {
        name: "webhook-guard-unbounded",
        file: "crates/webhook-sig/src/memory.rs",
        find: "if ledger.deliveries.len() >= self.capacity {",
        replace: "if false {",
        test: "-p strongroom-webhook-sig a_full_guard_refuses_and_evicts_nothing",
    },
    Mutation {
        name: "apikey-hash-ignored",
        file: "crates/apikey/src/record.rs",
        find: "if !bool::from(self.hash.matches(presented)) || self.id != *presented.id() {",
        replace: "if self.id != *presented.id() {",
        test: "-p strongroom-apikey another_secret_under_the_same_id_is_refused",
    },
    Mutation {
        name: "apikey-beyond-issuer",
        file: "crates/apikey/src/record.rs",
        find: "if !requested.is_subset_of(issuer) {",
        replace: "if false {",
        test: "-p strongroom-apikey a_key_never_allows_more_than_its_issuer",
    },
    Mutation {
        name: "apikey-revoked-later",
        file: "crates/apikey/src/record.rs",
        find: "if self.revoked_at.is_some() {",
        replace: "if self.revoked_at.is_some_and(|at| now >= at) {",
        test: "-p strongroom-apikey any_time_of_revocation_revokes",
    },
    Mutation {
        name: "apikey-overflow",
        file: "crates/apikey/src/base62.rs",
        find: "bad == 0 && overflow == 0",
        replace: "bad == 0",
        test: "-p strongroom-apikey invalid_vectors",
    },
    Mutation {
        name: "apikey-checksum",
        file: "crates/apikey/src/key.rs",
        find: "if checksum(covered) != given.as_bytes() {",
        replace: "if false {",
        test: "-p strongroom-apikey invalid_vectors",
    },
    Mutation {
        name: "token-signature",
        file: "crates/tenant-token/src/verifier.rs",
        find: "if !key.holds(signed.as_bytes(), &signature) {",
        replace: "if false {",
        test: "-p strongroom-tenant-token no_flipped_bit_survives",
    },
    Mutation {
        name: "token-type",
        file: "crates/tenant-token/src/verifier.rs",
        find: "if text(\"typ\") != Some(\"at+jwt\") {",
        replace: "if false {",
        test: "-p strongroom-tenant-token tokens",
    },
    Mutation {
        name: "token-duplicate-member",
        file: "crates/tenant-token/src/strict_json.rs",
        find: "if object.insert(name, value).is_some() {",
        replace: "if object.insert(name, value).is_some() && false {",
        test: "-p strongroom-tenant-token tokens",
    },
    Mutation {
        name: "envelope-commitment",
        file: "crates/envelope/src/body.rs",
        find: "if !bool::from(keys.commitment.ct_eq(sealed.commitment)) {",
        replace: "if false {",
        test: "-p strongroom-envelope no_flipped_bit_opens",
    },
    Mutation {
        name: "envelope-tenant",
        file: "crates/envelope/src/derive.rs",
        find: "let tenant = tenant.as_bytes();",
        replace: "let tenant = &[tenant.as_bytes()[0]; 16];",
        test: "-p strongroom-envelope every_input_separates",
    },
    Mutation {
        name: "envelope-any-key",
        file: "crates/envelope/src/envelope.rs",
        find: ".filter(|wrap| allowed.iter().any(|key| key.as_str() == wrap.key_ref))",
        replace: ".filter(|_| !allowed.is_empty())",
        test: "-p strongroom-envelope keys_that_are_not_allowed",
    },
    Mutation {
        name: "keyring-readable-by-group",
        file: "crates/envelope/src/local/file.rs",
        find: "if metadata.permissions().mode() & 0o077 != 0 {",
        replace: "if metadata.permissions().mode() & 0o007 != 0 {",
        test: "-p strongroom-envelope a_file_that_others_can_read",
    },
    Mutation {
        name: "wrap-salt-repeated",
        file: "crates/envelope/src/local/kms.rs",
        find: "getrandom::fill(&mut salt).map_err(|_| KmsError::Unavailable)?;",
        replace: "salt.fill(0);",
        test: "-p strongroom-envelope two_records_share_no_secret",
    },
    Mutation {
        name: "note-bad-signature-skipped",
        file: "crates/auditchain/src/note.rs",
        find: "return Err(NoteError::BadSignature);",
        replace: "continue;",
        test: "-p strongroom-auditchain --test vectors note",
    },
    Mutation {
        name: "inclusion-root-unchecked",
        file: "crates/auditchain/src/proof.rs",
        find: "if computed != *root {",
        replace: "if false {",
        test: "-p strongroom-auditchain --test tree an_altered_inclusion_proof_fails",
    },
    Mutation {
        name: "leaf-not-canonical",
        file: "crates/auditchain/src/leaf.rs",
        find: "if Self::encode(&event)?.0 != bytes {",
        replace: "if false {",
        test: "-p strongroom-auditchain --test vectors leaf",
    },
    Mutation {
        name: "origin-not-reserved",
        file: "crates/auditchain/src/label.rs",
        find: "} else if text.starts_with(\"strongroom.dev/audit-\") {",
        replace: "} else if false {",
        test: "-p strongroom-auditchain --test vectors checkpoint",
    },
    Mutation {
        name: "rewritten-hashes-pass",
        file: "crates/auditchain/src/verify.rs",
        find: "if signed != root {",
        replace: "if false {",
        test: "-p strongroom-auditchain --test pass rewritten_hashes_are_named_by_interval",
    },
    Mutation {
        name: "pii-audit-weakened",
        file: "crates/pii/src/document.rs",
        find: "if channel == Some(Channel::Audit) && weak {",
        replace: "if false && weak {",
        test: "-p strongroom-pii no_rule_weakens_the_audit_channel",
    },
    Mutation {
        name: "pii-wildcard-reaches-audit",
        file: "crates/pii/src/policy.rs",
        find: "None => !matches!(channel, Channel::Log | Channel::Audit),",
        replace: "None => true,",
        test: "-p strongroom-pii audit_is_strict_whatever_the_rules_say",
    },
    Mutation {
        name: "pii-laxer-rule-wins",
        file: "crates/pii/src/policy.rs",
        find: "std::cmp::Reverse((narrow, rule.mode)),",
        replace: "(std::cmp::Reverse(narrow), rule.mode),",
        test: "-p strongroom-pii the_most_specific_rule_decides_wherever_it_stands",
    },
    Mutation {
        name: "pii-block-passes",
        file: "crates/pii/src/redaction.rs",
        find: "Mode::FlagOnly => {}",
        replace: "Mode::FlagOnly | Mode::Block => {}",
        test: "-p strongroom-pii each_mode_does_what_it_says",
    },
    Mutation {
        name: "llm-duplicate-member",
        file: "crates/llm-wire/src/value.rs",
        find: "if !seen.insert(name.clone()) {",
        replace: "if !seen.insert(name.clone()) && members.is_empty() {",
        test: "-p strongroom-llm-wire refuses_a_member_twice_at_any_depth",
    },
    Mutation {
        name: "llm-logprobs-kept",
        file: "crates/llm-wire/src/redactor.rs",
        find: "const LOGPROBS: &[&str] = &[\"logprobs\", \"prompt_logprobs\"];",
        replace: "const LOGPROBS: &[&str] = &[];",
        test: "-p strongroom-llm-wire --test vectors answers",
    },
    Mutation {
        name: "llm-numbers-pass",
        file: "crates/llm-wire/src/redactor.rs",
        find: "Value::Number(number) => self.number(number, names, channel, path),",
        replace: "Value::Number(_) => Ok(()),",
        test: "-p strongroom-llm-wire --test vectors requests",
    },
    Mutation {
        name: "llm-images-pass",
        file: "crates/llm-wire/src/message.rs",
        find: "Some(kind) => return Err(WireError::refused(&path.member(kind))),",
        replace: "Some(_) => {}",
        test: "-p strongroom-llm-wire --test vectors requests",
    },
    Mutation {
        name: "receipt-leaf-unchecked",
        file: "crates/cli/src/evidence.rs",
        find: "if entry.is_some_and(|entry| entry != *verified.leaf()) {",
        replace: "if entry.is_some_and(|_| false) {",
        test: "-p strongroom-cli --test cli -- --exact audit::a_receipt_is_for_one_entry_of_one_log",
    },
    Mutation {
        name: "cli-secret-files-readable",
        file: "crates/cli/src/output.rs",
        find: "mode(&mut options, 0o600);",
        replace: "mode(&mut options, 0o644);",
        test: "-p strongroom-cli --test cli -- --exact webhook::a_webhook_is_signed_and_verified",
    },
    Mutation {
        name: "cli-overwrites",
        file: "crates/cli/src/output.rs",
        find: "options.write(true).create_new(true);",
        replace: "options.write(true).create(true);",
        test: "-p strongroom-cli --test cli -- --exact command_line::nothing_is_overwritten",
    },
    Mutation {
        name: "slot-freed-early",
        file: "crates/server/src/postgres/pool.rs",
        find: "let slot = self.slot.take();",
        replace: "let slot = self.slot.take().filter(|_| false);",
        test: "-p strongroom-server --test platform -- --exact dropped_requests::two_hundred_hang_ups_in_mid_statement_never_exceed_the_slots",
    },
    Mutation {
        name: "claim-not-checked-back",
        file: "crates/server/src/postgres/tenant_tx.rs",
        find: "if !accepted {",
        replace: "if false {",
        test: "-p strongroom-server --test platform -- --exact sequencing::a_claim_that_the_database_refuses_is_an_error_of_ours",
    },
    Mutation {
        name: "commit-after-failure",
        file: "crates/server/src/postgres/transaction.rs",
        find: "State::Failed\n        };",
        replace: "State::Idle\n        };",
        test: "-p strongroom-server --test platform -- --exact dropped_requests::a_commit_after_a_failed_statement_is_not_a_success",
    },
    Mutation {
        name: "events-not-durable",
        file: "crates/server/src/postgres/job_tx.rs",
        find: "inner.open(\"begin\", &[]).await?;",
        replace: "inner.open(\"begin; set local synchronous_commit = off\", &[]).await?;",
        test: "-p strongroom-server --test platform -- --exact kills::no_acknowledged_event_is_lost_in_twenty_five_kills",
    },
    Mutation {
        name: "forgotten-events-stay",
        file: "crates/server/src/audit/batch.rs",
        find: "Staged::Forgotten => tx.query(TAKE_FORGOTTEN, &[]).await?,",
        replace: "Staged::Forgotten => Vec::new(),",
        test: "-p strongroom-server --test platform -- --exact sequencing::a_staged_event_that_nobody_announced_is_taken_up",
    },
    Mutation {
        name: "events-written-twice",
        file: "crates/server/src/audit/sequencer.rs",
        find: "if !known.contains_key(&key) && !again {",
        replace: "if !known.contains_key(&key) {",
        test: "-p strongroom-server --test platform -- --exact sequencing::an_event_that_is_appended_again_keeps_its_one_place",
    },
    Mutation {
        name: "refusals-unrecorded",
        file: "crates/server/src/gates/audit.rs",
        find: "if context.is_recorded() {",
        replace: "if true {",
        test: "-p strongroom-server --test platform -- --exact unauthorised_coverage::without_the_capability",
    },
    Mutation {
        name: "write-ends-with-its-client",
        file: "crates/server/src/gates/audit.rs",
        find: "let work = tracker.spawn(work.in_current_span());",
        replace: "let _ = tracker;\n            let work = async { Ok::<_, tokio::task::JoinError>(work.await) };",
        test: "-p strongroom-server --test platform -- --exact hang_ups::a_call_dropped_at_every_await_point_never_reaches_the_provider_unrecorded",
    },
    Mutation {
        name: "attempt-unrecorded",
        file: "crates/server/src/routes/chat.rs",
        find: "call.record(\"chat.attempt\", Outcome::Attempt, \"prompt\", &prompt)\n        .await?;",
        replace: "",
        test: "-p strongroom-server --test platform -- --exact first_call::a_call_passes_every_gate",
    },
    Mutation {
        name: "capability-unchecked",
        file: "crates/server/src/gates/authorise.rs",
        find: "&& !caller.capabilities().contains(capability)",
        replace: "&& false",
        test: "-p strongroom-server --test platform -- --exact unauthorised_coverage::without_the_capability",
    },
    Mutation {
        name: "any-tenant-creates-tenants",
        file: "crates/server/src/routes/tenants.rs",
        find: "if operator.tenant() != TenantId::PLATFORM {",
        replace: "if false {",
        test: "-p strongroom-server --test platform -- --exact unauthorised_coverage::a_tenant_with_the_capability_in_its_row_still_creates_no_tenants",
    },
    Mutation {
        name: "token-for-a-token",
        file: "crates/server/src/routes/token.rs",
        find: "return Err(Problem::new(\n            Kind::CredentialRefused,\n            \"an API key is required\",\n        ));",
        replace: "return Ok(axum::Json(json!({})).into_response());",
        test: "-p strongroom-server --test platform -- --exact unauthorised_coverage::a_token_is_not_exchanged_for_a_token",
    },
    Mutation {
        name: "headers-twice",
        file: "crates/server/src/gates/request_id.rs",
        find: "if headers.get_all(name).iter().nth(1).is_some() {",
        replace: "if false {",
        test: "-p strongroom-server --test platform -- --exact bad_input::headers_and_routes",
    },
    Mutation {
        name: "array-for-an-object",
        file: "crates/server/src/body.rs",
        find: ".starts_with('{')",
        replace: ".starts_with(|_: char| true)",
        test: "-p strongroom-server --lib body::tests::rejections",
    },
    Mutation {
        name: "client-names-its-address",
        file: "crates/server/src/gates/rate_limit.rs",
        find: "list.rsplit(',').next()",
        replace: "list.split(',').next()",
        test: "-p strongroom-server --lib only_the_proxy_s_own_word_on_the_address_counts",
    },
    Mutation {
        name: "webhook-to-private-address",
        file: "crates/server/src/jobs/destination.rs",
        find: "if !(check_address(address.ip()) || (allow_loopback && address.ip().is_loopback())) {",
        replace: "if false {",
        test: "-p strongroom-server --lib a_name_for_loopback_is_refused_unless_allowed",
    },
    Mutation {
        name: "checkpoints-out-of-time",
        file: "crates/server/src/audit/checkpoints.rs",
        find: "if now < Self::next_due(*last, self.every_seconds) {",
        replace: "if now < 1 {",
        test: "-p strongroom-server --test platform -- --exact audit_tamper::checkpoints_come_by_the_clock",
    },
    Mutation {
        name: "skew-unchecked",
        file: "crates/server/src/postgres/self_check.rs",
        find: "if skew.abs() > MAX_SKEW_SECONDS {",
        replace: "if false {",
        test: "-p strongroom-server --test platform -- --exact isolation_check::the_self_check_passes_and_finds_planted_holes",
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    fn root() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
    }

    /// Cheap, so that the table cannot rot between two runs of the long tier.
    #[test]
    fn every_sabotage_finds_its_line_and_names_a_test() {
        let mut names = BTreeSet::new();
        for Mutation {
            name,
            file,
            find,
            replace,
            test,
        } in MUTATIONS
        {
            assert!(names.insert(name), "{name} stands twice");
            let text = fs::read_to_string(root().join(file)).unwrap();
            assert_eq!(text.matches(find).count(), 1, "{name}: {find}");
            assert_ne!(find, replace, "{name}");
            assert!(
                test.starts_with("-p ") && test.contains(" -- --exact "),
                "{name}"
            );
        }
    }
}
