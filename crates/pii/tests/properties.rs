//! What holds for every text.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::time::Instant;

use proptest::prelude::*;
use strongroom_pii::{Channel, Class, Mode, Policy, Redactor, scan};
use strongroom_tenancy::TenantId;

fn strict(text: &str) -> String {
    let redaction = Policy::strict().redact(&TenantId::PLATFORM, Channel::Prompt, text);
    redaction.expect("strict never blocks").text
}

/// The text redacted in pieces.
fn in_pieces(text: &str, cuts: &[usize]) -> String {
    let policy = Policy::strict();
    let mut redactor = Redactor::new(&policy, &TenantId::PLATFORM, Channel::Prompt);
    let mut stream = redactor.stream();
    let (mut out, mut done) = (String::new(), 0);
    for cut in cuts.iter().copied().chain([text.len()]) {
        stream.push(&text[done..cut], &mut out).unwrap();
        done = cut;
    }
    stream.finish(&mut out).unwrap();
    out
}

/// One value of each class, in each of the forms that are found without context.
const VALUES: [(Class, &str); 20] = [
    (Class::Email, "john@example.com"),
    (Class::Email, "ann.lee+tag@mail.example.co.uk"),
    (Class::Phone, "+44 7700 900123"),
    (Class::Phone, "(201) 555-0108"),
    (Class::Phone, "201-555-0108"),
    (Class::Phone, "020 7946 0958"),
    (Class::UsSsn, "123-45-6789"),
    (Class::UsSsn, "612 85 6226"),
    (Class::UsSsn, "123\u{2011}45\u{2011}6789"),
    (Class::Card, "4111111111111111"),
    (Class::Card, "4111 1111 1111 1111"),
    (Class::Card, "5555-5555-5555-4444"),
    (Class::Card, "3782 822463 10005"),
    (Class::Iban, "DE89370400440532013000"),
    (Class::Iban, "GB29 NWBK 6016 1331 9268 19"),
    (Class::Iban, "NO93 8601 1117 947"),
    (Class::Ip, "192.0.2.7"),
    (Class::Ip, "2001:db8::8a2e:370:7334"),
    (Class::Ip, "::ffff:192.0.2.1"),
    (Class::Ip, "2001:db8:85a3:0:0:8a2e:370:7334"),
];

/// Pieces that are parts of values, what joins them, and words that tell.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(&VALUES[..]).prop_map(|(_, value)| value.to_owned()),
        "[0-9]{1,5}",
        "[0-9]{7,20}",
        "[-+.:/@() ,=\\[\\]'\\\\n]{1,3}",
        "[a-fA-F0-9]{1,5}:{1,2}",
        "[A-Za-z]{1,3}[0-9]{0,2}",
        proptest::sample::select(vec![
            "ssn ",
            "phone ",
            "card ",
            "order ",
            "version ",
            "social security ",
            "\u{a0}",
            "\u{2011}",
            " - ",
            "é",
            "話",
            "[EMAIL]",
            "[US_SSN]",
            "[PHONE]",
            "[X]",
            "\u{feff}",
        ])
        .prop_map(str::to_owned),
    ]
}

/// What stands around secrets, and what they are made of.
fn secret_piece() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z0-9+/]{12,80}={0,2}",
        "[A-Za-z0-9]{230,700}",
        "[ a-z]{1,300}",
        "[A-Za-z0-9_.-]{4,40}",
        "[A-Za-z0-9!@#$%^&*(_=+)|;,-]{6,60}",
        "[:=|,\"' \\n\\\\]{1,3}",
        proptest::sample::select(vec![
            "apiVersion: v1\n",
            "kind: Secret\n",
            "kind: ConfigMap\n",
            "metadata:\n  name: db\n",
            "data:\n",
            "---\n",
            "  a: ",
            "  token: ",
            "    ",
            "|\n  ",
            "\n  ",
            "token",
            "api_key",
            "password",
            "secretString",
            "\nDB_PASSWORD=",
            "\nexport SECRET_KEY=",
            " is the ",
            " Key is ",
            "key is ",
            "SECRET_KEY = '",
            "k2&v8)x|q0#(z",
            "k2v8x<DE89370400440532013000",
            " ||= ",
            "...",
            "curl ",
            " -u ",
            "ann:",
            " \\\n",
            " | ",
            "550e8400-e29b-41d4-a716-446655440000",
            "[SECRET]",
            "[PASSWORD]",
            "`",
            "\"",
            "Hunter2!x",
            " is my password",
            " is your ",
            "bic ",
        ])
        .prop_map(str::to_owned),
    ]
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => proptest::collection::vec(secret_piece(), 0..14).prop_map(|pieces| pieces.concat()),
        3 => proptest::collection::vec(piece(), 0..14).prop_map(|pieces| pieces.concat()),
        1 => any::<String>(),
        1 => "[0-9 .:@+()\\[\\]a-f-]{0,60}",
    ]
}

