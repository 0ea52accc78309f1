//! Moto's server, an AWS for tests: the provider for AWS KMS runs against it.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::failure::{At as _, Failure};
use crate::program;
use crate::project::Project;
use crate::stage::{Counts, Outcome};
use crate::venv;

/// How long the server may take to start.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server on loopback; it ends with this value.
struct Moto {
    child: Child,
    address: SocketAddr,
}

/// Runs the cases of `strongroom-envelope-aws` against it.
pub(crate) fn check(project: &Project) -> Outcome {
    let moto = Moto::start(project).map_err(|failure| (Counts::default(), failure))?;
    let mut cargo = project.cargo("test --locked -p strongroom-envelope-aws --test aws --");
    cargo.args(["--ignored", "--nocapture", "--exact"]);
    cargo.arg("moto::moto_passes_the_cases");
    cargo.env("STRONGROOM_MOTO", format!("http://{}", moto.address));
    let counts = program::run_tests(&mut cargo)?;
    if counts.passed == 1 {
        Ok(counts)
    } else {
        Err((counts, Failure::failed("the test was not run")))
    }
}

impl Moto {
    fn start(project: &Project) -> Result<Self, Failure> {
        let python = venv::MOTO.python(project)?;
        let log = project.target.join("moto.log");
        let address = free_address().at(Path::new("127.0.0.1"))?;
        let mut server = Command::new(python.with_file_name("moto_server"));
        server.args(["-H", &address.ip().to_string()]);
        server.args(["-p", &address.port().to_string()]);
        let output = File::create(&log).at(&log)?;
        server.stderr(output.try_clone().at(&log)?).stdout(output);
        let child = server
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| Failure::cannot_run(format!("moto_server: {error}")))?;
        let mut moto = Self { child, address };
        let begun = Instant::now();
        while TcpStream::connect_timeout(&moto.address, Duration::from_secs(1)).is_err() {
            let is_running = matches!(moto.child.try_wait(), Ok(None));
            if !is_running || begun.elapsed() > PATIENCE {
                let reason = format!("moto's server did not start: see {}", log.display());
                return Err(Failure::failed(reason));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(moto)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
