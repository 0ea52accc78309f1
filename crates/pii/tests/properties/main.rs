//! What holds for every text.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod configuration;
mod linear;
mod long;
mod runs;
mod texts;

use proptest::prelude::*;
use strongroom_pii::{Channel, Class, Mode, Policy, Redactor, scan};
use strongroom_tenancy::TenantId;

use crate::configuration::configuration;
use crate::runs::runs;
use crate::texts::texts;

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

/// The cuts that fall on characters' boundaries, in order.
fn boundaries(text: &str, cuts: &[proptest::sample::Index]) -> Vec<usize> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    cuts.retain(|cut| text.is_char_boundary(*cut));
    cuts.sort_unstable();
    cuts
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

/// A text of any of the generators.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![texts(), configuration(), runs()]
}

proptest! {
    // As many of each generator.
    #![proptest_config(ProptestConfig { cases: 3 * config().cases, ..config() })]

    #[test]
    fn redacting_twice_is_redacting_once(text in any_text()) {
        let once = strict(&text);
        prop_assert_eq!(strict(&once), once, "{:?}", text);
    }

    #[test]
    fn a_stream_says_what_the_whole_text_says(
        text in any_text(),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
    ) {
        let cuts = boundaries(&text, &cuts);
        prop_assert_eq!(in_pieces(&text, &cuts), strict(&text), "{:?} {:?}", text, cuts);
    }
}

proptest! {
    #![proptest_config(config())]

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

/// What stands beside a value is read as if a label stood in its place, the first time as well.
#[test]
fn what_is_redacted_was_not_there() {
    for (text, redacted) in [
        // No column is named by a value, or by the label for one.
        (
            "order ,DE89370400440532013000\nSECRET_KEY=0aa=+44 7700 900123",
            "order ,[IBAN]\nSECRET_KEY=0aa=[PHONE]",
        ),
        (
            "of [EMAIL],password\nb,xY9kq2\n",
            "of [EMAIL],password\nb,xY9kq2\n",
        ),
        (
            "of ann,password\nb,xY9kq2\n",
            "of ann,password\nb,[PASSWORD]\n",
        ),
        // The name of a login may be a value that has spaces, or a colon.
        ("curl -u +44 7700 900123:A0x", "curl -u [PHONE]:[PASSWORD]"),
        (
            "curl -u KEY=(4111 1111 1111 1111:A0x",
            "curl -u KEY=([CREDIT_CARD]:[PASSWORD]",
        ),
        (
            "curl -u john at example dot com:A1x https://x.example",
            "curl -u [EMAIL]:[PASSWORD] https://x.example",
        ),
        (
            "curl -u \"19https://ann:q1w2e3@db.example.com/x?token=q1w2\":A0x",
            "curl -u \"19[CONNECTION_STRING]\":[PASSWORD]",
        ),
        (
            "curl -u \"k:\" x.com Paid 4111111111 today. Call phone 4111111111.",
            "curl -u \"k:\" x.com Paid 4111111111 today. Call phone [PHONE].",
        ),
        // What else a row names is found below it, whatever a name is taken for.
        (
            "Name,Password last_changed,SSN\nann,hello,123456789\n",
            "Name,Password [PASSWORD],SSN\nann,hello,[US_SSN]\n",
        ),
        (
            "Password last_changed,SSN,Given,Family,Street,Town,County,Region\nhello,123456789,ann,b,c,d,e,f\n",
            "Password [PASSWORD],SSN,Given,Family,Street,Town,County,Region\nhello,[US_SSN],ann,b,c,d,e,f\n",
        ),
        (
            "insert into t (ssn, given, family, street, town, county, region, tier) values (123456789, 'x');\ninsert into u (n, ssn) values ('y', 123456780)",
            "insert into t (ssn, given, family, street, town, county, region, tier) values ([US_SSN], 'x');\ninsert into u (n, ssn) values ('y', [US_SSN])",
        ),
        // What its vendor's name tells is asked for whatever its column is called.
        (
            "user,token\nann,algolia 3b5d5c3712955042212316173ccf37be from ann@example.com",
            "user,token\nann,algolia [API_KEY] from [EMAIL]",
        ),
        // A field of a column of secrets is none when a label is in it.
        (
            "DE89370400440532013000 is your TOKEN | x\ndb.password=aaa00a\nx=[SECRET] password=q1w2e3\n",
            "[IBAN] is your TOKEN | x\ndb.password=[PASSWORD]\nx=[SECRET] password=[PASSWORD]\n",
        ),
        // A value may be a word, and so is its label: somebody speaks.
        ("user: aA DE89370400440532013000", "user: aA [IBAN]"),
        // A password is the whole word before "is my password", or what stands behind a label.
        (
            "[EMAIL][SECRET]A+my=a0a000aaaa0a0a0aaaaa00a is your password",
            "[EMAIL][SECRET][PASSWORD] is your password",
        ),
    ] {
        assert_eq!(strict(text), redacted, "{text}");
        assert_eq!(strict(redacted), redacted, "{text}");
        let cuts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        assert_eq!(in_pieces(text, &cuts), redacted, "{text} in pieces");
    }
}

#[test]
fn names_of_columns_are_read_beside_values() {
    let text = "SN 123-45-6789.name,ssn,pass\nann,123456789,\"x y!9\"\nvalues (1, 2)\n";
    let cuts: Vec<usize> = (0..text.len()).collect();
    assert_eq!(in_pieces(text, &cuts), strict(text));
    assert_eq!(in_pieces(text, &[6, 12, 15, 21]), strict(text));
}
