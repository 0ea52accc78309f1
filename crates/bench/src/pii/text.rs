//! Text to scan: the same at every run, and nobody's.

use std::fmt::Write as _;

/// One line in so many holds personal data.
const PERSONAL: usize = 50;

const WORDS: &str = "the of and to in a is that for it was on with as be at by this had not are but \
    from or have an they which one you were all her she there would their we him been has when who \
    will no more if out so up said what its about than into them can only other time new some could \
    these two may first then do any like my now over such our man me even most made after also did \
    many off before must well back through years where much your way down should because long each \
    just state people those too water little good world make very year still see own work men day \
    get here between both life being under three never know same last another while us might great \
    go come since against right came take used himself few house use place during high without \
    again home around small however found thought went say part once general upon school every \
    service training garden river kitchen morning market engine harbour winter";
const CAPITALS: &str = "Monday Berlin The In We It However Lake Europe When March He NASA UK";
const ACCENTED: &str =
    "café naïve Zürich façade São El señor “well” don’t – … résumé Ångström 東京 😀";

/// Numbers that look random: splitmix64. An example's, and no secret.
struct Random(u64);

/// Writes lines at random.
struct Author {
    random: Random,
    words: Vec<&'static str>,
    capitals: Vec<&'static str>,
    accented: Vec<&'static str>,
    text: String,
}

/// About so many bytes of lines.
pub(super) fn of(bytes: usize, seed: u64) -> String {
    let mut author = Author {
        random: Random(seed),
        words: WORDS.split_whitespace().collect(),
        capitals: CAPITALS.split_whitespace().collect(),
        accented: ACCENTED.split_whitespace().collect(),
        text: String::with_capacity(bytes + 256),
    };
    while author.text.len() < bytes {
        if author.random.below(PERSONAL) == 0 {
            author.personal();
        } else {
            author.clean();
        }
        author.text.push('\n');
    }
    let mut text = author.text;
    text.truncate(text.floor_char_boundary(bytes));
    text
}

/// A text in pieces of a size, or of a little less where a character would be cut.
pub(super) fn cut(mut text: &str, size: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    while !text.is_empty() {
        let (piece, rest) = text.split_at(text.floor_char_boundary(size));
        pieces.push(piece.to_owned());
        text = rest;
    }
    pieces
}

/// A text in documents of a size, each up to the last white space that is in it: leakguard 1.0.0
/// panics where a text ends in `://`.
pub(super) fn documents(mut text: &str, size: usize) -> Vec<String> {
    let mut documents = Vec::new();
    while !text.is_empty() {
        let most = beginning(text, size);
        let end = match most.rfind(char::is_whitespace) {
            Some(at) if most.len() < text.len() => at + 1,
            _ => most.len(),
        };
        let (document, rest) = text.split_at(end);
        documents.push(document.to_owned());
        text = rest;
    }
    documents
}

