//! `strongroom rls`: SQL to be piped into psql.

use clap::{Args, Subcommand};
use strongroom::rls::Names;

use crate::failure::Failure;
use crate::output::{self, Output};
use crate::report::Report;

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Print the SQL that installs the verifier of tenant claims
    #[command(after_help = INSTALL_HELP)]
    InstallSql(Place),
    /// Print the SQL that puts a table under the claim
    #[command(after_help = PROTECT_HELP)]
    ProtectSql {
        /// The table, as schema.table; it has a column 'tenant_id uuid'
        table: String,
        /// The login role that reads it; repeat for several, all roles without it
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
        #[command(flatten)]
        place: Place,
    },
}

const INSTALL_HELP: &str = "\
Run it as a role that may create roles and schemas; running it again is harmless.

Examples:
  strongroom rls install-sql | psql --set ON_ERROR_STOP=1 \"$DATABASE_URL\"";

const PROTECT_HELP: &str = "\
Examples:
  strongroom rls protect-sql public.assessments --role web | psql --set ON_ERROR_STOP=1 \"$DATABASE_URL\"";

#[derive(Args)]
pub(crate) struct Place {
    /// The schema of the function that policies call
    #[arg(long, default_value = "app")]
    schema: String,
    /// The schema of the claim keys
    #[arg(long, default_value = "priv")]
    private_schema: String,
    /// The role that owns both
    #[arg(long, default_value = "strongroom_claim_owner")]
    owner: String,
}

pub(crate) fn run(verb: Verb, output: Output) -> Result<(), Failure> {
    let sql = match verb {
        Verb::InstallSql(place) => place.names()?.install_sql(),
        Verb::ProtectSql {
            table,
            roles,
            place,
        } => protect(&place.names()?, &table, &roles)?,
    };
    // What is half installed protects nothing.
    let sql = format!("begin;\n{sql}commit;\n");
    match output {
        Output::Text => output::write(sql.as_bytes()),
        Output::Json => Report::new().with("sql", sql).print(output),
    }
}

impl Place {
    fn names(&self) -> Result<Names, Failure> {
        Names::new(&self.schema, &self.private_schema, &self.owner).map_err(Failure::unusable)
    }
}

fn protect(names: &Names, table: &str, roles: &[String]) -> Result<String, Failure> {
    let roles: Vec<_> = roles.iter().map(String::as_str).collect();
    let grants = roles.iter().map(|role| names.grant_sql(role));
    let grants: String = grants
        .collect::<Result<_, _>>()
        .map_err(Failure::unusable)?;
    let policy = names
        .protect_sql(table, &roles)
        .map_err(Failure::unusable)?;
    Ok(format!("{grants}{policy}"))
}
