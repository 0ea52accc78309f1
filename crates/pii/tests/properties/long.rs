//! Values longer than what is seen at once, and what is told from far away.

use crate::{in_pieces, strict};

/// Spans that end with the window, wherever that is; and what stands beside a span that goes on.
#[test]
fn long_values_are_taken_whole_and_in_pieces_alike() {
    let key = |line: &str| {
        let base64 = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVow0123456789ab\n".repeat(30);
        format!("{line}-----BEGIN PRIVATE KEY-----\n{base64}-----END PRIVATE KEY-----")
    };
    let stripe = format!("password=sk_live_{}", "EXAMPLE8f3kL9mQ2xZ7vB4nC6tR");
    for text in [
        format!("https://linkedin.com/in/{}", "é".repeat(200)),
        format!("xhttps://linkedin.com/in/{} and on", "話".repeat(200)),
        format!("Server=x;Password=yy;Database={}", "é".repeat(200)),
        format!("{}ann@example.com and more words here.", key("")),
        format!("{} ann@example.com and more.", key("é話 4111111111111111")),
        format!(
            "4111111111111111PuTTY-User-Key-File-2: ssh-rsa\n{}\nPrivate-MAC: 00ff and on",
            "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVow0123456789ab\n".repeat(40)
        ),
        key(&stripe),
        key(&stripe).replace("END", "AND"),
    ] {
        let whole = strict(&text);
        assert!(!whole.contains("EXAMPLE"), "{whole}");
        assert_eq!(strict(&whole), whole);
        assert!(!whole.contains("ann@"), "{whole}");
        for size in [1, 7, 97, 400] {
            let cuts: Vec<usize> = text
                .char_indices()
                .map(|(at, _)| at)
                .step_by(size)
                .collect();
            assert_eq!(in_pieces(&text, &cuts), whole, "{size}");
        }
    }
}

/// Texts of so many signs of base64, the same ones each time.
fn base64() -> impl FnMut(usize) -> String {
    let mut random = std::iter::successors(Some(7_u64), |last| {
        Some(last.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1))
    });
    move |length| {
        const SIGNS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut sign = || char::from(SIGNS[usize::try_from(random.next().unwrap() >> 58).unwrap()]);
        (0..length).map(|_| sign()).collect()
    }
}

