//! The SQL that installs the verifier and puts a table under it.

/// Where the verifier lives in a database: two schemas and the role that owns it.
///
/// The default is `app` for what applications call, `priv` for what nobody reads, and the role
/// `strongroom_claim_owner`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    public: String,
    private: String,
    owner: String,
}

/// A name is not a plain SQL identifier: `a-z _` then `a-z 0-9 _`, at most 63 bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: expected a plain lower-case SQL identifier")]
pub struct NameError {
    field: &'static str,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            public: "app".to_owned(),
            private: "priv".to_owned(),
            owner: "strongroom_claim_owner".to_owned(),
        }
    }
}

impl Names {
    /// Chooses other schemas and another owner.
    ///
    /// # Errors
    /// [`NameError`] for a name that would need quoting.
    pub fn new(public: &str, private: &str, owner: &str) -> Result<Self, NameError> {
        Ok(Self {
            public: identifier(public, "public schema")?,
            private: identifier(private, "private schema")?,
            owner: identifier(owner, "owner role")?,
        })
    }

    /// The schema of the functions that applications call.
    #[must_use]
    pub fn public_schema(&self) -> &str {
        &self.public
    }

    /// The schema of the key table.
    #[must_use]
    pub fn private_schema(&self) -> &str {
        &self.private
    }

    /// The role that owns the verifier and its keys.
    #[must_use]
    pub fn owner_role(&self) -> &str {
        &self.owner
    }

    /// Installs the schemas, the owner role, the key table and the verifier, in one transaction
    /// of a role that may create roles; it need not be a superuser.
    ///
    /// Running it again is harmless.
    ///
    /// # Security
    /// When the SQL has run, the installing role is no longer a member of the owner role. A role
    /// that may create roles can make itself one again: keep its password away from the server.
    #[must_use]
    pub fn install_sql(&self) -> String {
        self.render(include_str!("install.sql"))
    }

    /// Adds a key, or replaces the one of that name: parameters `$1 text` (key id), `$2 bytea`
    /// and `$3 bytea` ([`crate::PaddedKey`]). For the role that ran [`Self::install_sql`].
    #[must_use]
    pub fn add_key_sql(&self) -> String {
        self.render("select @private@.add_claim_key($1, $2, $3)")
    }

    /// Sets the claim for the running transaction: parameter `$1 text`.
    #[must_use]
    pub fn set_claim_sql(&self) -> String {
        "select pg_catalog.set_config('strongroom.claim', $1, true)".to_owned()
    }

    /// Lets a login role evaluate policies that read the claim.
    ///
    /// # Errors
    /// [`NameError`] for a role name that would need quoting.
    pub fn grant_sql(&self, role: &str) -> Result<String, NameError> {
        let role = identifier(role, "role")?;
        Ok(self.render(&format!(
            "grant usage on schema @public@ to {role};\n\
             grant execute on function @public@.tenant_id() to {role};\n"
        )))
    }

    /// Puts a table (`schema.table`, with a column `tenant_id uuid`) under the claim.
    ///
    /// The policy holds for `roles`, or for every role when the list is empty. A role without a
    /// policy, the table's owner among them, sees nothing.
    ///
    /// # Errors
    /// [`NameError`] for a name that would need quoting.
    pub fn protect_sql(&self, table: &str, roles: &[&str]) -> Result<String, NameError> {
        let table = qualified(table)?;
        let roles: Vec<_> = roles
            .iter()
            .map(|role| identifier(role, "role"))
            .collect::<Result<_, _>>()?;
        let to = if roles.is_empty() {
            "public".to_owned()
        } else {
            roles.join(", ")
        };
        Ok(self.render(&format!(
            "alter table {table} enable row level security;\n\
             alter table {table} force row level security;\n\
             create policy tenant_isolation on {table} to {to}\n  \
             using (tenant_id = (select @public@.tenant_id()))\n  \
             with check (tenant_id = (select @public@.tenant_id()));\n"
        )))
    }

    /// The body of the verifier as the database keeps it, for the self-check to compare.
    pub(crate) fn verifier_body(&self) -> String {
        let sql = self.install_sql();
        let begin = format!("function {}.tenant_id()", self.public);
        let body = sql
            .split_once(&begin)
            .and_then(|(_, rest)| rest.split_once("as $$"));
        let body = body.and_then(|(_, rest)| rest.split_once("$$"));
        body.map_or_else(String::new, |(body, _)| body.to_owned())
    }

    fn render(&self, sql: &str) -> String {
        sql.replace("@public@", &self.public)
            .replace("@private@", &self.private)
            .replace("@owner@", &self.owner)
    }
}

fn identifier(text: &str, field: &'static str) -> Result<String, NameError> {
    let head = text
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_lowercase() || b == b'_');
    let safe = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if !head || text.len() > 63 || !text.bytes().all(safe) {
        return Err(NameError { field });
    }
    Ok(text.to_owned())
}

fn qualified(table: &str) -> Result<String, NameError> {
    let field = "table";
    let (schema, name) = table.split_once('.').ok_or(NameError { field })?;
    Ok(format!(
        "{}.{}",
        identifier(schema, field)?,
        identifier(name, field)?
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_need_quoting_are_refused() {
        for bad in ["", "App", "1a", "a-b", "a;drop", "a\"b", &"a".repeat(64)] {
            assert!(Names::new(bad, "priv", "owner").is_err(), "{bad}");
        }
        for bad in [
            "assessments",
            "a.b.c",
            "public.",
            ".t",
            "public.t; drop table u",
        ] {
            assert!(Names::default().protect_sql(bad, &[]).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_verifier_s_body_is_found() {
        let body = Names::default().verifier_body();
        assert!(
            body.starts_with("\ndeclare") && body.ends_with("end "),
            "{body}"
        );
        assert!(body.contains("pg_backend_pid"));
    }

    #[test]
    fn every_mark_is_filled_in() {
        let names = Names::new("acme", "acme_priv", "acme_claims").unwrap();
        for sql in [
            names.install_sql(),
            names.add_key_sql(),
            names.grant_sql("web").unwrap(),
        ] {
            assert!(!sql.contains('@'), "{sql}");
        }
    }
}
