//! Sabotages of what keeps logs that nobody writes to from being asked for.

use super::Mutation;

pub(super) const MUTATIONS: &[Mutation] = &[
    Mutation {
        name: "idle-logs-read",
        file: "crates/server/src/audit/checkpoints.rs",
        find: "const GROWN: &str = heads!(\"l.grown\");",
        replace: "const GROWN: &str = heads!(\"true\");",
        test: "-p strongroom-server --test platform -- --exact idle::idle_logs_are_asked_for_by_nobody",
    },
    Mutation {
        name: "signed-logs-never-settled",
        file: "crates/server/src/audit/checkpoints.rs",
        find: "            self.settle().await?;",
        replace: "",
        test: "-p strongroom-server --test platform -- --exact idle::a_log_is_looked_at_until_it_is_signed_as_it_is",
    },
    Mutation {
        name: "unsigned-logs-settled",
        file: "crates/server/src/audit/checkpoints.rs",
        find: "where l.grown and l.size = coalesce(",
        replace: "where l.grown and l.size >= coalesce(",
        test: "-p strongroom-server --test platform -- --exact idle::a_log_is_looked_at_until_it_is_signed_as_it_is",
    },
    Mutation {
        name: "settling-waits-for-batches",
        file: "crates/server/src/audit/checkpoints.rs",
        find: "order by l.tenant_id for no key update skip locked)",
        replace: "order by l.tenant_id for no key update)",
        test: "-p strongroom-server --test platform -- --exact idle::a_log_is_looked_at_until_it_is_signed_as_it_is",
    },
    Mutation {
        name: "growth-not-noted",
        file: "crates/server/migrations/0019_growth.sql",
        find: "  new.grown := true;",
        replace: "",
        test: "-p strongroom-server --test platform -- --exact idle::a_log_is_looked_at_until_it_is_signed_as_it_is",
    },
    Mutation {
        name: "checkpointer-notes-growth",
        file: "crates/server/migrations/0019_growth.sql",
        find: "using (true) with check (not grown);",
        replace: "using (true) with check (true);",
        test: "-p strongroom-server --test platform -- --exact idle::a_log_is_looked_at_until_it_is_signed_as_it_is",
    },
    Mutation {
        name: "runs-of-idle-logs-read",
        file: "crates/server/src/jobs/retention.rs",
        find: "from app.retention_runs r where r.due_at <= $1 and",
        replace: "from app.retention_runs r where r.due_at + 0 <= $1 and",
        test: "-p strongroom-server --test platform -- --exact idle::idle_logs_are_asked_for_by_nobody",
    },
    Mutation {
        name: "verifications-of-new-logs-not-due",
        file: "crates/server/src/jobs/verification.rs",
        find: "set due_at = $1 where due_at is null\"",
        replace: "set due_at = $1 where due_at is null and false\"",
        test: "-p strongroom-server --test platform -- --exact idle::idle_logs_are_asked_for_by_nobody",
    },
    Mutation {
        name: "idle-logs-asked-for",
        file: "crates/server/src/jobs/retention.rs",
        find: "const EVERY_SECONDS: u64 = 24 * 60 * 60;",
        replace: "const EVERY_SECONDS: u64 = 2;",
        test: "-p strongroom-server --test platform -- --exact idle::idle_logs_are_asked_for_by_nobody",
    },
];
