//! Web addresses, and names on social networks.

use super::email::domain_end;
use crate::class::Kind;
use crate::detection::{Evidence, EvidenceSet};
use crate::engine::byte::{self, ALNUM, LETTER, LOWER, TOKEN};
use crate::engine::candidate::{Candidate, Tail, Tier};
use crate::engine::window::{AHEAD, Window};

const SHAPE: EvidenceSet = EvidenceSet::of(&[Evidence::Shape]);
/// A web address by itself tells of nobody: a policy that wants it gone asks for less.
const ADDRESS: i16 = -4;
/// Somebody's page on a network of people.
const PROFILE: i16 = 12;
/// A name of a host without a scheme.
const BARE: i16 = -10;
const HANDLE: i16 = -8;

/// Schemes of addresses that people follow.
const SCHEMES: [&[u8]; 6] = [b"https", b"http", b"ftp", b"sftp", b"ws", b"wss"];
/// Top-level domains that are not words or file names in running text.
const TOP_LEVELS: [&str; 40] = [
    "com", "org", "net", "edu", "gov", "mil", "int", "io", "co", "ai", "dev", "app", "info", "biz",
    "eu", "uk", "de", "fr", "es", "it", "nl", "ch", "at", "be", "pl", "cz", "se", "no", "fi", "dk",
    "ru", "jp", "cn", "in", "br", "au", "ca", "us", "tv", "me",
];
/// Hosts whose paths are people, up to where a name begins.
const NETWORKS: [&str; 11] = [
    "linkedin.com/in/",
    "facebook.com/",
    "twitter.com/",
    "x.com/",
    "instagram.com/",
    "tiktok.com/@",
    "t.me/",
    "reddit.com/u/",
    "reddit.com/user/",
    "youtube.com/@",
    CODE_HOST,
];
/// Whose page is one name and nothing below it: there stand the pieces of work.
const CODE_HOST: &str = "github.com/";
/// What the networks keep for themselves where else a name stands.
const PAGES: [&str; 43] = [
    "about",
    "accounts",
    "addstickers",
    "apps",
    "contact",
    "enterprise",
    "events",
    "explore",
    "features",
    "groups",
    "hashtag",
    "help",
    "home",
    "i",
    "intent",
    "join",
    "joinchat",
    "legal",
    "login",
    "marketplace",
    "marketplaces",
    "notifications",
    "orgs",
    "p",
    "pages",
    "policies",
    "pricing",
    "privacy",
    "reel",
    "s",
    "search",
    "security",
    "settings",
    "share",
    "sharer",
    "sharer.php",
    "signup",
    "site",
    "topics",
    "tos",
    "tr",
    "trending",
    "watch",
];

/// Proposes the address whose scheme ends at a colon.
pub(crate) fn colon(window: &Window<'_>, at: usize, found: &mut Vec<Candidate>) {
    if window.byte(at + 1) != b'/' || window.byte(at + 2) != b'/' {
        return;
    }
    let start = window.run_back(at, LETTER);
    let scheme = window.bytes(start, at).to_ascii_lowercase();
    if !SCHEMES.contains(&scheme.as_slice()) || window.word_before(start) {
        return;
    }
    let host = at + 3;
    let end = url_end(window, host);
    if end > host
        && (byte::is(window.byte(host), ALNUM)
            || !window.byte(host).is_ascii()
            || window.byte(host) == b'[')
    {
        push(window, start, host, end, ADDRESS, found);
    }
}

/// Proposes the host name around a full stop: `www.example.org`, `example.com/path`.
pub(crate) fn dot(window: &Window<'_>, at: usize, found: &mut Vec<Candidate>) {
    if !byte::is(window.before(at), ALNUM) || !byte::is(window.byte(at + 1), LOWER) {
        return;
    }
    let start = window.run_back(at, TOKEN);
    // Only the first full stop of a name proposes it.
    if matches!(window.before(start), b'.' | b'@' | b'/' | b'_') || window.word_before(start) {
        return;
    }
    let Some(name) = domain_end(window, start) else {
        return;
    };
    let text = window.text(start, name);
    let top_level = text.rsplit('.').next().unwrap_or_default();
    let www = text.len() > 4
        && text
            .get(..4)
            .is_some_and(|head| head.eq_ignore_ascii_case("www."));
    if !www
        && (!TOP_LEVELS.contains(&top_level) || window.byte(name) == b'(' || window.word_at(name))
    {
        return;
    }
    let goes_on = matches!(window.byte(name), b'/' | b':' | b'?');
    let end = if goes_on { url_end(window, name) } else { name };
    if window.byte(name) == b'@' {
        return;
    }
    push(
        window,
        start,
        start,
        end,
        if www { ADDRESS } else { BARE },
        found,
    );
}

fn push(
    window: &Window<'_>,
    start: usize,
    host: usize,
    end: usize,
    base: i16,
    found: &mut Vec<Candidate>,
) {
    let rest = window.bytes(host, end);
    let begins = |rest: &[u8], head: &str| {
        rest.get(..head.len())
            .is_some_and(|part| part.eq_ignore_ascii_case(head.as_bytes()))
    };
    let rest = if begins(rest, "www.") {
        rest.get(4..).unwrap_or_default()
    } else {
        rest
    };
    let person = NETWORKS
        .iter()
        .find(|network| begins(rest, network))
        .is_some_and(|network| names_somebody(network, rest));
    found.push(Candidate {
        class: Kind::Url as u16,
        start,
        end,
        base: if person { PROFILE } else { base },
        evidence: SHAPE,
        tier: Tier::Holder,
        weighed: false,
        tail: if end - start >= AHEAD - 8 {
            Tail::Run(byte::URL)
        } else {
            Tail::None
        },
    });
}

