//! Prints the SQL that puts a team's own table under the tenant claim, and mints one claim.
//!
//! No database is needed: pipe the first part into psql, and send the rest with your own driver.

use std::error::Error;

use strongroom::rls::{Backend, ClaimError, ClaimKey, ClaimRequest, Names, schema_checks};

fn main() -> Result<(), Box<dyn Error>> {
    let names = Names::default();

    // Once, as a role that may create roles, in one transaction.
    println!("begin;\n{}", names.install_sql());
    println!("{}", names.grant_sql("web")?);
    println!(
        "{}commit;\n",
        names.protect_sql("public.assessments", &["web"])?
    );

    // Once for each key: the database gets the padded form, by bind parameters.
    let key = ClaimKey::generate("k1".parse()?)?;
    println!(
        "-- {} -- $1 = {}, $2 and $3 = padded()",
        names.add_key_sql(),
        key.id()
    );

    // In each transaction, first of all. The claim is good on one connection, for a minute.
    let request = ClaimRequest {
        tenant: "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?,
        actor: "user:0190b2a4-8c7e-7d3a-9f00-0242ac120003".parse()?,
        backend: Backend::Pid(4242),
        now: 1_800_000_000,
        lifetime: 60,
    };
    let claim = key.mint(&request)?;
    println!("-- {} -- $1 = {claim:?}", names.set_claim_sql());
    assert!(claim.expose().starts_with("v1.k1."));

    // Names go into SQL as they are: what would need quoting is refused. Nor is a long life given.
    assert!(names.protect_sql("public.t; drop table u", &[]).is_err());
    let endless = key
        .mint(&ClaimRequest {
            lifetime: 3_600,
            ..request
        })
        .err();
    assert_eq!(endless, Some(ClaimError::Lifetime));

    // At start: every row that one of these queries answers is a hole.
    for check in schema_checks(&names, &[]) {
        println!("-- check: {}", check.name);
    }
    Ok(())
}
