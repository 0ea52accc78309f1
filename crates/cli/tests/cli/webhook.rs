//! Webhooks.

use crate::shell::{Shell, assert_private};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[test]
fn a_webhook_is_signed_and_verified() {
    let shell = Shell::new();
    shell.run("webhook keygen --out secret").ends_with(0);
    assert_private(&shell.path("secret"));
    shell.file("body", "{}").file("other", "{ }");
    let sign = "webhook sign --secret-file secret --id msg_1 --timestamp 1000 body";
    let signed = shell.run(sign).ends_with(0);
    shell.file("headers", signed.text());

    let verify = "webhook verify --secret-file secret --headers headers --json --now";
    let told = shell
        .run(&format!("{verify} 1300 body"))
        .ends_with(0)
        .json();
    assert_eq!(
        (told["id"].as_str(), told["timestamp"].as_u64()),
        (Some("msg_1"), Some(1000))
    );
    let stale = shell
        .run(&format!("{verify} 1301 body"))
        .ends_with(1)
        .json();
    assert_eq!(
        stale["type"],
        "https://strongroom.dev/problems/webhook-too-old"
    );
    shell
        .run(&format!("{verify} 1301 --tolerance 301 body"))
        .ends_with(0);
    let altered = shell
        .run(&format!("{verify} 1000 other"))
        .ends_with(1)
        .json();
    assert_eq!(altered["detail"], "no signature matches");
    shell.file("headers", signed.text().lines().next().unwrap());
    let missing = shell
        .run(&format!("{verify} 1000 body"))
        .ends_with(1)
        .json();
    assert_eq!(missing["status"], 401);
    shell.file("headers", "no colon");
    shell.run(&format!("{verify} 1000 body")).ends_with(2);
}

/// The example of the Standard Webhooks specification.
#[test]
fn a_signature_is_the_standard_one() {
    let shell = Shell::new();
    shell.file("secret", format!("{SECRET}\n"));
    let line = "webhook sign --secret-file secret --id msg_p5jXN8AQM9LWM0D4loKWxJek \
                --timestamp 1614265330 --json";
    let told = shell
        .run_with(line, r#"{"test": 2432232314}"#)
        .ends_with(0)
        .json();
    let signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    assert_eq!(told["webhook-signature"], signature);

    // During a rotation both sign.
    let new = shell.run("webhook keygen").ends_with(0).text().to_owned();
    shell.file("secret", format!("{new}{SECRET}\n"));
    let both = shell
        .run_with(line, r#"{"test": 2432232314}"#)
        .ends_with(0)
        .json();
    let both = both["webhook-signature"].as_str().unwrap();
    assert!(both.ends_with(signature) && both.split(' ').count() == 2);

    shell.file("secret", "whsec_short");
    shell
        .run_with(line, "{}")
        .ends_with(2)
        .never_says("whsec_short");
}
