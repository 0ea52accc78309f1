//! Values shaped like secrets, made when a test runs: the tables hold recipes for them, since what
//! looks like a secret is not committed.
//!
//! In the rows of a table with `secrets`, `«name»` stands for a value made after the recipe of that
//! name, and `«[0-9a-f]{40}»`, a pattern in place of a name, for a text that matches it. Within a
//! row each has one value, so that a text and what is to be found in it agree; `«name#2»` is
//! another of the same recipe. The next row's values are new.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use strongroom_tenancy::base62;

/// A table's recipes by their names.
pub(crate) type Recipes = BTreeMap<String, Recipe>;

#[derive(Clone, serde::Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(crate) enum Recipe {
    /// A text with names and patterns in it, and the checksum that its issuer puts behind it.
    Text {
        text: String,
        check: Option<Check>,
        /// Whether the checksum is to be wrong.
        #[serde(default)]
        broken: bool,
    },
    /// Base64, in lines when they have a width.
    Base64 {
        base64: Content,
        width: Option<usize>,
    },
    Base64Url {
        base64url: Content,
    },
    /// 32 bytes as our own keys write them.
    Base62 {
        base62: Content,
    },
    /// Parts in base64url with full stops between them.
    Jwt {
        jwt: Vec<Content>,
    },
    /// A block under the label: header lines, the body in lines, and what follows it.
    Pem {
        pem: String,
        #[serde(default)]
        headers: Vec<String>,
        body: Content,
        #[serde(default = "pem_width")]
        width: usize,
        trailer: Option<String>,
        #[serde(default = "line_feed")]
        newline: String,
        /// How many lines are left of it, when it is cut off.
        cut: Option<usize>,
    },
}

/// What is encoded.
#[derive(Clone, serde::Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(crate) enum Content {
    /// So many random bytes.
    Random(usize),
    /// A text with names and patterns in it; `'` is written for `"`, as it is JSON mostly.
    Text(String),
    /// Bytes that start as given, in hexadecimal. `d35db7` is `0123` in base64: for rows that hold
    /// of values beginning with letters and digits, and not with `+` or `/`.
    Starting { starts: String, bytes: usize },
}

#[derive(Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Check {
    /// CRC-32 in base62 of what follows the prefix; npm's too.
    Github,
    /// CRC-32 in base36 of all of it.
    Gitlab,
    /// CRC-32 in hexadecimal of all of it, low byte first.
    Grafana,
    /// BIP 173.
    Bech32,
    /// CRC-32 in base62 of all of it.
    Strongroom,
}

fn pem_width() -> usize {
    64
}

fn line_feed() -> String {
    "\n".to_owned()
}

/// The run's seeds: `TEST_SEED` and those that follow it, `TEST_SEEDS` in all.
///
/// One that nobody gave is a new one, and a test that goes red says which it was.
pub(crate) fn seeds() -> impl Iterator<Item = u64> {
    let given = |name| {
        let given = std::env::var(name).ok()?;
        let number: Result<u64, _> = given.parse();
        Some(number.unwrap_or_else(|_| panic!("{name} is a number")))
    };
    let first = given("TEST_SEED").unwrap_or_else(|| {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).unwrap();
        u64::from_le_bytes(bytes)
    });
    let count = given("TEST_SEEDS").unwrap_or(1);
    (0..count).map(move |more| first.wrapping_add(more))
}

/// The values of one row.
pub(crate) struct Row<'r> {
    recipes: &'r Recipes,
    random: &'r mut Random,
    made: BTreeMap<String, String>,
}

impl<'r> Row<'r> {
    pub(crate) fn new(recipes: &'r Recipes, random: &'r mut Random) -> Self {
        Self {
            recipes,
            random,
            made: BTreeMap::new(),
        }
    }

    /// The text with a value in each name's place.
    pub(crate) fn expand(&mut self, text: &str) -> String {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('«') {
            let (name, after) = after
                .split_once('»')
                .unwrap_or_else(|| panic!("no » in {text:?}"));
            expanded.push_str(before);
            expanded.push_str(&self.value(name));
            rest = after;
        }
        expanded + rest
    }

