//! API keys.

use crate::shell::Shell;

#[test]
fn an_api_key_is_issued_inspected_and_hashed() {
    let shell = Shell::new();
    let issued = shell
        .run("apikey issue --prefix cust --env live --json")
        .ends_with(0)
        .json();
    let key = issued["key"].as_str().unwrap();
    assert!(key.starts_with("cust_live_"));
    shell.file("key", format!("{key}\n"));
    let hashed = shell
        .run("apikey hash --key-file key --json")
        .ends_with(0)
        .never_says(key)
        .json();
    assert_eq!(
        (&hashed["hash"], &hashed["key_id"]),
        (&issued["hash"], &issued["key_id"])
    );
    let told = shell
        .run_with("apikey inspect", key)
        .ends_with(0)
        .never_says(key);
    assert!(told.text().contains("environment: live\n"));

    let mistyped = key.replacen("cust", "cuss", 1);
    let refused = shell
        .run_with("apikey inspect", &mistyped)
        .ends_with(1)
        .never_says(&mistyped);
    assert_eq!(refused.stderr, "refused: api key: wrong checksum\n");
    shell
        .run_with("apikey hash", "nonsense")
        .ends_with(1)
        .never_says("nonsense");
    shell
        .run("apikey issue --prefix Cust --env live")
        .ends_with(2);
    shell.run("apikey inspect --key-file absent").ends_with(2);
}
