//! A file of what tokens stand for: sealed under a tenant's key, or in the clear.

use std::fs::{File, TryLockError};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use strongroom::envelope::{
    EncryptionContext, KeyRef, LocalKms, MAX_COMPACT, Recipient, open, seal,
};
use strongroom::pii::{Binding, Channel, Class, Restorer, Token, Vault, VaultError};
use strongroom::tenancy::TenantId;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// Sealed, in base64 and with its members, no value takes more.
const MAX_LINE: u64 = 4 * MAX_COMPACT as u64;

/// The key under which values are sealed in the vault.
#[derive(Args)]
pub(super) struct Seal {
    /// The directory of keyrings that has the tenant's key, under which the vault's values are
    /// sealed; without it they stand in the clear
    #[arg(long, value_name = "DIR", requires = "vault")]
    keyring: Option<PathBuf>,
    /// The key's name in the keyring
    #[arg(
        long,
        value_name = "NAME",
        default_value = "root",
        requires = "keyring"
    )]
    key: KeyRef,
}

/// A key that seals a tenant's values.
pub(super) struct SealingKey<'a> {
    kms: LocalKms,
    name: &'a KeyRef,
}

impl Seal {
    pub(super) fn open(&self, tenant: &TenantId) -> Result<Option<SealingKey<'_>>, Failure> {
        let Some(directory) = &self.keyring else {
            return Ok(None);
        };
        let failed = |error| Failure::unusable(format!("{}: {error}", directory.display()));
        let kms = LocalKms::open(directory).map_err(failed)?;
        kms.check(tenant).map_err(failed)?;
        let name = &self.key;
        Ok(Some(SealingKey { kms, name }))
    }
}

impl SealingKey<'_> {
    fn seal(&self, binding: &Binding, value: &[u8]) -> Result<String, String> {
        let to = [Recipient::new(&self.kms, self.name)];
        let context = context(binding)?;
        let sealed = pollster::block_on(seal(&to, &binding.tenant, &context, value));
        let sealed = sealed.map_err(|error| error.to_string())?;
        Ok(STANDARD.encode(sealed))
    }

    fn open(&self, binding: &Binding, sealed: &str) -> Result<SecretString, String> {
        let with = [Recipient::new(&self.kms, self.name)];
        let context = context(binding)?;
        let sealed = STANDARD.decode(sealed).map_err(|_| "no base64")?;
        let opened = pollster::block_on(open(&with, &binding.tenant, &context, &sealed));
        let opened = opened.map_err(|error| error.to_string())?;
        let value = str::from_utf8(&opened).map_err(|_| "not UTF-8")?;
        Ok(SecretString::from(value.to_owned()))
    }
}

/// What a value is bound to: moved to another line it does not open.
fn context(binding: &Binding) -> Result<EncryptionContext, String> {
    let pairs = [
        ("purpose", "pii-vault"),
        ("class", binding.class.id()),
        ("channel", binding.channel.as_str()),
        ("token", binding.token.as_str()),
    ];
    EncryptionContext::new(pairs).map_err(|error| error.to_string())
}

/// A vault that is written to: a JSON object a line, added behind what is there.
pub(super) struct FileVault<'k> {
    path: PathBuf,
    key: Option<SealingKey<'k>>,
    state: Mutex<State>,
}

struct State {
    file: File,
    /// Whether lines were added that may not be on the disk.
    is_unsettled: bool,
    /// After half a line there must not be another.
    failed: Option<String>,
}

impl<'k> FileVault<'k> {
    /// Opens a vault, or makes one that its owner alone can read.
    pub(super) fn open(path: &Path, key: Option<SealingKey<'k>>) -> Result<Self, Failure> {
        let mut options = File::options();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let failed = |reason: String| failure(path, &reason);
        let mut file = options.open(path).map_err(|e| failed(e.to_string()))?;
        check_private(path, &file)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => failed("another process is writing it".to_owned()),
            TryLockError::Error(error) => failed(error.to_string()),
        })?;
        if !ends_whole(&mut file).map_err(|e| failed(e.to_string()))? {
            let reason = "its last line is not whole: an error or a crash cut it, before any text \
                          with its token was printed; remove that line";
            return Err(failed(reason.to_owned()));
        }
        let state = State {
            file,
            is_unsettled: false,
            failed: None,
        };
        Ok(Self {
            path: path.to_owned(),
            key,
            state: Mutex::new(state),
        })
    }

    /// Brings to the disk what was kept: no text goes out whose tokens a crash could make void.
    pub(super) fn settle(&self) -> Result<(), String> {
        let mut state = self.state.lock().map_err(|_| VaultError.to_string())?;
        if state.is_unsettled {
            let synced = state.file.sync_all();
            synced.map_err(|error| format!("{}: {error}", self.path.display()))?;
            state.is_unsettled = false;
        }
        Ok(())
    }

    /// Why a value was not kept.
    pub(super) fn reason(&self) -> String {
        let state = self.state.lock().ok();
        let reason = state.and_then(|state| state.failed.clone());
        let reason = reason.unwrap_or_else(|| VaultError.to_string());
        format!("{}: {reason}", self.path.display())
    }

    fn line(&self, binding: &Binding, value: &SecretString) -> Result<Zeroizing<String>, String> {
        let value = value.expose_secret();
        let (name, kept) = match &self.key {
            Some(key) => ("sealed", key.seal(binding, value.as_bytes())?),
            None => ("value", value.to_owned()),
        };
        let kept = Zeroizing::new(kept);
        // Written by hand around the value, so that no copy of it stays in memory.
        let text = serde_json::to_string(&*kept).map_err(|_| "not written")?;
        let text = Zeroizing::new(text);
        let about = json!({
            "token": binding.token.as_str(),
            "class": binding.class.id(),
            "channel": binding.channel.as_str(),
            "tenant": binding.tenant.to_string(),
        });
        let about = about.to_string();
        let about = about.strip_suffix('}').unwrap_or_default();
        Ok(Zeroizing::new(format!("{about},\"{name}\":{}}}\n", *text)))
    }
}

