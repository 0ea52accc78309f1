//! The networks from which a key may be used.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// The most networks in one list.
const MAX_NETWORKS: usize = 64;

/// A range of addresses, written `10.0.0.0/8` or `2001:db8::/32`.
///
/// An IPv4 address and its IPv4-mapped IPv6 form are one address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    /// Without host bits; never IPv4-mapped.
    address: IpAddr,
    length: u8,
}

/// From where a key may be used.
///
/// There is no empty list: a mistake must not read as "anywhere".
///
/// ```
/// use strongroom_apikey::Networks;
///
/// let office: Networks = "192.0.2.0/24 2001:db8::/32".parse()?;
/// assert!(office.hold("::ffff:192.0.2.7".parse()?));
/// assert!(!office.hold("198.51.100.1".parse()?));
/// assert!(office.are_within(&Networks::Anywhere));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Networks {
    /// From every address.
    #[default]
    Anywhere,
    /// From these alone.
    Only(NetworkList),
}

/// A list of 1 to 64 networks.
#[derive(Clone, PartialEq, Eq)]
pub struct NetworkList(Vec<Network>);

/// Why a text is not a network, or not a list of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// The address is neither IPv4 nor IPv6.
    #[error("network: malformed address")]
    Address,
    /// The length is not a number, or longer than the address.
    #[error("network: malformed length")]
    PrefixLength,
    /// Bits are set behind the length.
    #[error("network: the address has bits behind its length")]
    HostBits,
    /// The list has none, or more than 64.
    #[error("networks: expected 1 to 64")]
    Count,
}

impl Network {
    /// Whether an address is in the network.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => is_prefix(
                own.to_bits().into(),
                other.to_bits().into(),
                32,
                self.length,
            ),
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                is_prefix(own.to_bits(), other.to_bits(), 128, self.length)
            }
            _ => false,
        }
    }

    /// Whether every address of this network is in the other.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        other.length <= self.length && other.holds(self.address)
    }
}

impl Networks {
    /// Whether an address is in one of the networks.
    #[must_use]
    pub fn hold(&self, address: IpAddr) -> bool {
        match self {
            Self::Anywhere => true,
            Self::Only(list) => list.iter().any(|network| network.holds(address)),
        }
    }

    /// Whether every network here is within one of the others.
    ///
    /// Two halves are not taken for a whole: what is refused for that can be written in another way.
    #[must_use]
    pub fn are_within(&self, others: &Self) -> bool {
        match (self, others) {
            (_, Self::Anywhere) => true,
            (Self::Anywhere, Self::Only(_)) => false,
            (Self::Only(own), Self::Only(others)) => own
                .iter()
                .all(|network| others.iter().any(|other| network.is_within(other))),
        }
    }
}

impl NetworkList {
    /// Takes a list.
    ///
    /// # Errors
    /// [`NetworkError::Count`].
    pub fn new(networks: Vec<Network>) -> Result<Self, NetworkError> {
        if !(1..=MAX_NETWORKS).contains(&networks.len()) {
            return Err(NetworkError::Count);
        }
        Ok(Self(networks))
    }

    /// The networks.
    pub fn iter(&self) -> impl Iterator<Item = &Network> {
        self.0.iter()
    }
}

/// Whether two numbers of `width` bits begin with the same `length` bits.
fn is_prefix(own: u128, other: u128, width: u32, length: u8) -> bool {
    let behind = width.saturating_sub(length.into());
    // A shift by all 128 bits is none.
    (own ^ other).checked_shr(behind).unwrap_or(0) == 0
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, length) = text.split_once('/').ok_or(NetworkError::PrefixLength)?;
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Address)?;
        let is_number = length.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number || (length.starts_with('0') && length != "0") {
            return Err(NetworkError::PrefixLength);
        }
        let length: u8 = length.parse().map_err(|_| NetworkError::PrefixLength)?;
        let (address, length) = match address {
            IpAddr::V6(six) if six.to_ipv4_mapped().is_some() => {
                let four = six.to_ipv4_mapped().unwrap_or(Ipv4Addr::UNSPECIFIED);
                // A shorter one would hold addresses of both kinds.
                let length = length.checked_sub(96).ok_or(NetworkError::HostBits)?;
                (IpAddr::V4(four), length)
            }
            other => (other, length),
        };
        let (bits, width) = match address {
            IpAddr::V4(four) => (u128::from(four.to_bits()), 32),
            IpAddr::V6(six) => (six.to_bits(), 128),
        };
        if u32::from(length) > width {
            return Err(NetworkError::PrefixLength);
        }
        let host_bits = bits
            & !u128::MAX
                .checked_shl(width - u32::from(length))
                .unwrap_or(0);
        if host_bits != 0 {
            return Err(NetworkError::HostBits);
        }
        Ok(Self { address, length })
    }
}

impl FromStr for NetworkList {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // One more than allowed is enough to refuse the rest unread.
        let networks = text.split(' ').take(MAX_NETWORKS + 1).map(str::parse);
        if text.is_empty() {
            return Err(NetworkError::Count);
        }
        Self::new(networks.collect::<Result<_, _>>()?)
    }
}

