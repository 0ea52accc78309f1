//! API keys.

use strongroom::apikey::TEST_KEY;

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

/// The published test key, spoilt in each of its parts.
#[test]
fn inspect_says_what_is_wrong() {
    let shell = Shell::new();
    for (text, code) in [
        ("cust_test_EXAMPLEKEY00", "length"),
        (&TEST_KEY.replacen("cust", "Cust", 1), "prefix"),
        (&TEST_KEY.replacen("test", "prod", 1), "environment"),
        (&TEST_KEY.replacen("EXAMPLEKEY00", "EXAMPLE-EY00", 1), "id"),
        (&TEST_KEY.replacen("_0000", "_000-", 1), "secret"),
        (&TEST_KEY.replacen("Atusu", "Atusv", 1), "checksum"),
    ] {
        let told = shell.run_with("apikey inspect --json", text).ends_with(1);
        let told = told.never_says(text).json();
        assert_eq!(
            (&told["valid"], &told["code"]),
            (&false.into(), &code.into())
        );
    }
    let told = shell.run_with("apikey inspect --json", TEST_KEY);
    let told = told.ends_with(0).never_says(TEST_KEY).json();
    assert_eq!(told["key_id"], "EXAMPLEKEY00");
}

#[test]
fn a_key_is_hashed_under_a_pepper() {
    let shell = Shell::new();
    let pepper = "0b".repeat(32);
    shell.file("pepper", format!("{pepper}\n"));
    let peppered = "--pepper-file pepper --pepper-id 7";
    let told = shell
        .run_with(&format!("apikey hash --json {peppered}"), TEST_KEY)
        .ends_with(0)
        .never_says(&pepper)
        .json();
    assert_eq!(
        (&told["scheme"], &told["pepper_id"]),
        (&2.into(), &7.into())
    );
    // Python: hmac.new(b"\x0b" * 32, key, "sha256").hexdigest()
    let expected = "48c8c6c922bb51550035328d564a61d6582728bc5dc0c8ceb59e23980ac7757b";
    assert_eq!(told["hash"], expected);

    let issue = format!("apikey issue --prefix cust --env test --json {peppered}");
    let issued = shell.run(&issue).ends_with(0).json();
    assert_eq!(issued["pepper_id"], 7);
    shell.file("short", "0b".repeat(31)).file("text", "pepper");
    for line in [
        "apikey hash --pepper-file short --pepper-id 7",
        "apikey hash --pepper-file text --pepper-id 7",
        "apikey hash --pepper-file absent --pepper-id 7",
        "apikey hash --pepper-file pepper",
        "apikey hash --pepper-id 7",
    ] {
        shell
            .run_with(line, TEST_KEY)
            .ends_with(2)
            .never_says(TEST_KEY);
    }
}
