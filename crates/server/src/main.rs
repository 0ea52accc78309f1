//! `strongroom-server`: the reference platform's one program.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use strongroom_server::app::Platform;
use strongroom_server::clock::SystemClock;
use strongroom_server::config::{Config, ZoneMode, explain};
use strongroom_server::init::{Initialised, adopt_checkpoints, init};
use strongroom_server::postgres::Endpoint;
use strongroom_server::serve::{Listeners, serve, stop_signal};
use strongroom_server::supervise::{Home, stop_server};
use strongroom_server::telemetry;
use strongroom_server::trial::Trial;
use tokio::net::TcpListener;

/// The reference platform: a gateway in front of any LLM provider.
///
/// A tenant's call passes every gate: identity, tenant token, row-level security enforced by
/// PostgreSQL, PII policy, durable audit write.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file (TOML); `strongroom-server config` lists its keys.
    #[arg(long, short, global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start everything: a private PostgreSQL cluster, initialised, and the server in front of it.
    Run {
        /// Let the checkpoint store begin anew with what the database says, as `checkpoints adopt`
        /// does: for a cluster from before there was one, or when its directory is lost for good.
        #[arg(long)]
        adopt_checkpoints: bool,
    },
    /// Serve on a database that was initialised (database.url or DATABASE_URL).
    Serve,
    /// Migrate a database, make its roles and the platform's keys, print the operator's key once.
    Init {
        /// The role to connect as: a superuser, or one that may create roles.
        #[arg(long, default_value = "postgres")]
        owner: String,
    },
    /// Ask a database everything that the isolation rests on, and print what does not hold.
    Check,
    /// The checkpoint store, which keeps what was last signed of each audit log.
    Checkpoints {
        #[command(subcommand)]
        command: Checkpoints,
    },
    /// Start a primary and two standbys on this machine, to lose and bring back by hand.
    Zones {
        /// How many zones a commit waits for: one, any_2 or any_1.
        #[arg(long, default_value = "any_2")]
        mode: ZoneMode,
    },
    /// Print every configuration key, its default and its meaning.
    Config,
}

#[derive(Subcommand)]
enum Checkpoints {
    /// Let a store that knows nothing of this database begin with what the database says: for a
    /// platform from before there was one, or when the directory is lost for good.
    Adopt,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if matches!(arguments.command, Command::Config) {
        print!("{}", explain());
        return ExitCode::SUCCESS;
    }
    let done = Config::load(arguments.config.as_deref())
        .map_err(|error| error.to_string())
        .and_then(|config| {
            telemetry::start(&config.log)?;
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .map_err(|error| error.to_string())?;
            runtime.block_on(work(config, arguments))
        });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("strongroom-server: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn work(config: Config, arguments: Arguments) -> Result<(), String> {
    match arguments.command {
        Command::Run { adopt_checkpoints } => {
            run(config, arguments.config, adopt_checkpoints).await
        }
        Command::Serve => serve_on(external(&config)?, config).await,
        Command::Init { owner } => {
            let endpoint = external(&config)?;
            let passwords = config.database_password_dir.clone();
            let clock = Arc::new(SystemClock);
            let done = init(&config, &endpoint, &owner, passwords.as_deref(), clock).await;
            report(&done.map_err(|error| error.to_string())?);
            Ok(())
        }
        Command::Check => {
            let endpoint = external(&config)?;
            let now = strongroom_server::clock::Clock::unix_seconds(&SystemClock);
            let held = strongroom_server::postgres::self_check(&endpoint, now).await;
            let held = held.map_err(|error| error.to_string())?;
            let zones = strongroom_server::postgres::zones_check(&endpoint, &config.zones).await;
            let zones = zones.map_err(|error| error.to_string())?;
            println!("{} checks held", held + zones);
            Ok(())
        }
        Command::Checkpoints {
            command: Checkpoints::Adopt,
        } => {
            let endpoint = external(&config)?;
            let done = adopt_checkpoints(&config, &endpoint, Arc::new(SystemClock)).await;
            let done = done.map_err(|error| error.to_string())?;
            println!("{} logs adopted", done.logs);
            for log in &done.refused {
                eprintln!("{log}: does not go on from what the store has, and is left alone");
            }
            if done.refused.is_empty() {
                Ok(())
            } else {
                Err(format!("{} logs were not adopted", done.refused.len()))
            }
        }
        Command::Zones { mode } => {
            let stop = stop_signal().map_err(|error| error.to_string())?;
            let trial = Trial::start(mode).await;
            trial
                .map_err(|error| error.to_string())?
                .converse(stop)
                .await;
            Ok(())
        }
        Command::Config => Ok(()),
    }
}

fn external(config: &Config) -> Result<Endpoint, String> {
    let url = config.database_url.as_deref().ok_or(
        "no database: set database.url or DATABASE_URL, or use `strongroom-server run`, which \
         starts a private cluster",
    )?;
    Endpoint::parse(url, config.database_password_dir.clone()).map_err(|error| error.to_string())
}

/// Prints the operator's key, which is nowhere else.
fn report(done: &Initialised) {
    eprintln!("{} migrations ran", done.migrations);
    if let Some(key) = &done.admin_key {
        println!("platform-admin key, shown once: {}", key.expose());
    }
}

async fn run(config: Config, file: Option<PathBuf>, adopting: bool) -> Result<(), String> {
    if config.database_url.is_some() {
        return Err("database.url is set: use `init` and `serve`".to_owned());
    }
    let stop = stop_signal().map_err(|error| error.to_string())?;
    let (home, done) = Home::open(&config)
        .await
        .map_err(|error| error.to_string())?;
    report(&done);
    eprintln!("database: {}", home.database_url());
    if adopting {
        let adopted = home.adopt_checkpoints(file.as_deref()).await;
        adopted.map_err(|error| error.to_string())?;
    }
    let mut server = home
        .start_server(file.as_deref())
        .map_err(|error| error.to_string())?;
    let mut look = tokio::time::interval(std::time::Duration::from_millis(500));
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            ended = server.wait() => {
                let status = ended.map_err(|error| error.to_string())?;
                return Err(format!("the server ended: {status}"));
            }
            _ = look.tick() => if home.cluster_has_ended() {
                let _ = stop_server(server).await;
                return Err("the private cluster ended; see its postgresql.log".to_owned());
            }
        }
    }
    // The server first: it still has events to write.
    let status = stop_server(server)
        .await
        .map_err(|error| error.to_string())?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("the server ended: {status}"))
    }
}

async fn serve_on(endpoint: Endpoint, config: Config) -> Result<(), String> {
    let stop = stop_signal().map_err(|error| error.to_string())?;
    let (listen, metrics) = (config.listen, config.metrics);
    // Before anything is begun: the gateway is found only once it can answer.
    let metrics = match metrics {
        Some(address) => Some(bind("metrics.listen", address).await?),
        None => None,
    };
    let platform = Platform::start(config, endpoint, Arc::new(SystemClock))
        .await
        .map_err(|error| error.to_string())?;
    let gateway = bind("listen", listen).await?;
    let address = gateway.local_addr().map_err(|error| error.to_string())?;
    eprintln!("serving on http://{address}");
    if let Some(metrics) = &metrics {
        let address = metrics.local_addr().map_err(|error| error.to_string())?;
        eprintln!("metrics on http://{address}/metrics");
    }
    serve(platform, Listeners { gateway, metrics }, stop).await;
    Ok(())
}

async fn bind(key: &str, address: SocketAddr) -> Result<TcpListener, String> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| format!("{key}: {address}: {error}"))
}