/// Cases as set by `PROPTEST_CASES`, or more than usual: these are the crate's main promises.
fn config() -> ProptestConfig {
    let cases = ProptestConfig::default().cases.max(2048);
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn redacting_twice_is_redacting_once(text in texts()) {
        let once = strict(&text);
        prop_assert_eq!(strict(&once), once, "{:?}", text);
    }

    #[test]
    fn a_stream_says_what_the_whole_text_says(
        text in texts(),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        cuts.retain(|cut| text.is_char_boundary(*cut));
        cuts.sort_unstable();
        prop_assert_eq!(in_pieces(&text, &cuts), strict(&text), "{:?} {:?}", text, cuts);
    }

    #[test]
    fn matches_are_sorted_apart_and_on_boundaries(text in texts()) {
        let mut end = 0;
        for found in scan(&text) {
            prop_assert!(found.range.start >= end && found.range.start < found.range.end);
            prop_assert!(text.get(found.range.clone()).is_some());
            prop_assert!(!found.evidence.is_empty());
            end = found.range.end;
        }
    }

    #[test]
    fn planted_values_never_survive(
        // Vowels make no telling word: after "order" a telephone's groups are an order number.
        before in "[aeou ,;\n\"{}é話]{0,30}",
        planted in proptest::collection::vec(
            (proptest::sample::select(&VALUES[..]), proptest::sample::select(vec![
                ", ", "; ", "\n", "|", "\",\"", " and ", "</b>", "\t", " x=", "。", "\\n",
            ])),
            1..6,
        ),
    ) {
        let mut text = format!("{before} ");
        for ((_, value), separator) in &planted {
            text.push_str(value);
            text.push_str(separator);
        }
        let redacted = strict(&text);
        for ((_, value), _) in &planted {
            prop_assert!(!redacted.contains(value), "{} in {}", value, redacted);
        }
    }

    #[test]
    fn findings_slice_back_to_what_was_replaced(text in texts()) {
        let policy = Policy::strict();
        let redaction = policy.redact(&TenantId::PLATFORM, Channel::Output, &text).unwrap();
        let (mut rebuilt, mut done) = (String::new(), 0);
        for finding in &redaction.findings {
            prop_assert_eq!(finding.action, Mode::Strict);
            rebuilt.push_str(&text[done..finding.span.bytes.start]);
            rebuilt.push_str(&finding.class.placeholder());
            done = finding.span.bytes.end;
        }
        rebuilt.push_str(&text[done..]);
        prop_assert_eq!(rebuilt, redaction.text);
    }
}

#[test]
fn each_value_is_found_as_its_class_and_whole() {
    for (class, value) in VALUES {
        for (before, after) in [
            ("", ""),
            ("<", ">"),
            ("x ", " y"),
            ("\"", "\","),
            ("k=", ";"),
        ] {
            let text = format!("{before}{value}{after}");
            let found = scan(&text);
            assert_eq!(found.len(), 1, "{text}");
            assert_eq!(
                (&found[0].class, &text[found[0].range.clone()]),
                (&class, value)
            );
        }
    }
}

#[test]
fn values_that_run_into_one_another_are_all_found() {
    for (text, redacted) in [
        ("4111 1111 1111 1111/6@e.me", "[CREDIT_CARD]/[EMAIL]"),
        ("5555-5555-5555-4444/2.0.2.4", "[CREDIT_CARD]/[IP_ADDRESS]"),
        ("4111111111111111-4::9", "[CREDIT_CARD]-[IP_ADDRESS]"),
        (
            "2.0.2.7\u{2011}GB29NWBK60161331926819",
            "[IP_ADDRESS]\u{2011}[IBAN]",
        ),
        ("1::4\u{2011}2.0.2.7", "[IP_ADDRESS]\u{2011}[IP_ADDRESS]"),
        ("+4700900123:4@o.kk", "[PHONE]:[EMAIL]"),
        ("phone 6011331 268 1999", "phone [PHONE] [PHONE]"),
    ] {
        assert_eq!(strict(text), redacted, "{text}");
        for cut in (0..text.len()).filter(|cut| text.is_char_boundary(*cut)) {
            assert_eq!(in_pieces(text, &[cut]), redacted, "{text} cut at {cut}");
        }
        let cuts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        assert_eq!(
            in_pieces(text, &cuts),
            redacted,
            "{text} a character at a time"
        );
    }
}

