//! What stands in a secret's place: references, types, masks, words.

use super::value::{Value, is_generated, is_mixed, is_scrambled};
use crate::engine::byte::{self, ALNUM, LETTER};
use crate::engine::window::Window;

/// A reference, a type, a mask, a word of prose: nothing that anybody types in.
pub(super) fn is_placeholder(window: &Window<'_>, value: &Value) -> bool {
    let text = window.text(value.start, value.end);
    let first = text.bytes().next().unwrap_or(0);
    let lower = text.to_ascii_lowercase();
    let masked = text.chars().all(|c| {
        matches!(
            c,
            '*' | '•' | '●' | 'x' | 'X' | '.' | '-' | '_' | '#' | '?' | '…'
        )
    });
    let call = window.byte(value.end) == b'(' || is_call(text, value.quoted);
    let reference = [
        "os.",
        "process.",
        "var.",
        "data.",
        "self.",
        "this.",
        "env.",
        "settings.",
        "config.",
        "secrets.",
        "local.",
        "module.",
        "req.",
        "request.",
        "args.",
        "ctx.",
        "params.",
        "props.",
        "user.",
        // The name of a policy, a role or a key of Amazon's.
        "arn:aws",
    ]
    .iter()
    .any(|head| lower.starts_with(head));
    let bracketed = matches!(first, b'<' | b'{' | b'[')
        || text.starts_with('$')
        || text.starts_with('%') && text.ends_with('%')
        || text.contains("{{")
        || text.contains("${");
    // Base64 may begin with a slash as well.
    let rooted =
        first == b'/' && (text.len() < 20 || text.matches('/').count() > 2 || text.contains('.'));
    let path = rooted && text.matches('/').count() > 2 && text == lower && !text.contains('+')
        || !value.quoted
            && (rooted
                || text.starts_with("./")
                || text.starts_with("~/")
                || text.starts_with("//"));
    // AWS's documentation ends its keys so.
    let example = text.ends_with("EXAMPLE") || text.ends_with("EXAMPLEKEY");
    text.is_empty()
        || masked
        || !value.quoted && is_number(text)
        || example && text.len() >= 16
        || call
        || bracketed && !(value.quoted && is_scrambled(text.as_bytes()) && !is_variable(text))
        || reference
        || is_joined(window, value)
        || path
        || WORDS.contains(&lower.trim_end_matches(':'))
        || is_ones_own(text)
}

/// Whether a text says whose the value is that is to stand there, `YOUR_API_KEY`, and is not drawn at random
/// behind it.
fn is_ones_own(text: &str) -> bool {
    let heads = ["your", "Your", "YOUR"];
    let is_drawn = text.len() >= 20 && is_mixed(text.as_bytes());
    text.len() > 5 && heads.iter().any(|head| text.starts_with(head)) && !is_drawn
}

/// Whether a text is what stands between two texts of a program, or one that is put together:
/// `label:"Password:",next:"x"`, `"x='$PASSWORD'"`, `'x='.$p['x']`, `"x=#{x}"`.
fn is_joined(window: &Window<'_>, value: &Value) -> bool {
    let text = window.text(value.start, value.end);
    let is_name = |name: &str| {
        let legal = |b: u8| byte::is(b, LETTER) || b == b'_';
        !name.is_empty() && name.bytes().all(legal)
    };
    let in_marks = matches!(window.before(value.start), b'"' | b'\'' | b'`');
    let next = text.strip_prefix(',').map(str::trim);
    let next = next.and_then(|next| next.strip_suffix([':', '(']));
    let mark = |c: char| matches!(c, '\'' | '"');
    let variable = text
        .strip_prefix(mark)
        .and_then(|rest| rest.strip_prefix('$'));
    let variable = variable.and_then(|name| name.strip_suffix(mark));
    let joined = text
        .strip_prefix(".$")
        .and_then(|rest| rest.split_once('['));
    let sent = text.trim_start_matches('\\').strip_prefix("$_");
    let sent = sent.and_then(|rest| rest.split_once('['));
    let closes = text.contains('}') || window.byte(value.end) == b'}';
    value.quoted && in_marks && next.is_some_and(is_name)
        || variable.is_some_and(is_name)
        || joined.is_some_and(|(name, _)| is_name(name))
        || sent.is_some_and(|(name, _)| is_name(name))
        || text.starts_with("#{") && closes
        || text.starts_with("&lt;") && text.contains("&gt;")
}