impl Vault for FileVault<'_> {
    fn keep(&self, binding: &Binding, value: &SecretString) -> Result<(), VaultError> {
        let line = self.line(binding, value);
        let mut state = self.state.lock().map_err(|_| VaultError)?;
        if state.failed.is_some() {
            return Err(VaultError);
        }
        state.is_unsettled = true;
        let written = line.and_then(|line| {
            let written = state.file.write_all(line.as_bytes());
            written.map_err(|error| error.to_string())
        });
        written.map_err(|reason| {
            state.failed = Some(reason);
            VaultError
        })
    }

    /// Values are given back by [`restorer`] alone.
    fn open(&self, _: &Binding) -> Result<Option<SecretString>, VaultError> {
        Err(VaultError)
    }
}

/// Adds a tenant's tokens and values to a restorer.
pub(super) fn load(
    path: &Path,
    tenant: &TenantId,
    key: Option<&SealingKey<'_>>,
    restorer: &mut Restorer,
) -> Result<(), Failure> {
    let broken = |error: io::Error| failure(path, &error.to_string());
    let file = File::open(path).map_err(broken)?;
    check_private(path, &file)?;
    let mut lines = BufReader::new(file);
    let mut line = Zeroizing::new(Vec::new());
    for number in 1_usize.. {
        line.clear();
        let mut limited = lines.by_ref().take(MAX_LINE);
        if limited.read_until(b'\n', &mut line).map_err(broken)? == 0 {
            break;
        }
        let wrong = |reason: &str| failure(path, &format!("line {number}: {reason}"));
        let entry: Value =
            serde_json::from_slice(&line).map_err(|_| wrong("not a JSON object of a vault"))?;
        let member = |name: &str| entry.get(name).and_then(Value::as_str);
        let of = |name: &'static str| move || wrong(&format!("{name}: missing or wrong"));
        let parsed = |name| member(name).and_then(|text| text.parse().ok());
        let owner: TenantId = parsed("tenant").ok_or_else(of("tenant"))?;
        if owner != *tenant {
            continue;
        }
        let binding = Binding {
            tenant: owner,
            class: member("class")
                .and_then(|text| text.parse::<Class>().ok())
                .ok_or_else(of("class"))?,
            channel: member("channel")
                .and_then(|text| text.parse::<Channel>().ok())
                .ok_or_else(of("channel"))?,
            token: member("token")
                .and_then(|text| text.parse::<Token>().ok())
                .ok_or_else(of("token"))?,
        };
        let value = match (member("sealed"), key, member("value")) {
            (Some(sealed), Some(key), _) => {
                key.open(&binding, sealed).map_err(|error| wrong(&error))?
            }
            (Some(_), None, _) => return Err(wrong("sealed: give --keyring")),
            (None, _, Some(value)) => SecretString::from(value.to_owned()),
            (None, _, None) => return Err(wrong("value: missing or wrong")),
        };
        restorer.insert(binding.class, &binding.token, value);
    }
    Ok(())
}

/// Values in the clear are nobody else's to read; who could add a line could have it restored.
fn check_private(path: &Path, file: &File) -> Result<(), Failure> {
    let metadata = file.metadata();
    let metadata = metadata.map_err(|error| failure(path, &error.to_string()))?;
    if !metadata.is_file() {
        return Err(failure(path, "not a file"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if metadata.permissions().mode() & 0o077 != 0 {
            let reason = "others can read or write it, and it holds what tokens stand for: take \
                          their permissions away";
            return Err(failure(path, reason));
        }
    }
    Ok(())
}

/// Whether there is nothing behind the last line feed.
fn ends_whole(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn failure(path: &Path, reason: &str) -> Failure {
    Failure::unusable(format!("{}: {reason}", path.display()))
}
