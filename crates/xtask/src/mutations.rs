//! The sabotages, each with the test that must go red.

mod apikey;
mod audit_log;
mod audit_pass;
mod audit_store;
mod audit_store_files;
mod audit_store_zones;
mod audit_tree;
mod crates;
mod envelope;
mod idle_logs;
mod login;
mod pii;
mod pii_again;
mod pii_secrets;
mod platform_log;
mod retention;
mod server;
mod server_keys;
mod server_tokens;
mod subjects;
mod tenant_token;
mod token_keys;
mod vault;
mod webhook_sig;
mod webhooks;
mod zones;

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

/// Every sabotage there is.
pub(crate) fn all() -> impl Iterator<Item = &'static Mutation> {
    let tables = [
        apikey::MUTATIONS,
        audit_log::MUTATIONS,
        audit_pass::MUTATIONS,
        audit_store::MUTATIONS,
        audit_store_files::MUTATIONS,
        audit_store_zones::MUTATIONS,
        audit_tree::MUTATIONS,
        crates::MUTATIONS,
        envelope::MUTATIONS,
        idle_logs::MUTATIONS,
        login::MUTATIONS,
        pii::MUTATIONS,
        pii_again::MUTATIONS,
        pii_secrets::MUTATIONS,
        platform_log::MUTATIONS,
        retention::MUTATIONS,
        server::MUTATIONS,
        server_keys::MUTATIONS,
        server_tokens::MUTATIONS,
        subjects::MUTATIONS,
        tenant_token::MUTATIONS,
        token_keys::MUTATIONS,
        vault::MUTATIONS,
        webhook_sig::MUTATIONS,
        webhooks::MUTATIONS,
        zones::MUTATIONS,
    ];
    tables.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    fn root() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
    }

    /// Every Rust source below a folder, in one text.
    fn collect(dir: &Path, text: &mut String) {
        for entry in fs::read_dir(dir).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                collect(&path, text);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                text.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }

    /// Cheap, so that the table cannot rot between two runs of the long tier.
    #[test]
    fn every_sabotage_finds_its_line_and_names_a_test() {
        let mut tests = String::new();
        collect(&root().join("crates"), &mut tests);
        let mut names = BTreeSet::new();
        for Mutation {
            name,
            file,
            find,
            replace,
            test,
        } in all()
        {
            assert!(names.insert(name), "{name} stands twice");
            let text = fs::read_to_string(root().join(file)).unwrap();
            assert_eq!(text.matches(find).count(), 1, "{name}: {find}");
            assert_ne!(find, replace, "{name}");
            assert!(test.starts_with("-p "), "{name}");
            let filter = test.rsplit([' ', ':']).next().unwrap();
            assert!(tests.contains(&format!("fn {filter}")), "{name}: {filter}");
        }
    }

    /// The function of a migration in which an offset lies: its name.
    fn enclosing(text: &str, offset: usize) -> Option<&str> {
        let begin = text.get(..offset)?.rfind("create function ")?;
        let whole = text.get(begin..)?;
        let body = whole.find("$$;").map_or(text.len(), |end| begin + end);
        let name = whole.strip_prefix("create function ")?.split('(').next()?;
        (offset < body).then_some(name)
    }

    /// A sabotage of a function that a later migration drops or replaces breaks nothing.
    #[test]
    fn no_sabotage_lies_in_what_a_later_migration_replaced() {
        let folder = "crates/server/migrations";
        let mut migrations: Vec<_> = fs::read_dir(root().join(folder))
            .unwrap()
            .map(|entry| format!("{folder}/{}", entry.unwrap().file_name().display()))
            .collect();
        migrations.sort();
        let mut tried = 0;
        for mutation in all().filter(|mutation| mutation.file.starts_with(folder)) {
            let text = fs::read_to_string(root().join(mutation.file)).unwrap();
            let offset = text.find(mutation.find).unwrap();
            let Some(function) = enclosing(&text, offset) else {
                continue;
            };
            tried += 1;
            for later in migrations
                .iter()
                .filter(|later| later.as_str() > mutation.file)
            {
                let text = fs::read_to_string(root().join(later)).unwrap();
                let gone = [
                    "drop function",
                    "create or replace function",
                    "create function",
                ]
                .iter()
                .any(|what| text.contains(&format!("{what} {function}(")));
                assert!(
                    !gone,
                    "{}: {function} is another one in {later}",
                    mutation.name
                );
            }
        }
        assert!(tried > 20, "{tried} sabotages of functions");
    }
}