    fn value(&mut self, tagged: &str) -> String {
        if let Some(value) = self.made.get(tagged) {
            return value.clone();
        }
        let name = tagged.rsplit_once('#').map_or(tagged, |(name, _)| name);
        let value = match self.recipes.get(name) {
            // What it is made of is its own, and not the row's.
            Some(recipe) => Row::new(self.recipes, self.random).make(recipe),
            None if name.contains('[') => self.random.matching(name),
            None => panic!("no recipe is named {name:?}"),
        };
        self.made.insert(tagged.to_owned(), value.clone());
        value
    }

    fn make(&mut self, recipe: &Recipe) -> String {
        match recipe {
            Recipe::Text {
                text,
                check,
                broken,
            } => {
                let text = self.expand(text);
                let text = check.map_or(text.clone(), |check| check.behind(&text));
                if *broken { broken_last(text) } else { text }
            }
            Recipe::Base64 { base64, width } => {
                let text = STANDARD.encode(self.bytes(base64));
                width.map_or(text.clone(), |width| lines(&text, width).join("\n"))
            }
            Recipe::Base64Url { base64url } => URL_SAFE_NO_PAD.encode(self.bytes(base64url)),
            Recipe::Base62 { base62 } => {
                let digits = base62::encode(&self.bytes(base62).try_into().unwrap());
                String::from_utf8(digits.to_vec()).unwrap()
            }
            Recipe::Jwt { jwt } => {
                let parts = jwt
                    .iter()
                    .map(|part| URL_SAFE_NO_PAD.encode(self.bytes(part)));
                parts.collect::<Vec<_>>().join(".")
            }
            Recipe::Pem {
                pem,
                headers,
                body,
                width,
                trailer,
                newline,
                cut,
            } => {
                let mut block = vec![format!("-----BEGIN {pem}-----")];
                block.extend(headers.iter().map(|header| self.expand(header)));
                block.extend(lines(&STANDARD.encode(self.bytes(body)), *width));
                block.extend(trailer.iter().map(|trailer| self.expand(trailer)));
                block.push(format!("-----END {pem}-----"));
                block.truncate(cut.unwrap_or(block.len()));
                block.join(newline)
            }
        }
    }

    fn bytes(&mut self, content: &Content) -> Vec<u8> {
        match content {
            Content::Random(count) => self.random.bytes(*count),
            Content::Text(text) => self.expand(text).replace('\'', "\"").into_bytes(),
            Content::Starting { starts, bytes } => {
                let mut start = hex::decode(starts).unwrap();
                start.extend(self.random.bytes(bytes.checked_sub(start.len()).unwrap()));
                start
            }
        }
    }
}

fn lines(text: &str, width: usize) -> Vec<String> {
    let chunks = text.as_bytes().chunks(width);
    chunks
        .map(|line| String::from_utf8(line.to_vec()).unwrap())
        .collect()
}

/// With another last character, of any checksum's alphabet.
fn broken_last(mut text: String) -> String {
    let last = text.pop();
    text.push(if last == Some('0') { '2' } else { '0' });
    text
}

impl Check {
    /// The text with its checksum.
    fn behind(self, text: &str) -> String {
        let base62 = |covered: &str| {
            let digits = base62::encode_checksum(crc32fast::hash(covered.as_bytes()));
            format!("{text}{}", std::str::from_utf8(&digits).unwrap())
        };
        let crc = crc32fast::hash(text.as_bytes());
        match self {
            Self::Github => base62(text.split_once('_').unwrap().1),
            Self::Strongroom => base62(text),
            Self::Gitlab => {
                let digit = |place| char::from_digit(crc / 36_u32.pow(place) % 36, 36).unwrap();
                text.to_owned() + &(0..7).rev().map(digit).collect::<String>()
            }
            Self::Grafana => format!("{text}_{}", hex::encode(crc.to_le_bytes())),
            Self::Bech32 => bech32(text),
        }
    }
}

