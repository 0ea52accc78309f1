//! Words, told from letters drawn at random by the pairs that stand in them.

use crate::engine::byte::{self, LETTER, LOWER, UPPER};

/// Whether a text is of words, as the names of a program are: `DefaultOAuth2TokenServices`.
///
/// Two thirds of it are runs of small letters with the letter before each, and two thirds of its pairs are
/// usual in words. Of a hundred keys of 20 letters and digits one has such runs by chance; of ten thousand
/// one has such pairs as well.
pub(super) fn is_spelled(text: &[u8]) -> bool {
    let (usual, pairs) = usual_pairs(text);
    is_in_runs(text) && usual * 3 >= pairs * 2
}

/// The same of letters behind a key's prefix, which are a name less often: three quarters of the pairs.
pub(super) fn is_plainly_spelled(text: &[u8]) -> bool {
    let (usual, pairs) = usual_pairs(text);
    is_in_runs(text) && usual * 4 >= pairs * 3
}

/// Whether a run of letters can be a word or some: a short one can always.
pub(super) fn is_wordlike(letters: &[u8]) -> bool {
    let (usual, pairs) = usual_pairs(letters);
    letters.len() < 6 || usual * 3 >= pairs * 2
}

fn is_in_runs(text: &[u8]) -> bool {
    let words = text.split(|b| !byte::is(*b, LOWER)).map(<[u8]>::len);
    // With the letter that they begin with.
    let spelled: usize = words
        .filter(|length| *length >= 3)
        .map(|length| length + 1)
        .sum();
    spelled * 3 >= text.len() * 2
}

/// How many pairs of letters are usual in words, and of how many: where a capital follows a small letter a
/// word begins, and the two are no pair.
fn usual_pairs(text: &[u8]) -> (usize, usize) {
    let (mut usual, mut pairs) = (0, 0);
    for pair in text.windows(2) {
        let [a, b] = pair else { continue };
        let begins = byte::is(*a, LOWER) && byte::is(*b, UPPER);
        if byte::is(*a, LETTER) && byte::is(*b, LETTER) && !begins {
            pairs += 1;
            usual += usize::from(follows(*a, *b));
        }
    }
    (usual, pairs)
}

fn follows(a: u8, b: u8) -> bool {
    let place = usize::from(a.to_ascii_lowercase().wrapping_sub(b'a'));
    let followers = FOLLOWERS.get(place);
    followers.is_some_and(|followers| followers.contains(&b.to_ascii_lowercase()))
}

/// What stands behind each letter in words at least seven tenths as often as if all letters stood there
/// alike: half of it counted in 22,000 words that occur five times and more in the sources of Python's
/// library and of 800 crates, half in lists of Danish, Dutch, French, German, Italian, Polish, Portuguese,
/// Spanish and Swedish words without their marks.
const FOLLOWERS: [&[u8]; 26] = [
    b"bcdgilmnprst",
    b"abceilorsuy",
    b"acehiklortu",
    b"adeiorsu",
    b"acdlmnrst",
    b"aefilorstu",
    b"aeghilnorsu",
    b"aeiortu",
    b"acdeglmnorstz",
    b"adeknosu",
    b"aeilnorstu",
    b"aeilostuy",
    b"abeimopsu",
    b"acdegiost",
    b"cdlmnprstuw",
    b"aeiloprstu",
    b"u",
    b"adeinost",
    b"acehikopstu",
    b"aehiorstu",
    b"abcdeilmnprst",
    b"aeio",
    b"aehinorsy",
    b"acdefiptx",
    b"abcdegilmnprstw",
    b"aeinouyz",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_words() {
        for name in [
            "DefaultOAuth2TokenServices",
            "generateRandomNumbersUniformly",
            "get_current_user_password",
            "BenutzerkontoAnlegen",
        ] {
            assert!(is_spelled(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn letters_drawn_at_random_are_none() {
        // Each has the runs that names have.
        for letters in [
            "wYfmxjRMUibuLqcyuNTgADoqlzoNccjmLG",
            "vLAyIUqdbnalIfMaywcxieVWuscwbhsrcM",
            "XgyjRnzeYNFHpCnwjpzysY",
        ] {
            assert!(!is_spelled(letters.as_bytes()), "{letters}");
        }
        assert!(!is_wordlike(b"lIRiDgfoZjkbJxzAxYWkasvJYGUvr"));
        assert!(!is_wordlike(b"HRJAOgRrYsHtDZy"));
        for word in ["key", "MANAGEMENT", "Spring", "xyz"] {
            assert!(is_wordlike(word.as_bytes()), "{word}");
        }
    }
}
