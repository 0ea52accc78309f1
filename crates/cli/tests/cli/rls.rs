//! SQL.

use crate::shell::Shell;

#[test]
fn sql_is_whole_transactions() {
    let shell = Shell::new();
    let install = shell.run("rls install-sql --schema acme").ends_with(0);
    assert!(install.text().starts_with("begin;\n") && install.text().ends_with("commit;\n"));
    assert!(install.text().contains("function acme.tenant_id()"));
    let protect = shell
        .run("rls protect-sql public.assessments --role web --json")
        .ends_with(0);
    let sql = protect.json()["sql"].as_str().unwrap().to_owned();
    assert!(sql.contains("alter table public.assessments force row level security;"));
    assert!(sql.contains("grant execute on function app.tenant_id() to web;"));
    shell.run("rls protect-sql assessments").ends_with(2);
    shell
        .run("rls protect-sql public.assessments --role web;drop")
        .ends_with(2);
}