/// Whether a text calls something. What stands in quotation marks does unless it is what a generator
/// makes, and no name of a program before parentheses: `env('PASSWORD')`, and not `k2)v8(q!`.
fn is_call(text: &str, quoted: bool) -> bool {
    let Some((name, arguments)) = text.split_once('(') else {
        return false;
    };
    // `#{env(:PW)}` and `@env(PW)` too, of templates.
    let is_name = |b: u8| {
        byte::is(b, ALNUM)
            || matches!(b, b'_' | b'.' | b':' | b'$' | b'-' | b'>' | b'\\')
            || matches!(b, b'#' | b'{' | b'@' | b'=' | b'!')
    };
    let is_whole = arguments.is_empty() || arguments.trim_end_matches('}').ends_with(')');
    let is_program = is_whole && name.bytes().all(is_name);
    !quoted || is_program || !is_generated(text.as_bytes())
}

/// Whether a text that begins with a dollar sign is a variable, or a hash of a password, which begins
/// with a name between two: `$DB_PASSWORD`, `$user->password`, `$argon2id$v=19$...`.
fn is_variable(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('$') else {
        return false;
    };
    let is_name = |b: u8| byte::is(b, ALNUM) || matches!(b, b'_' | b'.' | b':' | b'-' | b'>');
    let hash = rest.split_once('$').map(|(name, _)| name);
    rest.bytes().all(is_name)
        || hash.is_some_and(|name| !name.is_empty() && name.bytes().all(is_name))
}

/// A number that no password is: one digit, or a constant of base sixteen.
fn is_number(text: &str) -> bool {
    let hexadecimal = text.strip_prefix("0x").is_some_and(|rest| {
        (1..=8).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_hexdigit())
    });
    hexadecimal || text.len() == 1 && text.bytes().all(|b| b.is_ascii_digit())
}

/// Values that are none: types, constants, first words of prose.
const WORDS: [&str; 101] = [
    "array",
    "null",
    "none",
    "nil",
    "true",
    "false",
    "yes",
    "no",
    "undefined",
    "string",
    "str",
    "&str",
    "bytes",
    "text",
    "varchar",
    "number",
    "int",
    "integer",
    "bool",
    "boolean",
    "any",
    "object",
    "optional",
    "required",
    "char",
    "securestring",
    "must",
    "is",
    "are",
    "was",
    "and",
    "or",
    "the",
    "a",
    "an",
    "not",
    "should",
    "cannot",
    "can",
    "may",
    "will",
    "has",
    "have",
    "reset",
    "change",
    "changed",
    "needs",
    "need",
    "at",
    "at_least",
    "minimum",
    "length",
    "field",
    "input",
    "hidden",
    "redacted",
    "masked",
    "example",
    "placeholder",
    "empty",
    "missing",
    "invalid",
    "incorrect",
    "wrong",
    "expired",
    "expires",
    "forgotten",
    "forgot",
    "rotated",
    "if",
    "for",
    "of",
    "in",
    "on",
    "to",
    "with",
    "from",
    "please",
    "enter",
    "click",
    "see",
    "this",
    "that",
    "per",
    "via",
    "option",
    "options",
    "flag",
    "flags",
    "argument",
    "arguments",
    "parameter",
    "parameters",
    "password",
    "current-password",
    "new-password",
    "username",
    "apikey",
    "token",
    "pass",
    "passwd",
];
