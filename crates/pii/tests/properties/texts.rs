//! Texts of pieces: parts of values, what joins them, and words that tell.

use proptest::prelude::*;

use crate::VALUES;

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

pub(crate) fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => proptest::collection::vec(secret_piece(), 0..14).prop_map(|pieces| pieces.concat()),
        3 => proptest::collection::vec(piece(), 0..14).prop_map(|pieces| pieces.concat()),
        1 => any::<String>(),
        1 => "[0-9 .:@+()\\[\\]a-f-]{0,60}",
    ]
}
