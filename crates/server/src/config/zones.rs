//! Zones: how many copies of the database a write waits for, and where they are.

use std::fmt;
use std::str::FromStr;

/// How many zones hold an event before it is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ZoneMode {
    /// The database's own disk alone.
    #[default]
    One,
    /// All three: the database and both of its standbys. While one is missing nothing is appended.
    Any2,
    /// The database and either of its standbys: with one missing, appends go on.
    Any1,
}

/// A zone's name: the `application_name` of its standby. A lower-case letter, then up to 31 lower-case
/// letters, digits and underscores, so that it needs no quotes anywhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZoneName(String);

/// A standby, and the zone that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standby {
    /// Its name.
    pub name: ZoneName,
    /// Where to read it directly, as of `database.url`.
    pub url: String,
}

/// The zones' configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zones {
    /// How many hold an event.
    pub mode: ZoneMode,
    /// Both standbys; none with [`ZoneMode::One`].
    pub standbys: Vec<Standby>,
}

impl ZoneMode {
    /// How many standbys must have an event on their disk, of two.
    #[must_use]
    pub const fn standbys(self) -> usize {
        match self {
            Self::One => 0,
            Self::Any1 => 1,
            Self::Any2 => 2,
        }
    }

    /// What `synchronous_standby_names` must say.
    #[must_use]
    pub fn standby_names(self, names: &[&str]) -> String {
        match self {
            Self::One => String::new(),
            Self::Any1 | Self::Any2 => format!("ANY {} ({})", self.standbys(), names.join(", ")),
        }
    }
}

impl fmt::Display for ZoneMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::One => "one",
            Self::Any2 => "any_2",
            Self::Any1 => "any_1",
        })
    }
}

impl FromStr for ZoneMode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "one" => Ok(Self::One),
            "any_2" => Ok(Self::Any2),
            "any_1" => Ok(Self::Any1),
            _ => Err("expected one, any_2 or any_1"),
        }
    }
}

impl ZoneName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ZoneName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let is_name = (1..=32).contains(&text.len())
            && text.bytes().all(plain)
            && text.starts_with(|first: char| first.is_ascii_lowercase());
        // Both begin a list in synchronous_standby_names.
        if !is_name || matches!(text, "any" | "first") {
            return Err("expected a name of at most 32 of a-z, 0-9 and _, a letter first");
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for Standby {
    type Err = String;

    /// Reads `NAME=URL`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, url) = text.split_once('=').ok_or("expected NAME=URL")?;
        let name = name.trim().parse()?;
        let url = url.trim().to_owned();
        crate::postgres::Endpoint::parse(&url, None)
            .map_err(|_| "expected a URL as of database.url after the name".to_owned())?;
        Ok(Self { name, url })
    }
}

impl Zones {
    /// What belongs together: each mode has its standbys.
    pub(super) fn new(mode: ZoneMode, standbys: Vec<Standby>) -> Result<Self, &'static str> {
        match (mode, standbys.as_slice()) {
            (ZoneMode::One, []) => {}
            (ZoneMode::One, _) => return Err("must not be set with zones.mode one"),
            (_, [one, other]) if one.name != other.name && one.url != other.url => {}
            _ => return Err("expected two standbys, each with a name and a URL of its own"),
        }
        Ok(Self { mode, standbys })
    }

    /// What `synchronous_standby_names` must say.
    #[must_use]
    pub fn standby_names(&self) -> String {
        let names: Vec<&str> = self.standbys.iter().map(|it| it.name.as_str()).collect();
        self.mode.standby_names(&names)
    }
}
