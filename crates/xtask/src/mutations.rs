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
               claim_attacks::the_self_check_passes_and_finds_planted_holes",
    },
    Mutation {
        name: "tables-do-not-force-row-security",
        file: "crates/rls/src/names.rs",
        find: "force row level security",
        replace: "no force row level security",
        test: "-p strongroom-server --test platform -- --exact \
               claim_attacks::the_self_check_passes_and_finds_planted_holes",
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
