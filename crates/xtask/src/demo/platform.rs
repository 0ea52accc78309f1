//! The programs of the demo: the platform, a local provider, two webhook subscribers.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::http::Client;
use super::tenants::Tenant;
use super::transcript::Checked;
use crate::failure::{At as _, Failure};
use crate::program;
use crate::project::Project;

/// How long a program may take to say that it is ready.
const PATIENCE: Duration = Duration::from_secs(120);

/// A program that ends with the demo.
pub(crate) struct Running {
    child: Child,
    /// What it said: the rest of the line after each mark.
    said: Vec<String>,
    /// Every line that it said until it was ready.
    heard: Vec<String>,
}

/// Everything that the demo started.
pub(crate) struct Platform {
    pub(crate) client: Client,
    pub(crate) admin_key: String,
    pub(crate) database_url: String,
    pub(crate) folder: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) scripts: PathBuf,
    pub(crate) python: PathBuf,
    pub(crate) subscriber: String,
    pub(crate) late_subscriber: String,
    base: String,
    server: Running,
    // Held so that they end with the demo.
    _others: Vec<Running>,
}

impl Platform {
    pub(crate) fn start(project: &Project, python: &Path) -> Result<Self, Failure> {
        let folder = std::env::temp_dir().join(format!("strongroom-demo-{}", std::process::id()));
        for dir in ["", "provider", "subscriber", "late-subscriber"] {
            let dir = folder.join(dir);
            fs::create_dir_all(&dir).at(&dir)?;
        }
        // The platform's own users must be able to pass through, not to look around.
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o711)).at(&folder)?;
        let programs = project.target.join("debug");
        let scripts = project.root.join("examples/demo");

        let mut provider = Command::new(python);
        provider
            .arg(scripts.join("provider.py"))
            .arg(folder.join("provider"));
        let provider = Running::start(&mut provider, Heard::Output, &["listening on "])?;
        let mut subscribers = Vec::new();
        for (name, offset) in [("subscriber", "0"), ("late-subscriber", "301")] {
            let mut subscriber = Command::new(programs.join("webhook_subscriber"));
            subscriber.args(["--port", "0", "--clock-offset", offset]);
            subscriber
                .arg("--secret-file")
                .arg(folder.join("webhook-secret"));
            subscriber.arg("--record").arg(folder.join(name));
            subscribers.push(Running::start(
                &mut subscriber,
                Heard::Output,
                &["listening on "],
            )?);
        }
        let [subscriber, late] = subscribers.as_slice() else {
            return Err(Failure::failed("no subscribers"));
        };
        let (subscriber, late) = (subscriber.word(0)?, late.word(0)?);

        let config = folder.join("strongroom.toml");
        let text = format!(
            "listen = '127.0.0.1:0'\n\
             state_dir = '{}'\n\
             upstream.base_url = 'http://{}/v1'\n\
             webhooks.allow_loopback = true\n\
             # The demo is one address: its limits by address stand back behind those by caller,\n\
             # which no step reaches unless it means to, and that one on a slow machine too.\n\
             limits.edge_per_10_seconds = 1000\n\
             limits.proxy_per_second = 100\n\
             limits.proxy_burst = 100\n\
             limits.caller_per_second = 2\n",
            folder.join("state").display(),
            provider.word(0)?,
        );
        fs::write(&config, text).at(&config)?;
        let mut server = Command::new(programs.join("strongroom-server"));
        server.arg("run").arg("--config").arg(&config);
        let marks = [
            "platform-admin key, shown once: ",
            "database: ",
            "serving on ",
        ];
        let server = Running::start(&mut server, Heard::Both, &marks)?;
        let base = server.word(2)?;
        let mut others = subscribers;
        others.push(provider);
        Ok(Self {
            client: Client::new(&base),
            admin_key: server.word(0)?,
            database_url: server.word(1)?,
            target: programs,
            scripts,
            python: python.to_owned(),
            subscriber: format!("http://{subscriber}/hook"),
            late_subscriber: format!("http://{late}"),
            folder,
            base,
            server,
            _others: others,
        })
    }

    /// A second server on the same database, with settings of its own.
    pub(crate) fn second_server(
        &self,
        setting: (&str, &str),
    ) -> Result<(Running, Client), Failure> {
        let copy = self.folder.join("state/bin/strongroom-server");
        let program = if copy.exists() {
            copy
        } else {
            self.target.join("strongroom-server")
        };
        let mut server = self.as_user("strongroom", &program);
        server
            .arg("serve")
            .env("DATABASE_URL", &self.database_url)
            .env("STRONGROOM_STATE_DIR", self.folder.join("state"))
            .env("STRONGROOM_LISTEN", "127.0.0.1:0")
            .env(setting.0, setting.1);
        let server = Running::start(&mut server, Heard::Errors, &["serving on "])?;
        let client = Client::new(&server.word(0)?);
        Ok((server, client))
    }

    /// A program of the platform's, as one of its users when we are root, else as ourselves.
    pub(crate) fn as_user(&self, user: &str, program: &Path) -> Command {
        if !am_root() {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", user, "--regid", user, "--init-groups", "--"])
            .arg(program);
        command.current_dir("/");
        command
    }

    /// The `strongroom` command line.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.target.join("strongroom"));
        command.args(arguments);
        command
    }

    /// Runs one of the demo's Python scripts with the official client libraries.
    pub(crate) fn script(
        &self,
        name: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<String, Failure> {
        let mut command = Command::new(&self.python);
        command.arg(self.scripts.join(name)).args(arguments);
        for (name, value) in environment {
            command.env(name, value);
        }
        Ok(program::output(&mut command)?.trim().to_owned())
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// A file of the demo's folder, written.
    pub(crate) fn file(&self, name: &str, contents: &[u8]) -> Result<String, Failure> {
        let path = self.folder.join(name);
        fs::write(&path, contents).at(&path)?;
        Ok(path.display().to_string())
    }

    pub(crate) fn what_started(&self) -> Result<Checked, Failure> {
        let mut checked = Checked::default();
        let ready = self.client.get("/readyz", "")?;
        checked.of_request(ready.request_id());
        checked.that(
            ready.status == 200,
            "init migrated, made the roles and printed the platform-admin key; the self-check passed",
            &ready.text,
        )?;
        for line in self
            .server
            .heard
            .iter()
            .filter(|line| line.starts_with("made the system user"))
        {
            checked.that(true, line, "")?;
        }
        let children = children_of(self.server.child.id())?;
        let apart = !am_root() || children.iter().all(|(uid, _)| *uid != 0);
        let seen: Vec<_> = children
            .iter()
            .map(|(uid, name)| format!("{name} as uid {uid}"))
            .collect();
        let seen = seen.join(" and ");
        let fact = format!("in the foreground under one parent: {seen}");
        checked.that(children.len() >= 2 && apart, fact, &seen)?;
        Ok(checked)
    }

    pub(crate) fn how_to_reach(&self, tenant: &Tenant) -> String {
        format!(
            "\nthe platform is up at {}\n  OPENAI_BASE_URL={}/v1 OPENAI_API_KEY=$(cat {})\n  \
             database: {}\nstop it with ctrl-c",
            self.base,
            self.base,
            tenant.key_file.display(),
            self.database_url,
        )
    }

    /// Waits until the platform ends or somebody asks this process to.
    pub(crate) fn wait(&mut self, asked: &AtomicBool) {
        while !asked.load(Ordering::SeqCst) && matches!(self.server.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Stops the platform as an operator would, and removes what it left.
    pub(crate) fn stop(mut self) -> Result<(), Failure> {
        self.server.terminate();
        match self.server.child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Failure::failed(format!("the platform ended with {status}"))),
            Err(error) => Err(Failure::failed(format!("the platform: {error}"))),
        }
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.server.terminate();
        let _ = self.server.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The processes that a process started: whose they are, and their names.
fn children_of(parent: u32) -> Result<Vec<(u32, String)>, Failure> {
    let proc = Path::new("/proc");
    let mut children = Vec::new();
    for entry in fs::read_dir(proc).at(proc)?.flatten() {
        // A process may end while we look.
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next())
                .unwrap_or_default()
                .to_owned()
        };
        if field("PPid:") == parent.to_string() {
            children.push((field("Uid:").parse().unwrap_or_default(), field("Name:")));
        }
    }
    Ok(children)
}

/// Where a program says what the demo waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    Output,
    Errors,
    Both,
}

