//! What stands beside a value that was found, and what a stream holds.

use super::Mutation;

pub(super) const MUTATIONS: &[Mutation] = &[
    Mutation {
        name: "pii-beside-is-near",
        file: "crates/pii/src/engine/again.rs",
        find: "const BESIDE: usize = BEHIND + AHEAD;",
        replace: "const BESIDE: usize = 96 + 0 * (BEHIND + AHEAD);",
        test: "-p strongroom-pii --test properties what_stands_beside_a_value_is_read_with_its_label",
    },
    Mutation {
        name: "pii-lost-stays-lost",
        file: "crates/pii/src/engine/again.rs",
        find: "let floor = progress.beside(text, start).min(lost.unwrap_or(start));",
        replace: "let floor = progress.beside(text, start).min(lost.map_or(start, |_| start));",
        test: "-p strongroom-pii --test properties what_stands_beside_a_value_is_read_with_its_label",
    },
    Mutation {
        name: "pii-sight-in-values",
        file: "crates/pii/src/engine/again.rs",
        find: "if progress.closed.last().is_none_or(|(_, end)| *end <= at) {",
        replace: "if progress.closed.last().is_none_or(|(_, end)| *end <= at || *end > at) {",
        test: "-p strongroom-pii --test properties what_stands_beside_a_value_is_read_with_its_label",
    },
    Mutation {
        name: "pii-spelled-words-are-prose",
        file: "crates/pii/src/engine/again.rs",
        find: "if has(LETTER) && !has(DIGIT) && !is_spelled {",
        replace: "if has(LETTER) && !has(DIGIT) {",
        test: "-p strongroom-pii --test properties what_stands_beside_a_value_is_read_with_its_label",
    },
    Mutation {
        name: "pii-mark-closes-nothing",
        file: "crates/pii/src/engine/again.rs",
        find: "if let Some(mark) = closing(bytes, floor, start, at) {",
        replace: "if let Some(mark) = closing(bytes, floor, start, at).filter(|_| false) {",
        test: "-p strongroom-pii --test properties what_stands_beside_a_value_is_read_with_its_label",
    },
    Mutation {
        name: "pii-private-key-comes-nearer",
        file: "crates/pii/src/secrets/pem.rs",
        find: "let is_value = |b: &u8| matches!(*b, b'[' | FILL);",
        replace: "let is_value = |b: &u8| *b == FILL && *b == b'[';",
        test: "-p strongroom-pii --test properties what_stands_beside_a_value_is_read_with_its_label",
    },
    Mutation {
        name: "pii-flag-is-given-a-word",
        file: "crates/pii/src/secrets/command.rs",
        find: "(b, None) if is_mark(b) => open = Some(b),",
        replace: "(b, None) if is_mark(b) && escaped => open = Some(b),",
        test: "-p strongroom-pii --test properties what_stands_beside_a_value_is_read_with_its_label",
    },
    Mutation {
        name: "pii-invisible-without-end",
        file: "crates/pii/src/normal.rs",
        find: "if run > INVISIBLE {",
        replace: "if run > INVISIBLE && at == 0 {",
        test: "-p strongroom-pii --test streams no_text_is_held_without_end",
    },
    Mutation {
        name: "pii-invisible-run-forgotten",
        file: "crates/pii/src/stream.rs",
        find: "self.taken_out = taken_out;",
        replace: "self.taken_out = taken_out / usize::MAX;",
        test: "-p strongroom-pii --test streams no_text_is_held_without_end",
    },
    Mutation {
        name: "pii-address-by-what-is-near",
        file: "crates/pii/src/secrets/command.rs",
        find: "for at in read..at {",
        replace: "for at in read.max(at.saturating_sub(256))..at {\n                    in_address &= read + 256 > at;",
        test: "-p strongroom-pii --test properties what_stands_beside_a_value_is_read_with_its_label",
    },
    Mutation {
        name: "pii-scheme-is-a-key",
        file: "crates/pii/src/engine/context.rs",
        find: "window.byte(next) == b':' && !is_scheme;",
        replace: "window.byte(next) == b':' && !(is_scheme && following.is_ascii());",
        test: "-p strongroom-pii --test properties what_stands_beside_a_value_is_read_with_its_label",
    },
    Mutation {
        name: "pii-escaped-space-ends",
        file: "crates/pii/src/secrets/command.rs",
        find: "byte::is(b, SPACE) && !escaped => return false,",
        replace: "byte::is(b, SPACE) => return false,",
        test: "-p strongroom-pii --test properties what_stands_beside_a_value_is_read_with_its_label",
    },
];
