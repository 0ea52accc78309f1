//! Values that run straight into one another: calls of curl with marks that nothing closes, keys as long
//! as can be seen ahead, addresses that are spelled out.

use proptest::prelude::*;

use crate::{in_pieces, strict};

const CALLS: &[&str] = &[
    "curl ",
    "curl ",
    "curl -u ",
    "-u ",
    "-u ",
    "--user ",
    "--proxy-user ",
    " -H ",
    "-d ",
    "ann:Sup3rS3cret",
    "ann:",
    "a:b7x9Q",
    "it's ",
    " | ",
    " && ",
    " \\\n",
];

const MARKS: &[&str] = &[
    "\"", "\"", "'", "'", "\\\"", "\\'", "`", "|", ";", "&", "\n", "\\n", " ", " ", ":", "=", "/",
    ",", "(", ")", "{", "}", "[", "]", "<", ">", "\\", "$", "#", "%", "@", "-", "é", "\u{200b}",
];

const KEYS: &[&str] = &[
    "glc_",
    "sk_live_",
    "ghp_",
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.",
    "token=",
    "password=",
    "password: \"",
    "api_key='",
    "Authorization: Bearer ",
    "xoxb-",
    "github_pat_",
    "https://x.example/?key=",
    "postgres://a:",
    "-----BEGIN PRIVATE KEY-----\nMIIE",
];

const VALUES: &[&str] = &[
    "AKIAIOSFODNN7EXAMPLD",
    "=2@x.o",
    "ann@example.com",
    "john at example dot com",
    "(at)",
    "postgres://app:Hunter2@db.example.com:5432/x",
    "https://ann:q1w2@db.example.com/x",
    "+44 7700 900123",
    "4111111111111111",
    "192.0.2.7",
    "DE89370400440532013000",
    "token=q1w2e3r4",
    "[EMAIL]",
    "[PASSWORD]",
    "is",
    "my",
    "password",
    "ann",
];

fn run() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z0-9]{1,420}",
        "[A-Za-z0-9_-]{30,300}",
        "[A-Za-z0-9+/]{40,300}={0,2}",
        "[a-f0-9]{16,128}",
        "[!-~]{1,30}",
    ]
}

pub(crate) fn runs() -> impl Strategy<Value = String> {
    let one_of =
        |list: &'static [&'static str]| proptest::sample::select(list).prop_map(str::to_owned);
    let part = prop_oneof![
        4 => one_of(CALLS),
        6 => one_of(MARKS),
        3 => one_of(KEYS),
        5 => one_of(VALUES),
        2 => run(),
    ];
    proptest::collection::vec(part, 2..24).prop_map(|parts| parts.concat())
}