/// The text, of a human-readable part, `1` and data, with the six characters of its checksum.
fn bech32(text: &str) -> String {
    const DIGITS: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    let lower = text.to_ascii_lowercase();
    let (human, data) = lower.rsplit_once('1').unwrap();
    let data = data
        .bytes()
        .map(|b| DIGITS.iter().position(|digit| *digit == b).unwrap());
    let high = human.bytes().map(|b| usize::from(b >> 5));
    let low = human.bytes().map(|b| usize::from(b & 31));
    let covered = high.chain([0]).chain(low).chain(data).chain([0; 6]);
    let sum = covered.fold(1, |sum: usize, value| {
        let generators = [
            0x3b6a_57b2,
            0x2650_8e6d,
            0x1ea1_19fa,
            0x3d42_33dd,
            0x2a14_62b3,
        ];
        let shifted = ((sum & 0x1ff_ffff) << 5) ^ value;
        let set = generators
            .into_iter()
            .enumerate()
            .filter(|(bit, _)| (sum >> (25 + bit)) & 1 == 1);
        set.fold(shifted, |sum, (_, generator)| sum ^ generator)
    }) ^ 1;
    let check = (0..6)
        .rev()
        .map(|place| char::from(DIGITS[(sum >> (5 * place)) & 31]));
    let check: String = check.collect();
    let upper = text.bytes().any(|b| b.is_ascii_uppercase());
    text.to_owned()
        + &if upper {
            check.to_ascii_uppercase()
        } else {
            check
        }
}

/// SplitMix64: the same seed gives the same values.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    /// A text that a pattern matches: literals, `[sets]`, `{n}`, `{m,n}` and `?`, as the vendors'
    /// forms are written.
    fn matching(&mut self, pattern: &str) -> String {
        let mut text = String::new();
        let mut rest = pattern.chars().peekable();
        while let Some(c) = rest.next() {
            let set = match c {
                '[' => set(&mut rest),
                '\\' => vec![rest.next().unwrap()],
                literal => vec![literal],
            };
            let (fewest, most) = counts(&mut rest);
            let count = fewest + self.below(most - fewest + 1);
            text.push_str(&self.run(&set, count));
        }
        text
    }

    /// So many characters of a set. By chance a run can be too plain to be a secret, and a test
    /// would fail for nothing: such a one is not taken.
    fn run(&mut self, set: &[char], count: usize) -> String {
        loop {
            let run: String = (0..count).map(|_| set[self.below(set.len())]).collect();
            if count < 8 || is_mixed(&run, set) {
                return run;
            }
        }
    }
}

fn counts(rest: &mut Peekable<Chars<'_>>) -> (usize, usize) {
    match rest.peek() {
        Some('{') => {
            let counts: String = rest.by_ref().skip(1).take_while(|c| *c != '}').collect();
            let (fewest, most) = counts.split_once(',').unwrap_or((&counts, &counts));
            (fewest.parse().unwrap(), most.parse().unwrap())
        }
        Some('?') => {
            rest.next();
            (0, 1)
        }
        _ => (1, 1),
    }
}

fn set(rest: &mut Peekable<Chars<'_>>) -> Vec<char> {
    let mut set = Vec::new();
    while let Some(c) = rest.next().filter(|c| *c != ']') {
        let mut ahead = rest.clone();
        match (ahead.next(), ahead.next()) {
            (Some('-'), Some(last)) if last != ']' => {
                set.extend(c..=last);
                *rest = ahead;
            }
            _ => set.push(c),
        }
    }
    set
}

/// Whether each kind of character that the set has is there, and a long run is a random one by its
/// entropy, as the recognisers ask of a secret without a form of its own.
fn is_mixed(run: &str, set: &[char]) -> bool {
    let kinds = [
        char::is_ascii_uppercase,
        char::is_ascii_lowercase,
        char::is_ascii_digit,
    ];
    let of_set = kinds.iter().filter(|kind| set.iter().any(kind));
    let all = of_set.clone().all(|kind| run.chars().any(|c| kind(&c)));
    let least = if set.len() > 16 { 3.6 } else { 3.1 };
    all && (run.len() < 16 || of_set.count() < 2 || entropy(run) >= least)
}

/// In bits a character.
fn entropy(text: &str) -> f64 {
    let length = f64::from(u32::try_from(text.len()).unwrap());
    let share = |c: char| f64::from(u32::try_from(text.matches(c).count()).unwrap()) / length;
    // Each of a character's occurrences adds its part.
    text.chars().map(|c| -share(c).log2() / length).sum()
}
