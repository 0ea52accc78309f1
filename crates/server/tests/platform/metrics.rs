//! Metrics: on an address of their own, and without anybody's name.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::database::database;
use crate::platform::{Running, on_platform};

/// The value of a line, by its name and labels.
pub(crate) fn value_of(text: &str, line: &str) -> Option<f64> {
    let found = text.lines().find_map(|it| it.strip_prefix(line));
    found.and_then(|rest| rest.trim().parse().ok())
}

/// A server that ends with its test, whatever that came to.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn read(running: &Running, line: &str) -> f64 {
    let text = running.app.metrics.render().unwrap();
    value_of(&text, line).unwrap_or_default()
}

#[test]
fn what_is_asked_is_counted_by_its_route_and_by_nobodys_name() {
    on_platform(|running| async move {
        let tenant = running.tenant("counted").await;
        let id = "0199f1a0-0000-7000-8000-00000000c0de";
        let path = format!("/v1/keys/rotations/{id}");
        let route = r#"route="/v1/keys/rotations/{id}",method="GET""#;
        let answers = format!(r#"strongroom_requests_total{{{route},status="404"}}"#);
        let durations = format!("strongroom_request_duration_seconds_count{{{route}}}");
        let (before, timed) = (read(running, &answers), read(running, &durations));
        let found = running.send("GET", &path, Some(&tenant.token), None).await;
        assert_eq!(found.status, 404, "{}", found.text);
        assert_eq!(read(running, &answers), before + 1.0);
        assert_eq!(read(running, &durations), timed + 1.0);

        // Whoever asks for what is not there adds no line of their own.
        let strange = r#"strongroom_requests_total{route="none",method="other",status="404"}"#;
        let before = read(running, strange);
        for path in ["/none-of-ours", "/nor-this"] {
            running.send("BREW", path, None, None).await;
        }
        assert_eq!(read(running, strange), before + 2.0);

        let text = running.app.metrics.render().unwrap();
        assert!(text.ends_with("# EOF\n"));
        assert!(
            read(
                running,
                r#"strongroom_audit_events_total{fate="acknowledged"}"#
            ) > 0.0
        );
        for private in [id, "none-of-ours", "counted", &tenant.id.to_string()] {
            assert!(!text.contains(private), "{private}");
        }
    });
}

#[test]
fn they_are_served_on_an_address_of_their_own() {
    on_platform(|running| async move {
        let mut server = Command::new(env!("CARGO_BIN_EXE_strongroom-server"))
            .arg("serve")
            .env("DATABASE_URL", database().url())
            .env("STRONGROOM_STATE_DIR", &running.app.config.state_dir)
            .env("STRONGROOM_LISTEN", "127.0.0.1:0")
            .env("STRONGROOM_METRICS_LISTEN", "127.0.0.1:0")
            .stderr(Stdio::piped())
            .spawn()
            .map(Ending)
            .unwrap();
        let mut said = BufReader::new(server.0.stderr.take().unwrap()).lines();
        let mut address = |before: &str| {
            let mut lines = said.by_ref().map_while(Result::ok);
            let found = lines.find_map(|line| line.strip_prefix(before).map(str::to_owned));
            found.expect("the server ended before it served")
        };
        let gateway = address("serving on ");
        let metrics = address("metrics on ");
        std::thread::spawn(move || said.for_each(drop));

        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let get = async |url: String| client.get(url).send().await.unwrap();
        assert_eq!(get(format!("{gateway}/healthz")).await.status(), 200);
        let answer = get(metrics.clone()).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(
            answer.headers()["content-type"],
            "application/openmetrics-text; version=1.0.0; charset=utf-8"
        );
        // Nobody keeps others away by staying.
        assert_eq!(answer.headers()["connection"], "close");
        let text = answer.text().await.unwrap();
        let health = r#"strongroom_requests_total{route="/healthz",method="GET",status="200"}"#;
        assert_eq!(value_of(&text, health), Some(1.0), "{text}");
        // Neither has what is the other's.
        assert_eq!(get(format!("{gateway}/metrics")).await.status(), 404);
        let other = metrics.replace("/metrics", "/healthz");
        assert_eq!(get(other).await.status(), 404);

        let pid = rustix::process::Pid::from_child(&server.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let ended = tokio::task::spawn_blocking(move || server.0.wait());
        assert!(ended.await.unwrap().unwrap().success());
    });
}
