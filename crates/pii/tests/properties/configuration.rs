//! Lines of settings and of prose about them, with values of one class run into those of another.

use proptest::prelude::*;

use crate::VALUES;

fn one_of(choices: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::sample::select(choices).prop_map(str::to_owned)
}

/// What may stand before a setting's name.
const PREFIXES: &[&str] = &[
    "", "", "", "", "export ", "ENV ", "- ", "set ", "  ", "let ", "-", "--", "$env:", "\"", "# ",
    "+ ", "<", "curl -u ", "curl --",
];

const NAMES: &[&str] = &[
    "SECRET_KEY",
    "DB_PASSWORD",
    "API_KEY",
    "apiKey",
    "db.password",
    "password",
    "passwd",
    "pwd",
    "token",
    "TOKEN",
    "client_secret",
    "clientSecret",
    "AWS_SECRET_ACCESS_KEY",
    "connectionString",
    "DATABASE_URL",
    "user",
    "username",
    "auth",
    "Authorization",
    "x-api-key",
    "ssn",
    "phone",
    "card",
    "order",
    "version",
    "id",
];

const ASSIGNS: &[&str] = &[
    "=", "=", ": ", " = ", " => ", " := ", "?=", " ?= ", "=\t", "\t=\t", ":", "\": \"", "', '",
    " ", " is ", " is: ", "==", " == ", "||=", "=>", ">", " -> ", " | ",
];

const QUOTES: &[&str] = &["", "", "\"", "'", "`", "\"\"\"", "\\\"", "(", "<", "[", "{"];

/// Signs that end a value in one notation and are a part of it in another.
const SEPARATORS: &[&str] = &[
    ",", ";", "|", "&", ")", "(", "!", "#", "<", ">", "{", "}", "[", "]", ":", "=", "/", "\\", "@",
    "%", "$", "*", "?", "^", "~", "+", "-", "_", ".", " ", "\"", "'", "`", "||", "&&", ";)",
    "\u{a0}", "\u{200b}", "é", "話",
];

/// Values of other classes, and what looks like one.
const OTHERS: &[&str] = &[
    "AKIAIOSFODNN7EXAMPLD",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345",
    "https://ann:q1w2e3@db.example.com/x?token=q1w2",
    "postgres://app:Hunter2@db.example.com:5432/x",
    "https://example.com/a?b=c",
    "token=q1w2",
    "password=q1w2",
    "token: q1w2e3r4",
    "550e8400-e29b-41d4-a716-446655440000",
    "${SECRET}",
    "$(pass show db)",
    "{{ secret }}",
    "<your key>",
    "os.environ['KEY']",
    "changeme",
    "true",
    "null",
    "[SECRET]",
    "[PASSWORD]",
    "[EMAIL]",
    "[X]",
    "is",
    "the",
];

/// A password, a key, or a part of one.
fn random() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9!@#$%^&*(_=+)-]{1,60}",
        "[A-Za-z0-9]{1,48}",
        "[!-~]{1,40}",
        "[A-Za-z0-9+/]{8,64}={0,2}",
        "[a-f0-9]{6,64}",
        "[A-Za-z]{2,9}[0-9]{1,4}[!?#$.]{0,2}",
        "[0-9]{1,16}",
    ]
}

fn part() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => random(),
        3 => one_of(SEPARATORS),
        1 => proptest::sample::select(&VALUES[..]).prop_map(|(_, value)| value.to_owned()),
        1 => one_of(OTHERS),
    ]
}

fn value() -> impl Strategy<Value = String> {
    proptest::collection::vec(part(), 1..6).prop_map(|parts| parts.concat())
}

/// The same mark on both sides, mostly.
fn quoted() -> impl Strategy<Value = String> {
    (one_of(QUOTES), value(), 0..8_u8).prop_map(|(quote, value, odd)| {
        let close = match quote.as_str() {
            _ if odd == 0 => "",
            "(" => ")",
            "<" => ">",
            "[" => "]",
            "{" => "}",
            same => same,
        };
        format!("{quote}{value}{close}")
    })
}

const ENDINGS: &[&str] = &[
    "\n", "\n", "\n", "\r\n", ",\n", ";\n", " # c\n", " // c\n", ", ", "; ", " ", " \\\n", "\\n",
    "", " || x\n", " | x\n", ").\n", ". ",
];

fn setting() -> impl Strategy<Value = String> {
    (
        one_of(PREFIXES),
        one_of(NAMES),
        one_of(ASSIGNS),
        quoted(),
        one_of(ENDINGS),
    )
        .prop_map(|(prefix, name, assigns, value, end)| {
            format!("{prefix}{name}{assigns}{value}{end}")
        })
}

/// A sentence that says a secret, before its name or behind it.
fn sentence() -> impl Strategy<Value = String> {
    let telling = one_of(&[
        "the KEY is ",
        "Your password is ",
        "My token: ",
        "password for ann ",
        "Key is ",
        "apiKey is ",
        "login with ann / ",
    ]);
    let told = one_of(&[
        " is your password",
        " is the Key is ",
        " is your TOKEN",
        " is my api key",
        " is the secret, ",
        " as the password",
        " is",
    ]);
    prop_oneof![
        (telling, quoted(), one_of(ENDINGS)).prop_map(|(a, b, c)| format!("{a}{b}{c}")),
        (quoted(), told, one_of(ENDINGS)).prop_map(|(a, b, c)| format!("{a}{b}{c}")),
    ]
}

pub(crate) fn configuration() -> impl Strategy<Value = String> {
    let line = prop_oneof![5 => setting(), 2 => sentence(), 1 => quoted()];
    proptest::collection::vec(line, 1..5).prop_map(|lines| lines.concat())
}