#[test]
fn names_of_columns_are_read_beside_values() {
    let text = "SN 123-45-6789.name,ssn,pass\nann,123456789,\"x y!9\"\nvalues (1, 2)\n";
    let cuts: Vec<usize> = (0..text.len()).collect();
    assert_eq!(in_pieces(text, &cuts), strict(text));
    assert_eq!(in_pieces(text, &[6, 12, 15, 21]), strict(text));
}

/// Spans that end with the window, wherever that is; and what stands beside a span that goes on.
#[test]
fn long_values_are_taken_whole_and_in_pieces_alike() {
    let key = |line: &str| {
        let base64 = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVow0123456789ab\n".repeat(30);
        format!("{line}-----BEGIN PRIVATE KEY-----\n{base64}-----END PRIVATE KEY-----")
    };
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
    ] {
        let whole = strict(&text);
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

#[test]
fn classes_of_ones_own_take_linear_time() {
    let detector = strongroom_pii::Detector::builder()
        .deny("custom.project", ["Falcon"])
        .unwrap()
        .build()
        .unwrap();
    let time = |count: usize| {
        let text = "Falcon ".repeat(count);
        let mut best = u128::MAX;
        for _ in 0..3 {
            let start = Instant::now();
            assert_eq!(detector.scan(&text).len(), count);
            best = best.min(start.elapsed().as_micros());
        }
        best
    };
    let (short, long) = (time(300), time(15_000));
    assert!(long < 50 * 8 * (short + 50), "{short} us, then {long} us");
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
            for after in [" x", " and you should send it along, as we said. ", "\", x"] {
                let text = format!("{before}{value}{}", after.repeat(9));
                let whole = strict(&text);
                assert!(!whole.contains(&value[value.len() - 20..]), "{whole}");
                assert_eq!(strict(&whole), whole);
                for step in [1, 2, 3, 5, 8, 13, 20, 100, 255, 256, 257] {
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

/// Fifty times the text takes about fifty times as long, on the worst texts there are.
/// The bound is far off, so that a busy machine passes and a quadratic step does not.
#[test]
fn hostile_texts_take_linear_time() {
    for piece in [
        "1",
        "@",
        ":",
        "::",
        "a@",
        "a.",
        "1.",
        "1-",
        "1 ",
        "1:",
        "a:",
        "[",
        "[EMAIL]",
        "(1",
        "+1",
        "DE89 ",
        "a@b.",
        "1.2.3.4",
        "1.2.3.",
        "4111 ",
        "4111 1111 1111 1112 ",
        "123-45-6789-",
        "phone 12 ",
        "phone 555 1234 ",
        "é",
        "話",
        "a@b.c,",
        "fe80::",
        "1:2:3:4:5:6:7:8:9:",
        "\\n",
        "0",
        "00",
        "ssn ",
        "'@",
        "a@[1.2.3.4",
        "a@b-",
        "bic ",
        "pwd ",
        " --",
        "| --- ",
        " -u ",
        "curl -u a:b ",
        "curl '\n -u a:b ",
        "token ",
        "is my password ",
        "kind: Secret\n",
        "---\nkind: Secret\ndata:\n",
        "data:\n a: YWRtaW46cGFzc3dvcmQ=\n",
        "token: |\n  YWRtaW46cGFzc3dvcmQ=\n",
        "a, ",
        "\"token\", ",
        "token ||= ",
    ] {
        let time = |bytes: usize| {
            let text = piece.repeat(bytes / piece.len());
            let mut best = u128::MAX;
            for _ in 0..3 {
                let start = Instant::now();
                std::hint::black_box(scan(&text));
                best = best.min(start.elapsed().as_micros());
            }
            best
        };
        let (short, long) = (time(2_000), time(100_000));
        assert!(
            long < 50 * 8 * (short + 50),
            "{piece:?}: {short} us, then {long} us"
        );
    }
}
