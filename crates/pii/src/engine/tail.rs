//! What goes on past the 256 bytes that are seen of it.

use super::byte::{self, ALNUM, TOKEN};
use super::candidate::Tail;

/// Where a span ends that goes on past its candidate.
pub(super) fn tail(text: &str, end: usize, tail: Tail) -> usize {
    let rest = text.as_bytes().get(end..).unwrap_or_default();
    let run = |accepts: &dyn Fn(u8) -> bool| end + rest.iter().take_while(|b| accepts(**b)).count();
    let to_line = |marks: &[&str]| {
        let rest = text.get(end..).unwrap_or_default();
        let found = marks
            .iter()
            .filter_map(|mark| rest.find(mark).map(|at| at + mark.len()))
            .min();
        found.map(|at| end + at)
    };
    match tail {
        Tail::None => end,
        Tail::Run(kinds) => run(&|b| byte::is(b, kinds)),
        Tail::Jwt => run(&|b| byte::is(b, TOKEN) || b == b'.'),
        Tail::Pem => {
            let Some(mark) = to_line(&["-----END "]) else {
                return text.len();
            };
            let label = text.get(mark..).unwrap_or_default().find("-----");
            label.map_or(text.len(), |at| mark + at + 5)
        }
        Tail::Putty => {
            let Some(mark) = to_line(&["Private-MAC: ", "Private-Hash: "]) else {
                return text.len();
            };
            let rest = text.as_bytes().get(mark..).unwrap_or_default();
            mark + rest.iter().take_while(|b| byte::is(**b, ALNUM)).count()
        }
    }
}