/// The beginning of a text.
pub(super) fn beginning(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

impl Author {
    fn clean(&mut self) {
        match self.random.below(13) {
            0..=5 => self.prose(),
            6 => self.prose_with_number(),
            7 | 8 => self.post(),
            9 => self.log_line(),
            10 => self.code(),
            11 => self.json(),
            _ => self.accented_prose(),
        }
    }

    fn prose(&mut self) {
        let (before, after) = (8 + self.random.below(14), 4 + self.random.below(9));
        self.words(before);
        self.text.push_str(", ");
        self.words(after);
        self.text.push('.');
    }

    fn prose_with_number(&mut self) {
        self.words(6);
        let random = &mut self.random;
        let number = match random.below(5) {
            0 => format!(" {} ", 1 + random.below(99)),
            1 => format!(" {}am ", 1 + random.below(12)),
            2 => format!(" {} ", 1990 + random.below(40)),
            3 => format!(" ${}.{:02} ", random.below(900), random.below(100)),
            _ => format!(" {}% ", random.below(100)),
        };
        self.text.push_str(&number);
        self.words(5);
        self.text.push('.');
    }

    fn accented_prose(&mut self) {
        for _ in 0..3 {
            self.words(5);
            let word = self.random.one(&self.accented);
            self.write(format_args!(" {word} "));
        }
        self.words(4);
    }

    fn post(&mut self) {
        let (first, second) = (self.word(), self.word());
        self.write(format_args!("@{first}{second} "));
        self.words(9);
        let end = ["! #", " lol #", " http://t.example/", "... "];
        let (end, word) = (self.random.one(&end), self.word());
        self.write(format_args!("{end}{word}"));
    }

    fn log_line(&mut self) {
        let random = &mut self.random;
        let (month, day) = (1 + random.below(12), 1 + random.below(28));
        let (hour, minute, second) = (random.below(24), random.below(60), random.below(60));
        let (took, order) = (random.below(500), random.digits(6));
        let time = format_args!("2026-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
        // Not `self.write`: the time borrows from what is here.
        let _ = write!(self.text, "{time} INFO ");
        self.words(4);
        self.write(format_args!(" took={took}ms status=200 order={order}"));
    }

    fn code(&mut self) {
        let (name, method, part) = (self.word(), self.word(), self.word());
        let (number, argument) = (self.random.below(300), self.word());
        self.write(format_args!(
            "    let {name}_{part} = self.{method}({number}, &{argument})"
        ));
        self.text.push_str(".unwrap_or_default(); // ");
        self.words(5);
    }

    fn json(&mut self) {
        let (id, name) = (self.random.digits(5), self.word());
        self.write(format_args!(r#"{{"id": {id}, "{name}": ""#));
        self.words(4);
        let random = &mut self.random;
        let (major, minor, patch) = (random.below(9), random.below(30), random.below(9));
        self.write(format_args!(r#"", "version": "{major}.{minor}.{patch}"}}"#));
    }

    /// Addresses and numbers are those that examples are given, or nobody's.
    fn personal(&mut self) {
        self.words(5);
        let (first, second) = (self.word(), self.word());
        let random = &mut self.random;
        let value = match random.below(7) {
            0 => format!(" write to {first}.{second}@example.com "),
            1 => format!(" call +44 7700 900{} ", random.digits(3)),
            2 => " card 4111 1111 1111 1111 ".to_owned(),
            3 => format!(
                " SSN 5{}-{}1-1{} ",
                random.digits(2),
                random.below(9),
                random.digits(3)
            ),
            4 => format!(" from 192.0.2.{} ", random.below(250)),
            5 => " to DE89 3704 0044 0532 0130 00 ".to_owned(),
            _ => format!(" api_key={:016x}{:016x} ", random.next(), random.next()),
        };
        self.text.push_str(&value);
        self.words(5);
    }

    fn words(&mut self, count: usize) {
        for index in 0..count {
            if index > 0 {
                self.text.push(' ');
            }
            let rare = self.random.below(20) == 0;
            let word = self
                .random
                .one(if rare { &self.capitals } else { &self.words });
            self.text.push_str(word);
        }
    }

    fn word(&mut self) -> &'static str {
        self.random.one(&self.words)
    }

    fn write(&mut self, what: std::fmt::Arguments<'_>) {
        // A string takes whatever is written to it.
        let _ = self.text.write_fmt(what);
    }
}

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap_or(0)
    }

    fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of.get(self.below(of.len())).copied().unwrap_or_default()
    }

    fn digits(&mut self, count: usize) -> String {
        (0..count)
            .map(|_| char::from(b"0123456789"[self.below(10)]))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_the_same_at_every_run_and_as_long_as_was_asked() {
        let text = of(100_000, 1);
        assert_eq!(text, of(100_000, 1));
        assert_ne!(text, of(100_000, 2));
        assert!((99_990..=100_000).contains(&text.len()));
    }

    #[test]
    fn pieces_are_the_whole() {
        let text = of(10_000, 1);
        let pieces = cut(&text, 20);
        assert_eq!(pieces.concat(), text);
        assert!(pieces.iter().all(|piece| piece.len() <= 20));
        let documents = documents(&text, 234);
        assert_eq!(documents.concat(), text);
        assert!(documents.iter().all(|document| document.len() <= 234));
        assert!(documents.len() < 50);
    }
}