impl FromStr for Networks {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self::Only)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Network({self})")
    }
}

impl fmt::Display for NetworkList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, network) in self.iter().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{network}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for NetworkList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NetworkList({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn network_rejections() {
        use NetworkError::{Address, Count, HostBits, PrefixLength};
        for (name, text, error) in [
            ("empty", "", PrefixLength),
            ("no length", "10.0.0.0", PrefixLength),
            ("empty length", "10.0.0.0/", PrefixLength),
            ("sign", "10.0.0.0/+8", PrefixLength),
            ("leading zero", "10.0.0.0/08", PrefixLength),
            ("two zeros", "0.0.0.0/00", PrefixLength),
            ("too long for IPv4", "10.0.0.0/33", PrefixLength),
            ("too long for IPv6", "::/129", PrefixLength),
            ("beyond a byte", "10.0.0.0/264", PrefixLength),
            ("a mask", "10.0.0.0/255.0.0.0", PrefixLength),
            ("two lengths", "10.0.0.0/8/8", PrefixLength),
            ("no address", "/8", Address),
            ("three parts", "10.0.0/8", Address),
            ("octal", "010.0.0.0/8", Address),
            ("zone", "fe80::1%eth0/64", Address),
            ("space", " 10.0.0.0/8", Address),
            ("host bits", "10.0.0.1/8", HostBits),
            ("host bits of everything", "0.0.0.1/0", HostBits),
            ("host bits of IPv6", "2001:db8::1/32", HostBits),
            ("mapped, of both kinds", "::ffff:0.0.0.0/95", HostBits),
            ("mapped, host bits", "::ffff:10.0.0.1/104", HostBits),
        ] {
            assert_eq!(text.parse::<Network>(), Err(error), "{name}");
        }
        assert_eq!("".parse::<Networks>(), Err(Count));
        assert_eq!(
            "10.0.0.0/8  11.0.0.0/8".parse::<Networks>(),
            Err(PrefixLength)
        );
        assert_eq!(
            vec!["10.0.0.0/8"; 65].join(" ").parse::<Networks>(),
            Err(Count)
        );
        assert!(vec!["10.0.0.0/8"; 64].join(" ").parse::<Networks>().is_ok());
        assert_eq!(NetworkList::new(Vec::new()), Err(Count));
    }

    #[test]
    fn edges() {
        for (text, inside, outside) in [
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("10.0.0.0/8", "10.0.0.0", "9.255.255.255"),
            ("192.0.2.7/32", "192.0.2.7", "192.0.2.6"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::/0", "2001:db8::1", "127.0.0.1"),
            (
                "2001:db8::/32",
                "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
                "2001:db9::",
            ),
            ("::1/128", "::1", "::2"),
        ] {
            assert!(
                network(text).holds(inside.parse().unwrap()),
                "{text} {inside}"
            );
            assert!(
                !network(text).holds(outside.parse().unwrap()),
                "{text} {outside}"
            );
        }
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_address() {
        assert!(network("10.0.0.0/8").holds("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!network("::/0").holds("::ffff:10.1.2.3".parse().unwrap()));
        assert_eq!(network("::ffff:10.0.0.0/104"), network("10.0.0.0/8"));
        assert_eq!(network("::ffff:0:0/96").to_string(), "0.0.0.0/0");
    }

    fn any_network() -> impl Strategy<Value = Network> {
        let four = (any::<u32>(), 0_u8..=32).prop_map(|(bits, length)| {
            let bits = bits & u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            (IpAddr::V4(bits.into()), length)
        });
        // Few distinct ones, so that one often lies within another.
        let near = (0_u32..16, 0_u8..=4).prop_map(|(bits, length)| {
            let bits = (bits << 28) & u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            (IpAddr::V4(bits.into()), length)
        });
        let six = (any::<u128>(), 0_u8..=128).prop_map(|(bits, length)| {
            let bits = bits & u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            (IpAddr::V6(bits.into()), length)
        });
        prop_oneof![four, near, six]
            .prop_filter("mapped", |(address, _)| address.to_canonical() == *address)
            .prop_map(|(address, length)| Network { address, length })
    }

    proptest! {
        #[test]
        fn networks_round_trip(network in any_network()) {
            prop_assert_eq!(network.to_string().parse(), Ok(network));
        }

        #[test]
        fn what_is_within_holds_no_more(
            inner in prop::collection::vec(any_network(), 1..4),
            outer in prop::collection::vec(any_network(), 1..4),
            bits: u32,
        ) {
            let inner = Networks::Only(NetworkList(inner));
            let outer = Networks::Only(NetworkList(outer));
            let address = IpAddr::V4(bits.into());
            if inner.are_within(&outer) && inner.hold(address) {
                prop_assert!(outer.hold(address));
            }
            prop_assert!(inner.are_within(&inner) && !Networks::Anywhere.are_within(&outer));
        }

        #[test]
        fn parsing_never_panics(text in "[0-9a-f:./ ]{0,40}|.{0,20}") {
            let _ = text.parse::<Networks>();
        }
    }
}
