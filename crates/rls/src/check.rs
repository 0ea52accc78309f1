//! The self-check: catalogue queries whose every row is a hole in the isolation.

use sha2::{Digest, Sha256};

use crate::Names;

/// One check: a query that answers `(object text, problem text)`, a row for each violation.
///
/// Zero rows is the only pass. The queries have no parameters and read the catalogue alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The check's stable name.
    pub name: &'static str,
    /// The query.
    pub sql: String,
}

/// What must hold for a login role, asked over a connection of that role.
///
/// `definer_functions` names, as `schema.name`, the security-definer functions that the role may
/// call besides the verifier.
#[must_use]
pub fn role_checks(names: &Names, definer_functions: &[&str]) -> Vec<Check> {
    let (public, private) = (names.public_schema(), names.private_schema());
    let verifier = format!("{public}.tenant_id");
    let mut functions = quoted_list(definer_functions);
    functions.push_str(&format!(", '{verifier}'"));
    vec![
        Check {
            name: "role-attributes",
            sql: "select r.rolname::text, 'has SUPERUSER, BYPASSRLS, CREATEROLE, CREATEDB or \
                  REPLICATION' from pg_catalog.pg_roles r where r.rolname = current_user and \
                  (r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb or \
                  r.rolreplication)"
                .to_owned(),
        },
        Check {
            name: "role-membership",
            sql: "select r.rolname::text, 'is a role that SET ROLE can reach' \
                  from pg_catalog.pg_roles r where r.rolname <> current_user and \
                  pg_catalog.pg_has_role(current_user, r.oid, 'MEMBER')"
                .to_owned(),
        },
        Check {
            name: "role-owns-nothing",
            sql: "select c.oid::regclass::text, 'is owned by the login role' \
                  from pg_catalog.pg_class c join pg_catalog.pg_roles r on r.oid = c.relowner \
                  where r.rolname = current_user \
                  union all select p.oid::regprocedure::text, 'is owned by the login role' \
                  from pg_catalog.pg_proc p join pg_catalog.pg_roles r on r.oid = p.proowner \
                  where r.rolname = current_user"
                .to_owned(),
        },
        Check {
            name: "role-cannot-create",
            sql: "select d.datname::text, 'grants TEMP or CREATE to the login role' \
                  from pg_catalog.pg_database d where d.datname = current_database() and \
                  (has_database_privilege(d.oid, 'TEMP') or has_database_privilege(d.oid, 'CREATE')) \
                  union all select n.nspname::text, 'grants CREATE to the login role' \
                  from pg_catalog.pg_namespace n where has_schema_privilege(n.oid, 'CREATE')"
                .to_owned(),
        },
        Check {
            name: "role-cannot-skip-policies",
            // TRUNCATE and REFERENCES look past row-level security, TRIGGER runs code as others.
            sql: "select c.oid::regclass::text, 'grants TRUNCATE, REFERENCES or TRIGGER' \
                  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
                  where c.relkind in ('r', 'p', 'v', 'm', 'f') \
                  and n.nspname not in ('pg_catalog', 'information_schema') \
                  and has_table_privilege(c.oid, 'TRUNCATE, REFERENCES, TRIGGER')"
                .to_owned(),
        },
        Check {
            name: "claim-key-unreadable",
            sql: format!(
                "select c.oid::regclass::text, 'the login role can read or write claim keys' \
                 from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
                 where n.nspname = '{private}' and \
                 (has_table_privilege(c.oid, 'DELETE') or \
                 has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE'))"
            ),
        },
        Check {
            name: "definer-functions-are-named",
            sql: format!(
                "select p.oid::regprocedure::text, 'runs as its owner and is not on the list' \
                 from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace \
                 where p.prosecdef and has_function_privilege(p.oid, 'EXECUTE') \
                 and n.nspname || '.' || p.proname not in ({functions})"
            ),
        },
    ]
}

/// What must hold besides for a login role that is to see rows through the claim alone, asked over
/// a connection of that role.
#[must_use]
pub fn claimed_role_checks(names: &Names) -> Vec<Check> {
    let public = names.public_schema();
    let claim = format!("(tenant_id = ( SELECT {public}.tenant_id() AS tenant_id))");
    vec![
        Check {
            name: "policies-read-the-claim-alone",
            // Policies of one table are joined by OR: one that says less opens all.
            sql: format!(
                "select p.polrelid::regclass::text, 'has a policy for the login role that is not \
                 the claim: ' || p.polname from pg_catalog.pg_policy p \
                 where p.polpermissive and exists (select from unnest(p.polroles) r(oid) \
                 where r.oid = 0 or pg_catalog.pg_has_role(current_user, r.oid, 'USAGE')) \
                 and (p.polcmd <> '*' \
                 or pg_catalog.pg_get_expr(p.polqual, p.polrelid) is distinct from '{claim}' \
                 or pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) is distinct from '{claim}')"
            ),
        },
        Check {
            name: "role-cannot-lock-tables",
            // A right to change or delete whole rows is a right to lock the table for everyone.
            sql: "select c.oid::regclass::text, 'grants UPDATE or DELETE of whole rows' \
                  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
                  where c.relkind in ('r', 'p') \
                  and n.nspname not in ('pg_catalog', 'information_schema') \
                  and has_table_privilege(c.oid, 'UPDATE, DELETE')"
                .to_owned(),
        },
    ]
}

/// What must hold for the schema, asked over any connection.
///
/// `exempt_tables` names, as `schema.table`, the tables that hold no tenant's data; each such name
/// wants its reason where the list is written.
#[must_use]
pub fn schema_checks(names: &Names, exempt_tables: &[&str]) -> Vec<Check> {
    let (public, private, owner) = (
        names.public_schema(),
        names.private_schema(),
        names.owner_role(),
    );
    let exempt = quoted_list(exempt_tables);
    let body = hex::encode(Sha256::digest(names.verifier_body()));
    let user_schema =
        format!("n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast', '{private}')");
    vec![
        Check {
            name: "tables-force-row-security",
            sql: format!(
                "select c.oid::regclass::text, 'lacks FORCE ROW LEVEL SECURITY' \
                 from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
                 where c.relkind in ('r', 'p') and {user_schema} \
                 and not (c.relrowsecurity and c.relforcerowsecurity) \
                 and n.nspname || '.' || c.relname not in ({exempt})"
            ),
        },
        Check {
            name: "views-are-invokers",
            sql: format!(
                "select c.oid::regclass::text, 'is a view without security_invoker' \
                 from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
                 where c.relkind = 'v' and {user_schema} \
                 and not coalesce(c.reloptions @> array['security_invoker=true'], false) \
                 union all select c.oid::regclass::text, 'is a materialised view: it has no policies' \
                 from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
                 where c.relkind = 'm' and {user_schema}"
            ),
        },
        Check {
            name: "keys-start-with-the-tenant",
            // A unique key without the tenant tells by its error that another tenant has the value.
            sql: format!(
                "select i.indexrelid::regclass::text, 'is unique and does not start with tenant_id' \
                 from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indrelid \
                 join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
                 where i.indisunique and {user_schema} \
                 and n.nspname || '.' || c.relname not in ({exempt}) \
                 and not exists (select from pg_catalog.pg_attribute a where a.attrelid = c.oid \
                 and a.attnum = i.indkey[0] and a.attname = 'tenant_id')"
            ),
        },
        Check {
            name: "verifier-is-as-specified",
            sql: format!(
                "select '{public}.tenant_id()', 'is missing, or differs in owner, body, SECURITY DEFINER, \
                 volatility, parallel safety or search_path' \
                 where not exists (select from pg_catalog.pg_proc p \
                 join pg_catalog.pg_namespace n on n.oid = p.pronamespace \
                 join pg_catalog.pg_roles r on r.oid = p.proowner \
                 where n.nspname = '{public}' and p.proname = 'tenant_id' and p.pronargs = 0 \
                 and r.rolname = '{owner}' and not r.rolcanlogin and not r.rolsuper \
                 and p.prosecdef and p.provolatile = 's' and p.proparallel = 'r' \
                 and pg_catalog.sha256(pg_catalog.convert_to(p.prosrc, 'UTF8')) \
                 = pg_catalog.decode('{body}', 'hex') \
                 and p.proconfig = array['search_path=pg_catalog, pg_temp'])"
            ),
        },
        Check {
            name: "public-may-nothing",
            // An empty ACL entry's grantee, 0, is PUBLIC.
            sql: format!(
                "select c.oid::regclass::text, 'grants a privilege to PUBLIC' \
                 from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace, \
                 lateral aclexplode(c.relacl) a where a.grantee = 0 and {user_schema}"
            ),
        },
    ]
}

fn quoted_list(names: &[&str]) -> String {
    // The names are constants of the caller's program; the doubling keeps a slip from being SQL.
    let quoted: Vec<_> = names
        .iter()
        .map(|name| format!("'{}'", name.replace('\'', "''")))
        .collect();
    if quoted.is_empty() {
        "''".to_owned()
    } else {
        quoted.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn check_names_are_unique() {
        let mut checks = role_checks(&Names::default(), &["app.find_key"]);
        checks.extend(claimed_role_checks(&Names::default()));
        checks.extend(schema_checks(&Names::default(), &["app.migrations"]));
        let names: HashSet<_> = checks.iter().map(|check| check.name).collect();
        assert_eq!(names.len(), checks.len());
    }
}