/// What tells a value may be far from it, and comes nearer when what is between is redacted.
#[test]
fn a_second_pass_finds_nothing_more_of_secrets() {
    let mut base64 = base64();
    let mut entries = |length: usize| -> String {
        ('a'..='t')
            .map(|name| format!("  {name}: {}\n", base64(length)))
            .collect()
    };
    let head = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\ndata:\n";
    let manifest = format!("{head}{}", entries(48));
    let of_kubectl = format!("apiVersion: v1\ndata:\n{}kind: Secret\n", entries(48));
    let longer = format!("{head}{}", entries(900));
    let lines: String = (0..40).map(|_| format!("  {}\n", base64(76))).collect();
    let wrapped = format!("service_token: |\n{lines}other: x\n");
    let of_data = format!("{head}  tls.crt: |\n{}", lines.replace("  ", "    "));
    let bearer = base64(3000).replace(['+', '/'], "x");
    let curl =
        format!("curl -H \"Authorization: Bearer {bearer}\" -u ann:Sup3rS3cret https://x.example");
    for (text, secrets) in [
        (&manifest, 20),
        (&of_kubectl, 20),
        (&longer, 20),
        (&wrapped, 40),
        (&of_data, 40),
        (&curl, 2),
    ] {
        let once = strict(text);
        let found = once.matches("[SECRET]").count() + once.matches("[PASSWORD]").count();
        assert_eq!(found, secrets, "{once}");
        assert!(once.len() < 40 * (secrets + 4), "{once}");
        assert_eq!(strict(&once), once);
        for step in [1, 7, 100, 1000] {
            let cuts: Vec<usize> = (0..text.len()).step_by(step).collect();
            assert_eq!(in_pieces(text, &cuts), once, "by {step}");
        }
    }
    let text = format!(
        "service_token: |\n  {}\n  {}\nother: x\n",
        base64(1100),
        base64(76)
    );
    assert_eq!(strict(&strict(&text)), strict(&text), "{text}");
    // A value that loses to a vendor's key within it does not hold another.
    let text = "API_KEY = \"C77U#Soa!token=q1w2IY1Fl32895TxF0u1ut3nH9ZP4Z|;AKIAIOSFODNN7EXAMPLD!,j+k^w565q3\"";
    assert_eq!(strict(&strict(text)), strict(text), "{text}");
    // A key in base64 goes on in base64.
    let text = format!("token: fm2_{}/{}", base64(300), base64(200));
    assert_eq!(strict(&text), "token: [API_KEY]");
    // What has all signs and is longer than can be seen ahead is not cut in two.
    let text = format!("SECRET_KEY = '{}'\n", "k2#v8$x%q0!z@".repeat(25));
    assert_eq!(strict(&text), text);
    // A label has no capital letter at its beginning, as a type has.
    let text = "export db.password: muEphX9aZmqBK0<DE89370400440532013000\n";
    assert_eq!(strict(&strict(text)), strict(text), "{text}");
    // What was said in a line whose key is redacted is not said.
    for key in ["4111111111111111", "192.168.7.13", "  x"] {
        let text = format!("{head}  a: Zm9v\n{key}: x\n  b: YWRtaW46cGFzc3dvcmQ=\n");
        assert_eq!(strict(&strict(&text)), strict(&text), "{text}");
    }
    let table = format!(
        "token,note\n{}",
        "550e8400-e29b-41d4-a716-446655440000,ok\n".repeat(300)
    );
    let once = strict(&table);
    assert_eq!(once.matches("[SECRET],ok").count(), 300);
    let cuts: Vec<usize> = (0..table.len()).step_by(1000).collect();
    assert_eq!(in_pieces(&table, &cuts), once);
}

/// A value may be longer than what is looked back over: nothing of it goes out before it is known.
#[test]
fn long_values_are_redacted_whole_in_streams() {
    let mut base64 = base64();
    for length in [200, 241, 254, 300, 351, 360, 510, 700, 2100] {
        let value = base64(length).replace(['+', '/'], "x");
        let jwt = format!("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.{value}");
        for (before, value) in [("api_key=", &value), ("The token is ", &jwt)] {
            for after in [
                " x",
                " and you should send it along, as we said. ",
                "\", x",
                ")x",
            ] {
                let text = format!("{before}{value}{}", after.repeat(9));
                let whole = strict(&text);
                assert!(!whole.contains(&value[value.len() - 20..]), "{whole}");
                assert_eq!(strict(&whole), whole);
                for step in [1, 2, 3, 5, 8, 13, 20, 100, 255, 256, 257, text.len() - 1] {
                    let cuts: Vec<usize> = (0..text.len()).step_by(step).collect();
                    assert_eq!(in_pieces(&text, &cuts), whole, "{length} by {step}");
                }
            }
        }
    }
}

/// A value in quotation marks is not sent on when its mark closes: its name may come behind it.
#[test]
fn quoted_values_are_held_until_they_are_known() {
    for text in [
        "Sure. `Hunter2!x` is your new password, keep it safe.",
        "My password is weak. \"Hunter2!x\" is my password.",
        "Which password? \"b8agX7!\" is my password",
        "| `Hunter2!x` is the password |",
        "Say 'Hunter2!x' is my password, or (Hunter2!x) is the password.",
    ] {
        let whole = strict(text);
        for cut in 0..=text.len() {
            assert_eq!(in_pieces(text, &[cut]), whole, "{cut}");
        }
        let cuts: Vec<usize> = (0..text.len()).collect();
        assert_eq!(in_pieces(text, &cuts), whole);
    }
}
