//! Where a text is going, and what is done with what is found in it.

use std::fmt;
use std::str::FromStr;

/// Where a text comes from or goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Channel {
    /// What is sent to a model.
    Prompt,
    /// What a model answered.
    Output,
    /// Arguments, results and descriptions of tools.
    Tool,
    /// Log lines. No rule reaches it unless the rule names it.
    Log,
    /// Audit events. Always strict; no rule says otherwise.
    Audit,
    /// The bodies of webhooks.
    Webhook,
    /// Exports of a tenant's data.
    Export,
}

/// What is done with a finding, the laxest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// Nothing: neither replaced nor reported.
    Off,
    /// Reported, and left in the text.
    FlagOnly,
    /// Replaced by a token, and kept in the vault.
    Reversible,
    /// Replaced for good.
    Strict,
    /// The whole text is refused.
    Block,
}

/// The text names no channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("channel: expected prompt, output, tool, log, audit, webhook or export")]
pub struct ChannelError;

/// The text names no mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("mode: expected strict, reversible, flag, off or block")]
pub struct ModeError;

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 7] = [
        Self::Prompt,
        Self::Output,
        Self::Tool,
        Self::Log,
        Self::Audit,
        Self::Webhook,
        Self::Export,
    ];

    /// The channel's name, as it stands in a policy.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prompt => "prompt",
            Self::Output => "output",
            Self::Tool => "tool",
            Self::Log => "log",
            Self::Audit => "audit",
            Self::Webhook => "webhook",
            Self::Export => "export",
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Channel {
    type Err = ChannelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|known| known.as_str() == text).ok_or(ChannelError)
    }
}

impl Mode {
    /// Every mode, the laxest first.
    pub const ALL: [Self; 5] = [
        Self::Off,
        Self::FlagOnly,
        Self::Reversible,
        Self::Strict,
        Self::Block,
    ];

    /// The mode's name, as it stands in a policy.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::FlagOnly => "flag",
            Self::Reversible => "reversible",
            Self::Strict => "strict",
            Self::Block => "block",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = ModeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|known| known.as_str() == text).ok_or(ModeError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for channel in Channel::ALL {
            assert_eq!(channel.to_string().parse(), Ok(channel));
        }
        for mode in Mode::ALL {
            assert_eq!(mode.to_string().parse(), Ok(mode));
        }
        assert_eq!("Prompt".parse::<Channel>(), Err(ChannelError));
        assert_eq!("Strict".parse::<Mode>(), Err(ModeError));
    }

    #[test]
    fn modes_order_by_strictness() {
        assert!(Mode::ALL.is_sorted());
    }
}
