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
            let mut best = u128::MAX;
            for _ in 0..3 {
                let start = Instant::now();
                std::hint::black_box(scan(&text));
                best = best.min(start.elapsed().as_micros());
            }
            best
        };
        let short = time(2_000);
        for times in [15, 50] {
            let long = time(2_000 * times);
            let most = u128::try_from(times).unwrap_or(0) * 8 * (short + 50);
            assert!(long < most, "{piece:?}: {short} us, then {long} us");
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
        let mut best = u128::MAX;
        for _ in 0..3 {
            let start = Instant::now();
            assert_eq!(detector.scan(&text).len(), count);
            best = best.min(start.elapsed().as_micros());
        }
        best
    };
    let (short, long) = (time(300), time(15_000));
    assert!(long < 50 * 8 * (short + 50), "{short} us, then {long} us");
}
