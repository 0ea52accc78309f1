//! The names of secrets, before a sign: `password =`, `apiKey:`, `token string =`.

use crate::class::Kind;
use crate::engine::byte::{self, ALNUM, DIGIT, LETTER, LOWER, UPPER};
use crate::engine::lexicon::Lexicon;
use crate::engine::placeholder;
use crate::engine::window::Window;

/// Which of the classes a name may be of.
#[derive(Clone, Copy, Default)]
pub(super) struct Names<'t> {
    pub(super) password: bool,
    pub(super) username: bool,
    pub(super) secret: bool,
    /// The end of the name itself, in whichever text it stands.
    pub(super) name: &'t [u8],
}

/// What the name before an offset may be of.
pub(super) fn name_before<'t>(
    window: &Window<'t>,
    lexicon: &Lexicon,
    at: usize,
) -> Option<Names<'t>> {
    let mut end = at;
    // Signs that stand below one another are set off.
    while end > 0 && at - end < 24 && matches!(window.before(end), b' ' | b'\t') {
        end -= 1;
    }
    let at = end;
    while end > 0
        && at - end < 4
        && matches!(
            window.before(end),
            b' ' | b'"' | b'\'' | b'`' | b']' | b'\\'
        )
    {
        // A label is no name: `[PASSWORD]: x`.
        if window.before(end) == b']' && placeholder::is_before(window, end) {
            return None;
        }
        end -= 1;
    }
    let numbered = end;
    end = before_number(window, end);
    let mut start = end;
    while start > 0 && end - start < 24 {
        let b = window.before(start);
        let hump = start < end && byte::is(window.byte(start), UPPER) && byte::is(b, LOWER);
        if hump || b.is_ascii() && !byte::is(b, LETTER) {
            break;
        }
        start -= 1;
    }
    let word = window.text(start, end);
    if !(2..=20).contains(&word.len()) {
        return None;
    }
    let entry = lexicon.find(word)?;
    let phrase = entry.ends_phrase;
    let named = |kind: Kind| entry.names.contains(kind as u16);
    let is_numbered = end < numbered;
    // `pass1` and `user1` are stages and people.
    let is_password = !is_numbered || word.len() > 4;
    let names = Names {
        name: window.bytes(end.saturating_sub(NAME_MAX), end),
        password: (named(Kind::Password) || phrase) && is_password,
        username: (named(Kind::Username) || phrase) && !is_numbered,
        secret: named(Kind::Generic) || phrase,
    };
    (names.password || names.username || names.secret).then_some(names)
}

/// Where a name ends that has a number behind it: `password1`, `API_KEY_2`.
fn before_number(window: &Window<'_>, end: usize) -> usize {
    let mut start = end;
    while end - start < 2 && byte::is(window.before(start), DIGIT) {
        start -= 1;
    }
    let gap = start - usize::from(start < end && matches!(window.before(start), b'_' | b'-'));
    match start < end && byte::is(window.before(gap), LETTER) {
        true => gap,
        false => end,
    }
}

/// How much of a name is read at most, in bytes.
const NAME_MAX: usize = 40;

impl Names<'_> {
    /// Whether it is the name of what opens something, whatever that looks like: of a key of an
    /// interface, and not of a row.
    pub(super) fn open(&self) -> bool {
        const NAMES: [&[u8]; 5] = [
            b"apikey",
            b"accesskey",
            b"token",
            b"authorization",
            b"secret",
        ];
        let mut letters = [0; NAME_MAX];
        let joined = joined(self.name, &mut letters);
        joined.ends_with(b"secretkey") || NAMES.iter().any(|name| joined.ends_with(name))
    }
}

/// The letters and digits of a name, in small letters: `apikey` of `API_KEY`.
fn joined<'l>(name: &[u8], letters: &'l mut [u8; NAME_MAX]) -> &'l [u8] {
    let parts = name.iter().filter(|b| !matches!(b, b'_' | b'-' | b'.'));
    let mut length = 0;
    for (letter, b) in letters.iter_mut().zip(parts) {
        *letter = b.to_ascii_lowercase();
        length += 1;
    }
    letters.get(..length).unwrap_or_default()
}

/// What the name that ends at an offset may be of, when it has a secret's in it and does not end as
/// another's does: `secretString`, `api_token_2`.
pub(super) fn names_within<'t>(window: &Window<'t>, at: usize) -> Option<Names<'t>> {
    const PASSWORD: &[u8] = b"password";
    const SECRET: [&[u8]; 3] = [b"secret", b"token", b"apikey"];
    const ENDS: [&[u8]; 16] = [
        b"id", b"name", b"hash", b"url", b"uri", b"path", b"type", b"file", b"digest", b"version",
        b"ref", b"arn", b"sum", b"sha", b"address", b"mint",
    ];
    let end = at - usize::from(window.before(at) == b' ');
    let end = end - usize::from(matches!(window.before(end), b'"' | b'\''));
    let start = end
        .saturating_sub(NAME_MAX)
        .max(window.run_back(end, byte::TOKEN));
    if end - start < 6 {
        return None;
    }
    let mut letters = [0; NAME_MAX];
    let name = joined(window.bytes(start, end), &mut letters);
    let holds = |within: &[u8]| name.windows(within.len()).any(|part| part == within);
    let names = Names {
        password: holds(PASSWORD),
        secret: SECRET.into_iter().any(holds),
        ..Names::default()
    };
    let is = names.password || names.secret;
    (is && !ENDS.iter().any(|ending| name.ends_with(ending))).then_some(names)
}

/// Whether the name that ends at an offset is Bundler's of a source of gems, which is given a login
/// (bundle-config(1), "Credentials for gem sources"): `BUNDLE_GEMS__EXAMPLE__COM`.
pub(super) fn is_gem_source(window: &Window<'_>, at: usize) -> bool {
    let end = at - usize::from(window.before(at) == b' ');
    let end = end - usize::from(matches!(window.before(end), b'"' | b'\''));
    let name = window.bytes(window.run_back(end, byte::TOKEN), end);
    name.starts_with(b"BUNDLE_") && name.windows(2).any(|pair| pair == b"__")
}

/// Where an operator begins that ends with an equals sign: `+=`, `?=`, `.=`, `::=`.
pub(super) fn before_operator(window: &Window<'_>, sign: usize) -> usize {
    let mut start = sign;
    while window.byte(sign) == b'='
        && sign - start < 3
        && matches!(window.before(start), b'+' | b'?' | b'.' | b':' | b'|')
    {
        start -= 1;
    }
    start
}

/// Where the name ends before a type and an equals sign: `password: String = "x"`, `password string =
/// "x"`.
pub(super) fn before_type(window: &Window<'_>, equals: usize) -> Option<usize> {
    if window.byte(equals) != b'=' {
        return None;
    }
    let end = equals - usize::from(window.before(equals) == b' ');
    let start = window.run_back(end, ALNUM);
    let is_go = window.bytes(start, end) == b"string" && window.before(start) == b' ';
    if is_go && byte::is(window.before(start - 1), ALNUM) {
        return Some(start - 1);
    }
    let colon = start - usize::from(start > 0 && window.before(start) == b' ');
    let is_type = start < end && window.before(colon) == b':' && colon > 1;
    is_type.then(|| colon - 1)
}
