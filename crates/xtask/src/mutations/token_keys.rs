//! Sabotages of the keys of access tokens, in the server.

use super::Mutation;

pub(super) const MUTATIONS: &[Mutation] = &[
    Mutation {
        name: "token-key-withdrawal-answered-too-soon",
        file: "crates/server/src/routes/token_keys.rs",
        find: "    revoked_everywhere().await;",
        replace: "    drop(revoked_everywhere());",
        test: "-p strongroom-server --test platform a_withdrawn_keys_tokens",
    },
    Mutation {
        name: "token-key-change-not-announced",
        file: "crates/server/src/token_keys/change.rs",
        find: "            tx.query(BUMP_GENERATION, &[platform.as_uuid()]).await?;",
        replace: "            let _ = BUMP_GENERATION;",
        test: "-p strongroom-server --test platform a_withdrawn_keys_tokens",
    },
    Mutation {
        name: "token-key-copy-of-another-generation",
        file: "crates/server/src/token_keys.rs",
        find: "held.filter(|held| held.generation == current)",
        replace: "held.filter(|held| held.generation <= current)",
        test: "-p strongroom-server --test platform a_withdrawn_keys_tokens",
    },
    Mutation {
        name: "token-key-withdrawn-meanwhile",
        file: "crates/server/src/tokens/acceptance.rs",
        find: "if is_same && lease.generation(platform) == keys {",
        replace: "if is_same && lease.generation(platform) >= keys {",
        test: "-p strongroom-server --test platform a_key_that_is_withdrawn_in_the_course",
    },
    Mutation {
        name: "token-key-unknown-not-looked-for",
        file: "crates/server/src/token_keys.rs",
        find: "is_some_and(is_unknown) && self.may_look_again()",
        replace: "is_some_and(is_unknown) && false",
        test: "-p strongroom-server --test platform a_key_that_was_made_this_moment",
    },
    Mutation {
        name: "token-key-used-without-a-lease",
        file: "crates/server/src/token_keys.rs",
        find: "                Err(TokenKeysUnavailable)\n            }\n        }\n    }\n\n    async fn read(",
        replace: "                Ok(Generation::default())\n            }\n        }\n    }\n\n    async fn read(",
        test: "-p strongroom-server --test platform without_a_lease_no_token",
    },
    Mutation {
        name: "token-keys-of-a-tenant",
        file: "crates/server/src/routes/token_keys.rs",
        find: "if caller.tenant() == TenantId::PLATFORM {",
        replace: "if caller.tenant() == TenantId::PLATFORM || true {",
        test: "-p strongroom-server --test platform token_keys_are_the_operators",
    },
    Mutation {
        name: "token-key-ring-of-another-version",
        file: "crates/server/src/token_keys/ring.rs",
        find: "and version = $2 returning version",
        replace: "and version >= $2 returning version",
        test: "-p strongroom-server --test platform of_many_nodes_at_once",
    },
    Mutation {
        name: "token-key-private-half-kept",
        file: "crates/server/src/token_keys/ring.rs",
        find: "purpose = 'token' and kid <> all ($2)",
        replace: "purpose = 'token' and kid <> all ($2) and false",
        test: "-p strongroom-server --test platform a_key_goes_through_its_life",
    },
    Mutation {
        name: "token-key-changed-without-an-event",
        file: "crates/server/src/token_keys/change.rs",
        find: "for (id, leaf) in &events {",
        replace: "for (id, leaf) in events.iter().take(usize::from(cause.is_some())) {",
        test: "-p strongroom-server --test platform a_key_goes_through_its_life",
    },
    Mutation {
        name: "token-key-comes-back",
        file: "crates/server/migrations/0006_token_keys.sql",
        find: "    and array_position(states, new.state) >= array_position(states, old.state) then",
        replace: "    then",
        test: "-p strongroom-server --test platform token_keys_are_the_operators",
    },
    Mutation {
        name: "platform-key-dropped",
        file: "crates/server/migrations/0006_token_keys.sql",
        find: "using (purpose = 'token')",
        replace: "using (true)",
        test: "-p strongroom-server --test platform token_keys_are_the_operators",
    },
    Mutation {
        name: "token-key-guard-not-checked",
        file: "crates/server/src/postgres/self_check.rs",
        find: "<> 2\",\n        \"withdrawn-keys-stay-withdrawn\"",
        replace: "<> 2 and false\",\n        \"withdrawn-keys-stay-withdrawn\"",
        test: "-p strongroom-server --test platform the_self_check_passes",
    },
    Mutation {
        name: "token-key-withdrawal-waits-for-another-key",
        file: "crates/server/src/token_keys/change.rs",
        find: "Err(error) if is_withdrawal => {",
        replace: "Err(error) if is_withdrawal && false => {",
        test: "-p strongroom-server --test platform a_key_is_withdrawn_where_no_other",
    },
];
