//! Networks, as operators write them.

use std::net::IpAddr;
use std::str::FromStr;

/// A network in CIDR form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether an address lies in the network.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (network, address, width) = match (self.address, address.to_canonical()) {
            (IpAddr::V4(n), IpAddr::V4(a)) => {
                (u128::from(n.to_bits()), u128::from(a.to_bits()), 32_u32)
            }
            (IpAddr::V6(n), IpAddr::V6(a)) => (n.to_bits(), a.to_bits(), 128),
            _ => return false,
        };
        let shift = width.saturating_sub(u32::from(self.prefix));
        network.checked_shr(shift).unwrap_or(0) == address.checked_shr(shift).unwrap_or(0)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || format!("expected a network such as 10.0.0.0/8, not {text}");
        let (address, prefix) = text.split_once('/').ok_or_else(wanted)?;
        let address: IpAddr = address.parse().map_err(|_| wanted())?;
        let prefix: u8 = prefix.parse().map_err(|_| wanted())?;
        if prefix > if address.is_ipv4() { 32 } else { 128 } {
            return Err(wanted());
        }
        Ok(Self { address, prefix })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_network_holds_its_own_addresses(bits: u128, prefix in 0_u8..=128, host: u128) {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            let network: Network =
                format!("{}/{prefix}", std::net::Ipv6Addr::from_bits(bits)).parse().unwrap();
            let inside = std::net::Ipv6Addr::from_bits((bits & mask) | (host & !mask));
            // An IPv4 address in IPv6 clothes is compared as the IPv4 address that it is.
            prop_assume!(inside.to_ipv4_mapped().is_none());
            prop_assert!(network.contains(IpAddr::V6(inside)));
        }

        #[test]
        fn parsing_never_panics(text in ".{0,50}") {
            let _ = text.parse::<Network>();
        }
    }
}
