//! What is asked at an anchor: a sign, or where a token or a number begins.

use super::byte::{self, KEYISH, LETTER, TOKEN};
use super::candidate::Candidate;
use super::decision::close;
use super::progress::Progress;
use super::window::Window;
use super::{Engine, placeholder};
use crate::recognisers::{email, ip, web};
use crate::secrets::{assigned, connection, jwt, listed, manifest, pem, strongroom};

/// How far back the start of a key in base64 is looked for, in bytes.
const BASE64_BACK: usize = 100;

impl Engine {
    /// Asks the recognisers of one anchor; says where to go on.
    pub(super) fn anchor(&self, window: &Window<'_>, at: usize, progress: &mut Progress) -> usize {
        let found = &mut progress.found;
        match window.byte(at) {
            b'@' => {
                email::at_sign(window, at, found);
                web::at_sign(window, at, found);
                at + 1
            }
            b':' => {
                if window.byte(at + 1) == b'/' {
                    self.vendors.at(window, window.run_back(at, LETTER), found);
                }
                ip::colon(window, at, found);
                web::colon(window, at, found);
                connection::colon(window, at, found);
                if !manifest::colon(window, at, &mut progress.manifests, found) {
                    assigned::sign(window, &self.lexicon, at, found);
                }
                at + 1
            }
            b'=' => {
                assigned::sign(window, &self.lexicon, at, found);
                connection::pairs(window, at, found);
                at + 1
            }
            b'>' => {
                assigned::tag(window, &self.lexicon, at, found);
                at + 1
            }
            b'.' => {
                if window.byte(at + 5) == b'.' {
                    // Letters alone, `aabb.ccdd.eeff`: else a digit is what is found of it.
                    let start = window.run_back(at, LETTER);
                    if !window.word_before(start) {
                        ip::mac(window, start, at, found);
                    }
                }
                web::dot(window, at, found);
                at + 1
            }
            b'_' => {
                self.token(window, at, progress);
                at + 1
            }
            b'[' => match placeholder::end(window, at) {
                Some(end) => {
                    let mut closed = progress.closed.iter().rev();
                    if closed
                        .find(|span| span.1 <= end)
                        .is_none_or(|span| span.1 < end)
                    {
                        close(&mut progress.closed, (at, end));
                    }
                    end
                }
                None => at + 1,
            },
            _ => {
                self.token(window, at, progress);
                self.number(window, at, &mut progress.found)
            }
        }
    }

    /// Asks the recognisers of keys, once a token.
    fn token(&self, window: &Window<'_>, at: usize, progress: &mut Progress) {
        if at < progress.token {
            return;
        }
        let start = window.run_back(at, KEYISH);
        let end = window.run(at, KEYISH);
        progress.token = end;
        let found = &mut progress.found;
        let header = progress.headers.above(start);
        if let Some(header) = header.filter(|header| header.has_secrets) {
            assigned::cell(window, &self.lexicon, header, start, found);
        }
        listed::listed(window, &self.lexicon, start, found);
        assigned::continued(window, start, found);
        if end - start < 8 {
            // A short run, a sign of base64 or a colon, a longer one.
            if matches!(window.byte(end), b'/' | b'+' | b':') {
                self.vendors.at(window, start, found);
                strongroom::at(window, start, found);
                self.told(window, start, found);
            }
            return;
        }
        let known = found.len();
        self.vendors.at(window, start, found);
        if window.bytes(start, start + 3) == b"bot" {
            self.vendors.at(window, start + 3, found);
        }
        strongroom::at(window, start, found);
        jwt::at(window, start, found);
        pem::encoded(window, start, found);
        if found.len() == known {
            self.told(window, start, found);
        }
    }

    /// Asks for keys that have to be named, from the start of a run of base64.
    fn told(&self, window: &Window<'_>, start: usize, found: &mut Vec<Candidate>) {
        let base64 = |b: u8| byte::is(b, TOKEN) || matches!(b, b'+' | b'/');
        let mut first = start;
        while start - first < BASE64_BACK && first > 0 && base64(window.before(first)) {
            first -= 1;
        }
        self.vendors.told(window, first, found);
    }
}
