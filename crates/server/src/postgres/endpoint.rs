//! Where the database is, and how a role gets in.

use std::path::PathBuf;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::config::Host;

/// One database, reached over a local socket or loopback.
///
/// Anything further away would need TLS, which the platform does not speak to PostgreSQL yet; so
/// it is refused rather than sent in the clear.
#[derive(Clone, Debug)]
pub struct Endpoint {
    transport: Transport,
    database: String,
    /// Holds a file for each role, named after it, with its password; none for peer authentication.
    password_dir: Option<PathBuf>,
}

#[derive(Clone, Debug)]
enum Transport {
    Unix(PathBuf),
    Tcp(std::net::SocketAddr),
}

/// Why a database URL is refused, or a role cannot be reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// Not a PostgreSQL URL with one host and a database name.
    #[error("database.url: expected postgresql://HOST:PORT/NAME or postgresql:///NAME?host=/DIR")]
    Malformed,
    /// The URL names a user or a password; each role has its own, in `database.password_dir`.
    #[error("database.url: must name neither user nor password")]
    NamesUser,
    /// The host is neither a socket folder nor a loopback address.
    #[error("database.url: only a local socket or a loopback address is accepted without TLS")]
    NotLocal,
    /// A role's password file cannot be read.
    #[error("database.password_dir: the password of {role} cannot be read: {source}")]
    Password {
        /// Whose.
        role: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The database cannot be reached.
    #[error("the database cannot be reached: {0}")]
    Connect(#[from] std::io::Error),
}

/// A byte stream to a backend.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Endpoint {
    /// A database behind the socket in a folder, with peer authentication.
    #[must_use]
    pub fn unix(socket_dir: PathBuf, port: u16, database: &str) -> Self {
        Self {
            transport: Transport::Unix(socket_dir.join(format!(".s.PGSQL.{port}"))),
            database: database.to_owned(),
            password_dir: None,
        }
    }

    /// Reads a `DATABASE_URL`.
    ///
    /// # Errors
    /// [`EndpointError`] when it is malformed, names a user, or is not local.
    pub fn parse(url: &str, password_dir: Option<PathBuf>) -> Result<Self, EndpointError> {
        let config: tokio_postgres::Config = url.parse().map_err(|_| EndpointError::Malformed)?;
        if config.get_user().is_some() || config.get_password().is_some() {
            return Err(EndpointError::NamesUser);
        }
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let transport = match config.get_hosts() {
            [Host::Unix(dir)] => Transport::Unix(dir.join(format!(".s.PGSQL.{port}"))),
            [Host::Tcp(name)] => {
                let address = match name.as_str() {
                    "localhost" => std::net::Ipv4Addr::LOCALHOST.into(),
                    text => text
                        .parse::<std::net::IpAddr>()
                        .map_err(|_| EndpointError::NotLocal)?,
                };
                if !address.is_loopback() {
                    return Err(EndpointError::NotLocal);
                }
                Transport::Tcp((address, port).into())
            }
            _ => return Err(EndpointError::Malformed),
        };
        let database = config
            .get_dbname()
            .ok_or(EndpointError::Malformed)?
            .to_owned();
        Ok(Self {
            transport,
            database,
            password_dir,
        })
    }

    /// What a connection as this role needs to say of itself.
    pub(super) fn login(&self, role: &str) -> Result<tokio_postgres::Config, EndpointError> {
        let mut config = tokio_postgres::Config::new();
        config
            .user(role)
            .dbname(&self.database)
            .application_name("strongroom");
        if let Some(dir) = &self.password_dir {
            let password = std::fs::read_to_string(dir.join(role)).map_err(|source| {
                EndpointError::Password {
                    role: role.to_owned(),
                    source,
                }
            })?;
            config.password(password.trim_end());
        }
        Ok(config)
    }

    /// Opens a stream to the server.
    pub(super) async fn stream(&self) -> std::io::Result<Box<dyn Stream>> {
        Ok(match &self.transport {
            Transport::Unix(path) => Box::new(tokio::net::UnixStream::connect(path).await?),
            Transport::Tcp(address) => {
                let stream = tokio::net::TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejections() {
        let refused = |url: &str| Endpoint::parse(url, None).unwrap_err().to_string();
        assert!(refused("nonsense").contains("expected postgresql://"));
        assert!(refused("postgresql://127.0.0.1:5432").contains("expected postgresql://"));
        assert!(refused("postgresql://root@127.0.0.1/db").contains("neither user"));
        assert!(refused("postgresql://db.example.com/db").contains("without TLS"));
        assert!(refused("postgresql://10.0.0.5/db").contains("without TLS"));
    }

    #[test]
    fn local_places_are_taken() {
        assert!(Endpoint::parse("postgresql://127.0.0.1:5432/db", None).is_ok());
        assert!(Endpoint::parse("postgresql://localhost/db", None).is_ok());
        assert!(Endpoint::parse("postgresql:///db?host=/run/postgresql", None).is_ok());
    }
}