impl Running {
    /// Starts a program and waits until it has said what follows each mark.
    fn start(command: &mut Command, heard: Heard, marks: &[&str]) -> Result<Self, Failure> {
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .map_err(|error| Failure::cannot_run(format!("{}: {error}", program::line(command))))?;
        let (lines, received) = mpsc::channel();
        if let Some(output) = child.stdout.take() {
            listen(output, lines.clone(), heard != Heard::Errors);
        }
        if let Some(errors) = child.stderr.take() {
            listen(errors, lines, heard != Heard::Output);
        }
        let mut said = vec![String::new(); marks.len()];
        let mut last = Vec::new();
        while said.iter().any(String::is_empty) {
            let Ok(line) = received.recv_timeout(PATIENCE) else {
                let _ = child.kill();
                let _ = child.wait();
                let text = format!(
                    "{} is not ready:\n{}",
                    program::line(command),
                    last.join("\n")
                );
                return Err(Failure::failed(text));
            };
            for (mark, place) in marks.iter().zip(&mut said) {
                if let Some(rest) = line.strip_prefix(mark) {
                    *place = rest.trim().to_owned();
                }
            }
            last.push(line);
        }
        Ok(Self {
            child,
            said,
            heard: last,
        })
    }

    fn word(&self, mark: usize) -> Result<String, Failure> {
        self.said
            .get(mark)
            .cloned()
            .ok_or_else(|| Failure::failed("a program said nothing"))
    }

    fn terminate(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.terminate();
            let _ = self.child.wait();
        }
    }
}

/// Reads a stream to its end, so that its program is never held up by a full pipe.
fn listen(stream: impl Read + Send + 'static, lines: mpsc::Sender<String>, wanted: bool) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if wanted {
                let _ = lines.send(line);
            }
        }
    });
}

pub(crate) fn am_root() -> bool {
    rustix::process::getuid().is_root()
}
