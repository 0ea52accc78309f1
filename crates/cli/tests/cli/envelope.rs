//! Sealed records.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::shell::{Shell, TENANT, assert_private};

const OTHER_TENANT: &str = "0190b2a4-8c7e-7d3a-9f00-0242ac120009";

#[test]
fn a_record_is_sealed_and_opened() {
    let shell = Shell::new();
    let new = format!("envelope keyring-new keyring --tenant {TENANT} --key root");
    shell.run(&new).ends_with(0);
    assert_private(&shell.path("keyring"));
    let means = format!("--keyring keyring --tenant {TENANT} --key root --context row=17");
    let seal = format!("envelope seal {means} --out sealed");
    shell.run_with(&seal, "sk-example").ends_with(0);
    assert_private(&shell.path("sealed"));
    let opened = shell
        .run(&format!("envelope open {means} sealed"))
        .ends_with(0);
    assert_eq!(opened.text(), "sk-example");

    for (name, other) in [
        ("context", means.replace("row=17", "row=18")),
        ("tenant", means.replace(TENANT, OTHER_TENANT)),
        ("key", means.replace("--key root", "--key other")),
    ] {
        let refused = shell
            .run(&format!("envelope open {other} sealed"))
            .ends_with(1);
        assert_eq!(refused.stderr, "refused: open: failed\n", "{name}");
        assert_eq!(refused.text(), "");
    }
    let mut altered = fs::read(shell.path("sealed")).unwrap();
    *altered.last_mut().unwrap() ^= 1;
    shell
        .run_with(&format!("envelope open {means}"), altered)
        .ends_with(1);
    shell
        .run_with(&format!("envelope open {means}"), "no record")
        .ends_with(1);

    let piped = shell
        .run_with(&format!("envelope seal {means} --json"), "x")
        .ends_with(0)
        .json();
    let sealed = STANDARD
        .decode(piped["sealed_base64"].as_str().unwrap())
        .unwrap();
    let told = shell
        .run_with(&format!("envelope open {means} --json"), sealed)
        .ends_with(0)
        .json();
    assert_eq!(told["plaintext_base64"], STANDARD.encode("x"));

    let told = shell
        .run("envelope inspect sealed --json")
        .ends_with(0)
        .json();
    assert_eq!(
        (told["wrap"][0]["key"].as_str(), &told["wrap"][0]["version"]),
        (Some("root"), &1.into())
    );
    shell.run_with("envelope inspect", "no record").ends_with(1);
    shell
        .run("envelope open --tenant x --key root --keyring keyring")
        .ends_with(2);
    let malformed = means.replace("row=17", "row");
    shell
        .run(&format!("envelope open {malformed} sealed"))
        .ends_with(2);
}
