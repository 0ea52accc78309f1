//! Short codes: of diagnoses, of banks, of cards' backs, of vehicles.

use crate::class::Kind;
use crate::detection::{Evidence, EvidenceSet};
use crate::engine::byte::{self, ALNUM, DIGIT, UPPER};
use crate::engine::candidate::{Candidate, Tail, Tier};
use crate::engine::window::Window;

const SHAPE: EvidenceSet = EvidenceSet::of(&[Evidence::Shape]);
const NUMBERING: EvidenceSet = EvidenceSet::of(&[Evidence::Shape, Evidence::Numbering]);

fn candidate(kind: Kind, start: usize, end: usize, base: i16, evidence: EvidenceSet) -> Candidate {
    Candidate {
        class: kind as u16,
        start,
        end,
        base,
        evidence,
        tier: Tier::Value,
        weighed: true,
        tail: Tail::None,
    }
}

/// Proposes a diagnosis by ICD-10: a letter, two characters, and up to four after a full stop.
pub(crate) fn icd10(window: &Window<'_>, start: usize, run: usize, found: &mut Vec<Candidate>) {
    let head = window.bytes(start, run);
    let [letter, tens, units] = head else {
        return;
    };
    // In running text a small letter is one only with what comes after a full stop.
    let letter = if window.byte(run) == b'.' {
        letter.to_ascii_uppercase()
    } else {
        *letter
    };
    let shaped = byte::is(letter, UPPER)
        && byte::is(*tens, DIGIT)
        && (byte::is(*units, DIGIT) || matches!(units, b'A' | b'B'));
    if !shaped
        || letter == b'U' && !matches!(head, b"U07" | b"U09" | b"U10")
        || matches!(window.before(start), b'-' | b'.' | b'/' | b'_')
    {
        return;
    }
    let mut end = run;
    if window.byte(run) == b'.' && window.is(run + 1, ALNUM) {
        let tail = window.run(run + 1, ALNUM);
        let rest = window.bytes(run + 1, tail);
        let fits = rest.len() <= 4
            && rest.iter().all(|b| byte::is(*b, DIGIT | UPPER))
            && rest.first().is_some_and(|b| byte::is(*b, DIGIT | UPPER));
        if !fits {
            return;
        }
        end = tail;
    }
    if window.word_at(end) || window.joined_after(end) || window.byte(end) == b'-' {
        return;
    }
    let base = if end > run && byte::is(window.byte(start), UPPER) {
        -16
    } else {
        -29
    };
    found.push(candidate(Kind::Icd10, start, end, base, SHAPE));
}

/// Proposes a card verification value: three digits or four, which only words tell.
pub(crate) fn cvv(window: &Window<'_>, start: usize, run: usize, found: &mut Vec<Candidate>) {
    if matches!(run - start, 3 | 4)
        && !window.joined_before(start)
        && !window.joined_after(run)
        && window.before(start) != b'.'
    {
        found.push(candidate(Kind::Cvv, start, run, -27, SHAPE));
    }
}

/// The country codes of ISO 3166-1 that banks have.
const COUNTRIES: &[u8] = b"ADAEAFAGAIALAMAOARATAUAWAZBABBBDBEBFBGBHBIBJBMBNBOBRBSBTBWBYBZCACDCFCGCHCICKCLCMCNCOCRCUCVCWCYCZDEDJDKDMDODZECEEEGERESETFIFJFKFMFOFRGAGBGDGEGFGGGHGIGLGMGNGPGQGRGTGWGYHKHNHRHTHUIDIEILIMINIQIRISITJEJMJOJPKEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLYMAMCMDMEMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZNANCNENGNINLNONPNRNZOMPAPEPFPGPHPKPLPMPRPSPTPWPYQARERORSRURWSASBSCSDSESGSHSISKSLSMSNSOSRSSSTSVSXSYSZTCTDTGTHTJTLTMTNTOTRTTTVTWTZUAUGUSUYUZVAVCVEVGVIVNVUWFWSXKYEYTZAZMZW";

/// Proposes a business identifier code (ISO 9362) in a word of capitals and digits.
pub(crate) fn swift(window: &Window<'_>, start: usize, end: usize, found: &mut Vec<Candidate>) {
    let code = window.bytes(start, end);
    let shaped = matches!(code.len(), 8 | 11)
        && code.iter().take(6).all(|b| byte::is(*b, UPPER))
        && code.iter().all(|b| byte::is(*b, UPPER | DIGIT));
    let country = code.get(4..6).unwrap_or_default();
    if !shaped
        || !COUNTRIES.chunks(2).any(|known| known == country)
        || window.word_at(end)
        || window.word_before(start)
        || window.joined_after(end)
        // `Swift_COMPILER_ID`
        || window.byte(end) == b'_' && window.is(end + 1, ALNUM)
    {
        return;
    }
    let base = match code.get(8..) {
        Some(branch @ [_, ..]) if branch.iter().all(|b| *b == b'X') => 6,
        // No other branch begins with it.
        Some(branch) if branch.first() == Some(&b'X') => return,
        Some(rest) if !rest.is_empty() && code.iter().any(|b| byte::is(*b, DIGIT)) => -16,
        _ => -26,
    };
    found.push(candidate(Kind::Swift, start, end, base, NUMBERING));
}

/// A syllable of Hangul, in bytes.
const HANGUL: usize = 3;

/// Proposes the Korean plate that starts with the digits `start..digits`: two or three, a syllable,
/// four digits.
pub(crate) fn plate(window: &Window<'_>, start: usize, digits: usize, found: &mut Vec<Candidate>) {
    if !matches!(digits - start, 2 | 3) || window.byte(digits).is_ascii() {
        return;
    }
    let syllable = window.text(digits, digits + HANGUL).chars().next();
    let spaced = usize::from(window.byte(digits + HANGUL) == b' ');
    let serial = digits + HANGUL + spaced;
    let end = window.run(serial, DIGIT);
    if syllable.is_some_and(|c| ('가'..='힣').contains(&c)) && end - serial == 4 {
        found.push(candidate(Kind::Plate, start, end, -10, SHAPE));
    }
}
