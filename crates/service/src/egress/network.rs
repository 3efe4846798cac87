//! Which addresses are of the public internet.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A range of addresses, written `10.1.0.0/16` or `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    base: IpAddr,
    prefix_bits: u8,
}

impl Network {
    const fn v4(a: u8, b: u8, c: u8, d: u8, prefix_bits: u8) -> Self {
        Self { base: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix_bits }
    }

    const fn v6(first: [u16; 4], prefix_bits: u8) -> Self {
        let [a, b, c, d] = first;
        Self { base: IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)), prefix_bits }
    }

    /// Whether the address lies in it. An IPv4 address written as IPv6 is the IPv4 address.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let differing_bits = base.to_bits() ^ address.to_bits();
                differing_bits.leading_zeros() >= u32::from(self.prefix_bits)
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let differing_bits = base.to_bits() ^ address.to_bits();
                differing_bits.leading_zeros() >= u32::from(self.prefix_bits)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(base, bits)| {
            let base: IpAddr = base.parse().ok()?;
            let prefix_bits: u8 = bits.parse().ok()?;
            (prefix_bits <= if base.is_ipv4() { 32 } else { 128 })
                .then_some(Self { base, prefix_bits })
        });
        parts.ok_or_else(|| {
            format!("`{text}` is not a network; write it as `10.1.0.0/16` or `fd00::/8`")
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix_bits)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// IPv4 ranges that are not the public internet (IANA IPv4 Special-Purpose Address Registry, RFC 6890, and
/// multicast, RFC 5771).
const NOT_PUBLIC_V4: &[Network] = &[
    Network::v4(0, 0, 0, 0, 8), // this network; 0.0.0.0 reaches the machine itself
    Network::v4(10, 0, 0, 0, 8), // private
    Network::v4(100, 64, 0, 0, 10), // carrier-grade NAT; some clouds keep metadata here
    Network::v4(127, 0, 0, 0, 8), // loopback
    Network::v4(169, 254, 0, 0, 16), // link-local: cloud metadata
    Network::v4(172, 16, 0, 0, 12), // private
    Network::v4(192, 0, 0, 0, 24), // protocol assignments
    Network::v4(192, 0, 2, 0, 24), // documentation
    Network::v4(192, 31, 196, 0, 24), // AS112
    Network::v4(192, 52, 193, 0, 24), // AMT
    Network::v4(192, 88, 99, 0, 24), // 6to4 relays
    Network::v4(192, 168, 0, 0, 16), // private
    Network::v4(192, 175, 48, 0, 24), // AS112
    Network::v4(198, 18, 0, 0, 15), // benchmarks
    Network::v4(198, 51, 100, 0, 24), // documentation
    Network::v4(203, 0, 113, 0, 24), // documentation
    Network::v4(224, 0, 0, 0, 4), // multicast
    Network::v4(240, 0, 0, 0, 4), // reserved, broadcast
    Network::v4(168, 63, 129, 16, 32), // Azure's platform address: public by number only
];

/// The part of IPv6 that is handed out as public (RFC 4291, IANA): everything else is refused.
const PUBLIC_V6: Network = Network::v6([0x2000, 0, 0, 0], 3);

/// What lies inside [`PUBLIC_V6`] and is not public, or stands for an IPv4 address that we would have to
/// look into (IANA IPv6 Special-Purpose Address Registry).
const NOT_PUBLIC_V6: &[Network] = &[
    Network::v6([0x2001, 0, 0, 0], 23), // protocol assignments, Teredo among them
    Network::v6([0x2001, 0xdb8, 0, 0], 32), // documentation
    Network::v6([0x2002, 0, 0, 0], 16), // 6to4
    Network::v6([0x2620, 0x4f, 0x8000, 0], 48), // AS112
    Network::v6([0x3fff, 0, 0, 0], 20), // documentation
];

/// Whether an address is one of the public internet.
///
/// IPv4-mapped addresses are judged as IPv4; NAT64, 6to4 and Teredo, which carry an IPv4 address inside, are
/// never public.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        v4 @ IpAddr::V4(_) => !NOT_PUBLIC_V4.iter().any(|network| network.contains(v4)),
        v6 @ IpAddr::V6(_) => {
            PUBLIC_V6.contains(v6) && !NOT_PUBLIC_V6.iter().any(|network| network.contains(v6))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_internet_is_public() {
        for public in
            ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "::ffff:8.8.8.8", "2606:4700::1111"]
        {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for private in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
    }

    #[test]
    fn networks_read_back_and_contain() {
        let network: Network = "10.1.0.0/16".parse().unwrap();
        assert_eq!(network.to_string(), "10.1.0.0/16");
        assert!(network.contains("10.1.255.1".parse().unwrap()));
        assert!(network.contains("::ffff:10.1.0.1".parse().unwrap()));
        assert!(!network.contains("10.2.0.1".parse().unwrap()));
        assert!("0.0.0.0/0".parse::<Network>().unwrap().contains("9.9.9.9".parse().unwrap()));
        for bad in ["10.0.0.0", "10.0.0.0/33", "::/129", "x/8", ""] {
            assert!(bad.parse::<Network>().is_err(), "{bad:?}");
        }
    }
}
