//! What a tenant's people wrote is stored nowhere: not in a table, not in PostgreSQL's write-ahead log
//! or its own log, and not in what the server says, however much it is asked to say.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use strongroom_server::clock::SystemClock;
use strongroom_server::init::init;

use crate::database::{Database, folder};
use crate::kills::send;
use crate::platform::{Provider, config, on_runtime, start_provider};

/// What is planted in prompts, in what is analysed, and in requests that are refused.
const PLANTED: [&str; 5] = [
    "john.planted@example.com",
    "536-90-4399",
    "4111 1111 1111 1111",
    "GB29 NWBK 6016 1331 9268 19",
    "planted-and-refused@example.com",
];

/// Planted beside them, and no recogniser's: what is not written down needs no redaction.
const WORDS: &str = "our words to the model";

/// What the provider answers with.
const ANSWERED: &str = "bob@answers.example";

struct Ending(std::process::Child);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// In which of the files below a folder a text stands, as it is or as hexadecimal digits; and how many
/// bytes there were.
fn holders(folder: &Path, text: &str, bytes: &mut u64) -> Vec<String> {
    let hex: String = text.bytes().map(|b| format!("{b:02x}")).collect();
    let needles = [text.as_bytes(), hex.as_bytes()].map(memchr::memmem::Finder::new);
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                // A file may go while it is looked at; its bytes are in another by then.
                let content = std::fs::read(entry.path()).unwrap_or_default();
                *bytes += content.len() as u64;
                if needles.iter().any(|needle| needle.find(&content).is_some()) {
                    found.push(entry.path().display().to_string());
                }
            }
        }
    }
    found
}

fn prompt(text: &str) -> Value {
    json!({ "model": "gpt-originals", "messages": [{ "role": "user", "content": text }] })
}