/// A second pass asks nothing that the first did not ask with a label in the value's place.
#[test]
fn what_stands_beside_a_value_is_read_with_its_label() {
    let bytes = "a8B3c9D1e7".repeat(26);
    for (text, redacted) in [
        // The last label of an address that is spelled out ends where another value begins.
        (
            "john at example dot comYvzHVq8Vvq2lY8d9NuCwXrCGr042Tgzi3cRKShRhttps://ann:q1w2@db.example.com/x",
            "[EMAIL][CONNECTION_STRING]",
        ),
        (
            "write to john (at) example.comYvzHVq8Vvq2lY8d9NuCwXrCGr042Tgzi3cRKShRhttps://ann:q1w2@db.example.com/x",
            "write to [EMAIL][CONNECTION_STRING]",
        ),
        // A key whose padding is an address's local part, as long as can be seen ahead and longer.
        (&format!("glc_{}=2@x.o", &bytes[..140]), "[API_KEY][EMAIL]"),
        (&format!("glc_{}=2@x.o", &bytes[..250]), "[API_KEY][EMAIL]"),
        // What lost to a value that ran into it.
        (
            "postgres://a:x,k2@-----BEGIN PRIVATE KEY-----\nMIIEhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh",
            "[CONNECTION_STRING][PRIVATE_KEY]",
        ),
        // What another value held that lost as well.
        (
            "api_key='password: \"q1w2/curl password: \"Hunter2w2DE89370400440532013000'password\"",
            "api_key='password: \"[PASSWORD]\"[PASSWORD]\"",
        ),
        // The mark that closes a value stands before an address.
        (
            "x::password: \"q1w2api_key='Authorization: Bearer token: q1w2e3r4iscurl 192.0.2.7<:r~X5e,<$192.0.2.7%<[PASSWORD]x9!kQ2zdon't password=q1w2e3\"ann@example.com",
            "x::password: \"q1w2api_key='Authorization: Bearer token: q1w2e3r4iscurl [IP_ADDRESS]<:r~X5e,<$[IP_ADDRESS]%<[PASSWORD]x9!kQ2zdon't password=[PASSWORD]\"[EMAIL]",
        ),
        // A login in quotation marks that a value takes one of, or that begins and ends in it.
        (
            "curl -u  DE89370400440532013000\"[J'{]\"~XCj{,P=\"4111111111111111/curl \\\"postgres://app:Hunter2@db.example.com:5432/xapi_key='password: \"q1w2password",
            "curl -u  [IBAN]\"[J'{]\"~XCj{,P=\"[CREDIT_CARD]/curl \\\"[CONNECTION_STRING]:[PASSWORD]",
        ),
        (
            "curl --user Hs'`'\"WKJcurl <{u?@H.{tWb; [SECRET]W]x&~WMA@B*;dj\"Sk{postgres://app:Hunter2@db.example.com:5432/x+44 7700 900123",
            "curl --user [USERNAME]'`'\"WKJcurl <{u?@H.{tWb; [SECRET]W]x&~WMA@B*;dj\"Sk{[CONNECTION_STRING] 7700 900123",
        ),
        // A space that is escaped is of a login.
        (
            "curl -u \\ DE89370400440532013000[PASSWORD]john at example dot com(postgres://a:curl -u 'is\")[PASSWORD] && x",
            "curl -u \\ DE89370400440532013000[PASSWORD][EMAIL](postgres:[PASSWORD] -u 'is\")[PASSWORD] && x",
        ),
        // A line that is shorter than what is seen ahead, once it is redacted.
        (
            "curl -u AKIAIOSFODNN7EXAMPLDpostgres://app:Hunter2@db.example.com:5432/x:\\\"[+44 7700 900123password=q1w2e3/x postgres://app:Hunter2@db.example.com:5432/x[SECRET]ghp_0123456789abcdefghijABCDEFGHIJ012345;curl  -H G$Mca.'D]wU='6d*\\x?[EMAIL]ann:1k92F0z67YOOtoken: q1w2e3r4",
            "curl -u [CONNECTION_STRING]:[PASSWORD] 7700 900123password=q1w2e3/x [CONNECTION_STRING][SECRET]ghp_0123456789abcdefghijABCDEFGHIJ012345;curl  -H G$Mca.'D]wU='6d*\\x?[EMAIL]ann:1k92F0z67YOOtoken: q1w2e3r4",
        ),
        // An address in which a command's separators are none, however much of it is redacted.
        (
            &format!("curl https://x.example/?key={bytes}&page=1 -u ann:Sup3rS3cret"),
            "curl https://x.example/?key=[SECRET]&page=1 -u ann:[PASSWORD]",
        ),
        // Letters before a scheme are no name of a value.
        (
            "token=q1w2e3r4]--user password épostgres://app:Hunter2@db.example.com:5432/x",
            "token=[PASSWORD] password é[CONNECTION_STRING]",
        ),
        // The body of a private key does not come nearer to its label.
        (
            &format!(
                "-----BEGIN PRIVATE KEY-----\nMIIE{}:ABCDEFGHIJKLMNOPQRSTUVWXYZ",
                "/ann.of.the.long.name@some.example.com".repeat(4)
            ),
            "-----BEGIN PRIVATE KEY-----\nMIIE/[EMAIL]/[EMAIL]/[EMAIL]/[EMAIL]:ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        ),
    ] {
        assert_eq!(strict(text), redacted, "{text}");
        assert_eq!(strict(redacted), redacted, "{text}");
        let cuts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        assert_eq!(in_pieces(text, &cuts), redacted, "{text} in pieces");
    }
}
