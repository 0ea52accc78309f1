//! The time that a text takes grows with its length, whatever is in it.

use std::time::Instant;

use strongroom_pii::scan;

/// Fifteen and fifty times the text take about as many times as long, on the worst texts there are.
/// The bound is far off, so that a busy machine passes and a quadratic step does not.
#[test]
fn hostile_texts_take_linear_time() {
    for piece in [
        "1",
        "@",
        ":",
        "::",
        "a@",
        "a.",
        "1.",
        "1-",
        "1 ",
        "1:",
        "a:",
        "[",
        "[EMAIL]",
        "(1",
        "+1",
        "DE89 ",
        "a@b.",
        "1.2.3.4",
        "1.2.3.",
        "4111 ",
        "4111 1111 1111 1112 ",
        "123-45-6789-",
        "phone 12 ",
        "phone 555 1234 ",
        "é",
        "話",
        "a@b.c,",
        "fe80::",
        "1:2:3:4:5:6:7:8:9:",
        "\\n",
        "0",
        "00",
        "ssn ",
        "'@",
        "a@[1.2.3.4",
        "a@b-",
        "bic ",
        "pwd ",
        " --",
        "| --- ",
        " -u ",
        "curl -u a:b ",
        "curl '\n -u a:b ",
        "token ",
        "is my password ",
        "kind: Secret\n",
        "---\nkind: Secret\ndata:\n",
        "data:\n a: YWRtaW46cGFzc3dvcmQ=\n",
        "token: |\n  YWRtaW46cGFzc3dvcmQ=\n",
        "a, ",
        "\"token\", ",
        "token ||= ",
        "a!aaaa is my password ",
        "curl -u \"a 192.0.2.7 ",
        "values (1, 2), ",
        "password: k2,b\n",
    ] {
        let time = |bytes: usize| {
            let text = piece.repeat(bytes / piece.len());
            best_of_three(|| {
                std::hint::black_box(scan(&text));
            })
        };
        for times in [15, 50] {
            assert_linear(piece, times, || (time(2_000), time(2_000 * times)));
        }
    }
}

#[test]
fn classes_of_ones_own_take_linear_time() {
    let detector = strongroom_pii::Detector::builder()
        .deny("custom.project", ["Falcon"])
        .unwrap()
        .build()
        .unwrap();
    let time = |count: usize| {
        let text = "Falcon ".repeat(count);
        best_of_three(|| assert_eq!(detector.scan(&text).len(), count))
    };
    assert_linear("Falcon", 50, || (time(300), time(15_000)));
}

/// Microseconds.
fn best_of_three(work: impl Fn()) -> u128 {
    let times = (0..3).map(|_| {
        let start = Instant::now();
        work();
        start.elapsed().as_micros()
    });
    times.min().unwrap_or(0)
}

/// The times of a text and of one so many times as long. A machine that is busy elsewhere stretches now
/// this and now that, so they are taken again, unless they are so far apart as no machine draws them. The
/// least of each counts: nothing makes a time too short.
fn assert_linear(what: &str, times: usize, pair: impl Fn() -> (u128, u128)) {
    let most = |short: u128| u128::try_from(times).unwrap_or(0) * 8 * (short + 50);
    let (mut short, mut long) = pair();
    for _ in 0..5 {
        if long < most(short) || long > 4 * most(short) {
            break;
        }
        let again = pair();
        (short, long) = (short.min(again.0), long.min(again.1));
    }
    assert!(long < most(short), "{what:?}: {short} us, then {long} us");
}
