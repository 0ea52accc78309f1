//! Keys of known vendors.

use super::pattern::{Pattern, stands_alone};
use super::spelling::is_plainly_spelled;
use super::value::is_mixed;
use super::{certain, vendors};
use crate::class::Kind;
use crate::detection::{Evidence, EvidenceSet};
use crate::engine::byte::{self, BASE64, DIGIT, KEYISH, LOWER, TOKEN, UPPER};
use crate::engine::candidate::{Candidate, ClassIndex, Tail, Tier};
use crate::engine::lexicon::Lexicon;
use crate::engine::window::Window;
use crate::recognisers::wallet;

const PREFIXED: EvidenceSet = EvidenceSet::of(&[Evidence::Shape, Evidence::Prefix]);
const CHECKED: EvidenceSet =
    EvidenceSet::of(&[Evidence::Shape, Evidence::Prefix, Evidence::Checksum]);
const SHAPED: EvidenceSet = EvidenceSet::of(&[Evidence::Shape]);
const KEY: i16 = 45;
/// A form that only its vendor's name beside it makes a key.
const TOLD: i16 = -24;

/// Every vendor's forms.
pub(crate) struct Vendors {
    /// By the first byte that they have.
    prefixed: Vec<Vec<Form>>,
    /// Those whose first byte may be any.
    others: Vec<Form>,
    told: Vec<(ClassIndex, Vec<Pattern>)>,
}

struct Form {
    vendor: &'static str,
    pattern: Pattern,
    /// How many letters, digits and signs of keys it begins with at least.
    lead: usize,
}

/// The classes of vendors that have to be named, which follow the built-in ones.
pub(crate) const FIRST_TOLD: ClassIndex = Kind::ALL.len() as ClassIndex;
/// The first number after them.
pub(crate) const AFTER_TOLD: ClassIndex = FIRST_TOLD + vendors::TOLD.len() as ClassIndex;

/// The built-in class of a number, those of told vendors included.
pub(crate) fn kind(class: ClassIndex) -> Option<Kind> {
    match class {
        FIRST_TOLD.. if class < AFTER_TOLD => Some(Kind::ApiKey),
        _ => Kind::ALL.get(usize::from(class)).copied(),
    }
}

impl Vendors {
    /// Reads the forms; the words of those that have to be named go into the lexicon.
    pub(crate) fn new(lexicon: &mut Lexicon) -> Self {
        let mut prefixed = Vec::new();
        prefixed.resize_with(128, Vec::new);
        let mut others = Vec::new();
        for (vendor, patterns) in vendors::plain() {
            for pattern in *patterns {
                let pattern = Pattern::new(pattern);
                let lead = pattern.lead();
                let form = Form {
                    vendor,
                    pattern,
                    lead,
                };
                match form
                    .pattern
                    .first()
                    .and_then(|first| prefixed.get_mut(usize::from(first)))
                {
                    Some(list) => list.push(form),
                    None => others.push(form),
                }
            }
        }
        let told = (FIRST_TOLD..)
            .zip(vendors::TOLD)
            .map(|(class, (_, patterns, words))| {
                for word in *words {
                    lexicon.name(class, word);
                    // Of another form it is somebody's secret as well.
                    if names_a_secret(word) {
                        lexicon.name(Kind::Generic as ClassIndex, word);
                    }
                }
                (
                    class,
                    patterns
                        .iter()
                        .map(|pattern| Pattern::new(pattern))
                        .collect(),
                )
            });
        Self {
            prefixed,
            others,
            told: told.collect(),
        }
    }

    /// Proposes the key that starts at an offset.
    pub(crate) fn at(&self, window: &Window<'_>, start: usize, found: &mut Vec<Candidate>) {
        let first = window.byte(start);
        let list = self
            .prefixed
            .get(usize::from(first))
            .map_or([].as_slice(), Vec::as_slice);
        let run = window.run(start, KEYISH) - start;
        for form in list.iter().chain(&self.others) {
            if run < form.lead {
                continue;
            }
            let Some(end) = form.pattern.read(window, start) else {
                continue;
            };
            // A bot's stands behind `bot` in an address.
            let from = match form.vendor {
                "telegram" => 0,
                _ => start,
            };
            if !stands_alone(window, from, end) {
                continue;
            }
            let Some(evidence) = evidence(form.vendor, window, start, end) else {
                continue;
            };
            let body = start + form.pattern.prefix();
            if is_made_up(window.bytes(start, end)) || is_name(window.bytes(body, end)) {
                continue;
            }
            let mut candidate = certain(Kind::ApiKey, start, end, KEY, evidence);
            if window.ends_at(end) {
                let is_base64 = form.pattern.reads(b'/');
                candidate.tail = Tail::Run(if is_base64 { BASE64 } else { TOKEN });
            }
            found.push(candidate);
            return;
        }
    }

