//! What holds for every command.

use std::fs;

use strongroom::apikey::TEST_KEY;

use crate::shell::{Shell, TENANT};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[test]
fn nothing_is_overwritten() {
    let shell = Shell::new();
    shell.file("taken", "before");
    let keyring = format!("--keyring keys --tenant {TENANT}");
    let new = format!("envelope keyring-new {keyring}");
    shell.run(&new).ends_with(0);
    for line in [
        "webhook keygen --out taken".to_owned(),
        "token keygen --out taken".to_owned(),
        format!("envelope keyring-new --keyring taken --tenant {TENANT}"),
        format!("envelope seal {keyring} --out taken"),
    ] {
        shell.run_with(&line, "x").ends_with(2);
        assert_eq!(fs::read(shell.path("taken")).unwrap(), b"before", "{line}");
    }
}

/// Whatever the command, a secret among its arguments is refused before anything repeats it.
#[test]
fn secrets_on_the_command_line_are_refused() {
    let shell = Shell::new();
    let token = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ4In0.c2ln";
    let private = "whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    for secret in [TEST_KEY, SECRET, private, token] {
        for line in [
            format!("apikey inspect {secret}"),
            format!("apikey inspect --key-file={secret}"),
            format!("token verify --jwks jwks --issuer i --audience a {secret}"),
            format!("envelope seal --keyring k --context=row={secret}"),
            format!("webhook sign --secret-file {secret} --id msg_1"),
        ] {
            let refused = shell.run(&line).ends_with(2).never_says(secret);
            assert!(refused.stderr.contains("is a secret"), "{}", refused.stderr);
        }
    }
}

#[test]
fn help_and_version_are_there() {
    let shell = Shell::new();
    let help = shell.run("--help").ends_with(0);
    assert!(help.text().contains("Exit status:") && help.text().contains("Examples:"));
    shell.run("audit verify --help").ends_with(0);
    shell.run("--version").ends_with(0);
    shell.run("nonsense").ends_with(2);
    shell.run_args(&[], "").ends_with(2);
}