/// Whether what follows the network in an address is a name.
fn names_somebody(network: &str, rest: &[u8]) -> bool {
    let path = rest.get(network.len()..).unwrap_or_default();
    let name = path.split(|b| matches!(b, b'/' | b'?' | b'#')).next();
    let name = name.unwrap_or_default();
    let below = path.get(name.len()..).unwrap_or_default();
    let page = PAGES
        .iter()
        .any(|page| name.eq_ignore_ascii_case(page.as_bytes()));
    // `github.com/ann/tool/issues/7` is the tool's.
    let work = network == CODE_HOST && below.len() > 1 && below.first() == Some(&b'/');
    !name.is_empty() && !page && !work
}

/// Where an address ends that goes on from an offset: punctuation at its end is not of it.
pub(crate) fn url_end(window: &Window<'_>, from: usize) -> usize {
    // Letters beyond ASCII are of it (RFC 3987), up to the punctuation of their scripts.
    let run = window.run_while(from, |b| byte::is(b, byte::URL) || !b.is_ascii());
    let text = window.text(from, run);
    let mark = text
        .find(|c: char| matches!(c, '\u{2010}'..='\u{206F}' | '\u{3000}'..='\u{303F}' | '«' | '»'));
    let mut end = mark.map_or(run, |mark| from + mark);
    let mut open = 0_i32;
    for b in window.bytes(from, end) {
        open += i32::from(*b == b'(') - i32::from(*b == b')');
    }
    while end > from {
        match window.before(end) {
            b'.' | b',' | b';' | b':' | b'!' | b'?' | b'\'' | b'*' | b'_' | b'~' => {}
            b')' if open < 0 => open += 1,
            _ => break,
        }
        end -= 1;
    }
    end
}

/// Proposes `@ann`, and `@ann@example.social`.
pub(crate) fn at_sign(window: &Window<'_>, at: usize, found: &mut Vec<Candidate>) {
    if window.word_before(at)
        || matches!(
            window.before(at),
            b'@' | b'.' | b'_' | b'-' | b'/' | b'+' | b'='
        )
    {
        return;
    }
    let mut end = window.run_while(at + 1, |b| byte::is(b, ALNUM) || matches!(b, b'_' | b'.'));
    while window.before(end) == b'.' {
        end -= 1;
    }
    let name = window.bytes(at + 1, end);
    let lower = name.iter().filter(|b| b.is_ascii_lowercase()).count();
    if !(2..=30).contains(&name.len())
        || lower == 0
        || matches!(window.byte(end), b'/' | b'(' | b'{' | b'-')
        || window.word_at(end)
    {
        return;
    }
    // `@media`, `@Override`, `@param`: what programs say.
    let text = window.text(at + 1, end);
    if CODE.contains(&text) || is_annotation(window, at, end) || is_array(window, end) {
        return;
    }
    let mut base = HANDLE;
    if window.byte(end) == b'@'
        && let Some(host) = domain_end(window, end + 1)
    {
        end = host;
        base = PROFILE;
    }
    found.push(Candidate {
        class: Kind::Social as u16,
        start: at,
        end,
        base,
        evidence: SHAPE,
        tier: Tier::Value,
        weighed: true,
        tail: Tail::None,
    });
}

/// Whether it stands where a comment has its tags, or by itself on a line that is set in, above what it
/// decorates.
fn is_annotation(window: &Window<'_>, at: usize, end: usize) -> bool {
    let mut start = at;
    while at - start < 40 && matches!(window.before(start), b' ' | b'\t') {
        start -= 1;
    }
    let set_in = at - start >= 2 || at > start && window.before(at) == b'\t';
    let begins = matches!(window.before(start), b'\n' | b'\r');
    match window.before(start) {
        b'*' => at > start && matches!(window.before(start - 1), b' ' | b'*' | b'\t'),
        _ => begins && set_in && matches!(window.byte(end), b'\n' | b'\r'),
    }
}

/// Whether it is given a value, as arrays are: `my @list = ...`
fn is_array(window: &Window<'_>, end: usize) -> bool {
    let next = end + usize::from(window.byte(end) == b' ');
    window.byte(next) == b'=' && window.byte(next + 1) == b' '
}

/// Words behind an at sign that belong to programs.
const CODE: [&str; 34] = [
    "media",
    "import",
    "charset",
    "font",
    "keyframes",
    "supports",
    "Override",
    "Test",
    "Autowired",
    "Deprecated",
    "param",
    "return",
    "returns",
    "throws",
    "see",
    "since",
    "author",
    "version",
    "example",
    "property",
    "staticmethod",
    "classmethod",
    "dataclass",
    "app.route",
    "pytest.fixture",
    "Component",
    "Injectable",
    "interface",
    "end",
    "class",
    "types",
    "latest",
    "here",
    "everyone",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_somebody_is_a_name_below_its_network() {
        for (rest, person) in [
            ("github.com/ann", true),
            ("github.com/ann/", true),
            ("github.com/ann?tab=stars", true),
            ("github.com/ann/tool", false),
            ("github.com/ann/tool/issues/7", false),
            ("github.com/features", false),
            ("github.com/", false),
            ("twitter.com/ann/status/1", true),
            ("twitter.com/intent/tweet?text=x", false),
            ("facebook.com/sharer.php?u=x", false),
            ("facebook.com/ann.example", true),
            ("linkedin.com/in/ann-example/", true),
            ("reddit.com/u/ann", true),
        ] {
            let network = NETWORKS.iter().find(|known| rest.starts_with(**known));
            let names = network.is_some_and(|network| names_somebody(network, rest.as_bytes()));
            assert_eq!(names, person, "{rest}");
        }
    }
}