    /// Proposes what a vendor's name beside it makes a key.
    pub(crate) fn told(&self, window: &Window<'_>, start: usize, found: &mut Vec<Candidate>) {
        let run = window.run_while(start, |b| {
            byte::is(b, TOKEN) || matches!(b, b'/' | b'+' | b'%' | b'.' | b'|')
        }) - start;
        if run < 23 {
            return;
        }
        for (class, patterns) in &self.told {
            let end = patterns
                .iter()
                .filter_map(|pattern| pattern.read(window, start))
                .find(|end| {
                    let next = window.byte(*end);
                    stands_alone(window, start, *end) && !matches!(next, b'/' | b'+')
                });
            let Some(end) = end else {
                continue;
            };
            let value = window.bytes(start, end);
            // A digest in a form that has more letters is somebody's digest.
            let wide = patterns.iter().all(|pattern| pattern.takes(b'z'));
            let example = value.ends_with(b"EXAMPLEKEY");
            let mixed = !example
                && !is_made_up(value)
                && value.iter().any(|b| byte::is(*b, DIGIT))
                && value.iter().any(|b| byte::is(*b, UPPER | LOWER))
                && !(wide && value.iter().all(u8::is_ascii_hexdigit));
            if mixed {
                found.push(Candidate {
                    class: *class,
                    start,
                    end,
                    base: TOLD,
                    evidence: SHAPED,
                    tier: Tier::Secret,
                    weighed: true,
                    tail: Tail::None,
                });
            }
        }
    }
}

/// Whether a vendor's name for its keys ends as any secret's does.
fn names_a_secret(word: &str) -> bool {
    ["key", "pat", "secret", "token"]
        .iter()
        .any(|ending| word.rsplit(' ').next() == Some(ending))
}

/// The checksums that vendors put into their keys; `None` when one fails.
fn evidence(vendor: &str, window: &Window<'_>, start: usize, end: usize) -> Option<EvidenceSet> {
    let key = window.bytes(start, end);
    match vendor {
        // The documentation's, which nobody was given.
        "aws" if key.ends_with(b"EXAMPLE") => None,
        // The last six are the CRC-32 of the thirty before, in base62.
        "github" if key.len() == 40 && key.get(3) == Some(&b'_') => {
            crc_base62(key.get(4..)?).then_some(CHECKED)
        }
        // The CRC-32 of what stands before the last underscore, in hexadecimal, low byte first.
        "grafana" if key.starts_with(b"glsa_") => {
            let (body, check) = key.split_at(key.len() - 9);
            let crc = u32::from_le_bytes(hex::decode(check.get(1..)?).ok()?.try_into().ok()?);
            (crc32fast::hash(body) == crc).then_some(CHECKED)
        }
        "age" => wallet::bech32(key, b"AGE-SECRET-KEY-").then_some(CHECKED),
        // The CRC-32 of all before it, in base36.
        "gitlab" if key.len() > 38 && key.contains(&b'.') => {
            let (body, check) = key.split_at(key.len() - 7);
            let check = std::str::from_utf8(check).ok()?;
            (u32::from_str_radix(check, 36).ok()? == crc32fast::hash(body)).then_some(CHECKED)
        }
        // A number and a digest is somebody's digest.
        "truenas" => {
            let body = key.rsplit(|b| *b == b'-').next().unwrap_or_default();
            is_mixed(body).then_some(PREFIXED)
        }
        "npm" => crc_base62(key.get(4..)?).then_some(CHECKED),
        // A bot's number, in base64.
        "discord" if key.first() != Some(&b'h') => {
            let id = key.split(|b| *b == b'.').next()?;
            let id = base64_url(id)?;
            ((17..=20).contains(&id.len()) && id.iter().all(u8::is_ascii_digit)).then_some(CHECKED)
        }
        _ => Some(PREFIXED),
    }
}

/// Whether what stands behind a key's prefix is a name of a program, which begins as a key does:
/// `rnd_generateRandomNumbersUniformly`.
fn is_name(body: &[u8]) -> bool {
    body.len() >= 16 && !body.iter().any(|b| byte::is(*b, DIGIT)) && is_plainly_spelled(body)
}

/// Whether a key is one that documentation shows: a few characters over and over, or half of it in the
/// order of the alphabet.
fn is_made_up(key: &[u8]) -> bool {
    let mut counts = [0_usize; 256];
    for b in key {
        if let Some(count) = counts.get_mut(usize::from(*b)) {
            *count += 1;
        }
    }
    let most = counts.iter().max().copied().unwrap_or(0);
    let tail = key.get(key.len().saturating_sub(16)..).unwrap_or_default();
    let is_new = |at: &usize| {
        let b = tail.get(*at);
        b.is_some_and(|b| !tail.iter().take(*at).any(|known| known == b))
    };
    let few = tail.len() == 16 && (0..tail.len()).filter(is_new).count() <= 4;
    let (mut run, mut longest) = (1, 1);
    for pair in key.windows(2) {
        run = match pair {
            [a, b] if a.wrapping_add(1) == *b => run + 1,
            _ => 1,
        };
        longest = longest.max(run);
    }
    most * 2 >= key.len() || few || longest * 2 >= key.len()
}

fn crc_base62(body: &[u8]) -> bool {
    const DIGITS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let Some((random, check)) = body.split_at_checked(30) else {
        return false;
    };
    let value = check.iter().try_fold(0_u64, |value, byte| {
        let digit = DIGITS.iter().position(|digit| digit == byte)?;
        Some(value * 62 + u64::try_from(digit).ok()?)
    });
    value == Some(u64::from(crc32fast::hash(random)))
}

/// Base64url without padding, decoded.
pub(super) fn base64_url(text: &[u8]) -> Option<Vec<u8>> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(text)
        .ok()
}