#[test]
fn originals_are_nowhere_on_disk() {
    on_runtime(async {
        strongroom_server::upstream::install_tls();
        let root = folder();
        let database = Database::start(root.clone()).await;
        let provider = Arc::new(Provider::default());
        let address = start_provider(Arc::clone(&provider)).await;
        let config = config(address, &[]);
        let endpoint = database.endpoint();
        let done = init(&config, &endpoint, "postgres", None, Arc::new(SystemClock)).await;
        let admin = done.unwrap().admin_key.unwrap();
        let superuser = database.sql("postgres").await;
        let log = folder();
        std::fs::create_dir_all(&log).unwrap();
        let said = log.join("said");
        let mut server = Command::new(env!("CARGO_BIN_EXE_strongroom-server"))
            .arg("serve")
            .env("DATABASE_URL", database.url())
            .env("STRONGROOM_STATE_DIR", &config.state_dir)
            .env("STRONGROOM_LISTEN", "127.0.0.1:0")
            .env(
                "STRONGROOM_UPSTREAM_BASE_URL",
                format!("http://{address}/v1"),
            )
            .env("STRONGROOM_LOG", "trace")
            .stdout(File::create(log.join("out")).unwrap())
            .stderr(Stdio::piped())
            .spawn()
            .map(Ending)
            .unwrap();
        let mut lines = BufReader::new(server.0.stderr.take().unwrap()).lines();
        let mut kept = File::create(&said).unwrap();
        let mut serving = None;
        for line in lines.by_ref().map_while(Result::ok) {
            use std::io::Write as _;
            writeln!(kept, "{line}").unwrap();
            if let Some(base) = line.strip_prefix("serving on ") {
                serving = Some(base.to_owned());
                break;
            }
        }
        let base = serving.unwrap_or_else(|| panic!("{}", std::fs::read_to_string(&said).unwrap()));
        let rest = std::thread::spawn(move || {
            use std::io::Write as _;
            for line in lines.map_while(Result::ok) {
                writeln!(kept, "{line}").unwrap();
            }
        });

        let body = json!({ "name": "originals" });
        let made = send(&base, "POST", "/v1/tenants", admin.expose(), body).await;
        let key = made.unwrap().json()["owner_key"]["key"]
            .as_str()
            .unwrap()
            .to_owned();
        let ask = async |method: &str, path: &str, body: Value| {
            let answer = send(&base, method, path, &key, body).await.unwrap();
            (answer.status, answer.text)
        };
        let credential = json!({ "credential": "sk-tests-own-provider" });
        let put = ask("PUT", "/v1/providers/default/credential", credential).await;
        assert_eq!(put.0, 204, "{}", put.1);
        let [email, ssn, card, iban, refused] = PLANTED;
        let text = format!("{WORDS}: I am {email}, SSN {ssn}, card {card}, IBAN {iban}");
        let called = ask("POST", "/v1/chat/completions", prompt(&text)).await;
        assert_eq!(called.0, 200, "{}", called.1);
        let found = ask("POST", "/v1/pii/analyze", json!({ "text": text })).await;
        assert_eq!(found.0, 200, "{}", found.1);
        let results: Value = serde_json::from_str(&found.1).unwrap();
        assert_eq!(results.as_array().unwrap().len(), 4, "{results}");
        let asked = json!({ "text": text, "analyzer_results": results });
        assert_eq!(ask("POST", "/v1/pii/anonymize", asked).await.0, 200);
        assert!(called.1.contains("[EMAIL]"), "{}", called.1);
        // What a policy lets pass, or takes out so that it can come back.
        let rule = |class: &str, rest: &str| {
            format!("[[rules]]\ntenant = '*'\nclass = '{class}'\nchannel = '*'\n{rest}\n")
        };
        let source = [
            "version = 2\nrestore = { answers = true, tools = true }\n",
            &rule("contact.email", "mode = 'reversible'"),
            &rule("gov.ssn.us", "mode = 'flag'"),
            &rule("finance.card", "mode = 'off'"),
            &rule("finance.iban", "mode = 'strict'\noperator = 'hmac'"),
        ]
        .concat();
        let put = ask("PUT", "/v1/policy", json!({ "source": source })).await;
        assert_eq!(put.0, 200, "{}", put.1);
        let mut echo = prompt(&text);
        echo["model"] = json!("gpt-echo");
        let called = ask("POST", "/v1/chat/completions", echo).await;
        for there in [email, ssn, card, "[iban#"] {
            assert!(called.1.contains(there), "{}", called.1);
        }
        let sent = provider.received.lock().unwrap().last().unwrap().1.clone();
        let sent = sent["messages"][0]["content"].as_str().unwrap().to_owned();
        let token = sent
            .split_once("[EMAIL_")
            .unwrap()
            .1
            .split_once(']')
            .unwrap()
            .0;
        let token = format!("[EMAIL_{token}]");
        let asked = json!({ "token": token, "reason": "a test" });
        let shown = ask("POST", "/v1/pii/unmask", asked).await;
        assert!(shown.1.contains(email), "{}", shown.1);
        // Refused: what cannot be read, what is blocked.
        let source = "version = 3\n[[rules]]\ntenant = '*'\nclass = 'contact.*'\nchannel = 'prompt'\nmode = 'block'\n";
        let put = ask("PUT", "/v1/policy", json!({ "source": source })).await;
        assert_eq!(put.0, 200, "{}", put.1);
        for (path, body) in [
            (
                "/v1/chat/completions",
                prompt(&format!("write to {refused}")),
            ),
            (
                "/v1/chat/completions",
                json!({ "model": refused, "messages": refused }),
            ),
            (
                "/v1/pii/analyze",
                json!({ "text": refused, "entities": [refused] }),
            ),
            (
                "/v1/pii/anonymize",
                json!({ "text": refused, "analyzer_results": refused }),
            ),
        ] {
            let (status, text) = ask("POST", path, body).await;
            assert!((400..500).contains(&status), "{path}: {status} {text}");
            assert!(!text.contains(refused), "{text}");
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        superuser.batch_execute("checkpoint").await.unwrap();

        // The control: what is stored is found, in the table's file, the log ahead of it and the log.
        let control = "control.value@example.com";
        let insert = format!(
            "create table public.control (said text); insert into public.control values ('{control}')"
        );
        superuser.batch_execute(&insert).await.unwrap();
        superuser.batch_execute("checkpoint").await.unwrap();
        superuser
            .batch_execute(&format!("do $$ begin raise log '{control}'; end $$"))
            .await
            .unwrap();
        let mut bytes = 0;
        let held = holders(&root, control, &mut bytes);
        for part in ["/base/", "pg_wal"] {
            assert!(held.iter().any(|file| file.contains(part)), "{held:?}");
        }
        assert!(bytes > 16 << 20, "{bytes} bytes");

        drop(server);
        rest.join().unwrap();
        let said = std::fs::read_to_string(&said).unwrap();
        assert!(said.contains("pii.analyze"), "{said}");
        assert!(database.said().contains(control));
        for text in PLANTED.iter().chain([&ANSWERED, &WORDS]) {
            let mut held = holders(&root, text, &mut bytes);
            held.extend(holders(&log, text, &mut bytes));
            held.extend(holders(&config.state_dir, text, &mut bytes));
            assert!(held.is_empty(), "{text} is in {held:?}");
        }
    });
}
