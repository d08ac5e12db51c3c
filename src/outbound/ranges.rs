//! The special-purpose address ranges, as pure tables.
//!
//! Sources: the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890) and the RFCs beside each line.

use std::net::{Ipv4Addr, Ipv6Addr};

/// What is special about an IPv6 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Special {
    /// Not a public unicast address; the name of its range.
    Refused(&'static str),
    /// Traffic ends at this IPv4 address (NAT64, 6to4), so that one decides.
    Carries(Ipv4Addr),
    /// Another spelling of an IPv4 address that no public name has; only good inside an allowed network.
    Mapped(Ipv4Addr),
}

/// Network, prefix length, name.
const V4: &[(Ipv4Addr, u32, &str)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8, "this network"), // RFC 791
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private use"), // RFC 1918
    (Ipv4Addr::new(100, 64, 0, 0), 10, "shared by carriers"), // RFC 6598
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback"),   // RFC 1122
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local"), // RFC 3927; cloud metadata
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private use"), // RFC 1918
    (Ipv4Addr::new(192, 0, 0, 0), 24, "IETF protocols"), // RFC 6890
    (Ipv4Addr::new(192, 0, 2, 0), 24, "documentation"), // RFC 5737
    (Ipv4Addr::new(192, 88, 99, 0), 24, "6to4 relay"), // RFC 7526
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private use"), // RFC 1918
    (Ipv4Addr::new(198, 18, 0, 0), 15, "benchmarking"), // RFC 2544
    (Ipv4Addr::new(198, 51, 100, 0), 24, "documentation"), // RFC 5737
    (Ipv4Addr::new(203, 0, 113, 0), 24, "documentation"), // RFC 5737
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),  // RFC 1112
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved"),   // RFC 1112; holds 255.255.255.255
];

/// Network, prefix length, name. What is outside 2000::/3 needs no line: only that is global unicast (RFC 4291 §2.4).
const V6: &[(Ipv6Addr, u32, &str)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, "Teredo"), // RFC 4380
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "IETF protocols"), // RFC 2928; benchmarking, ORCHID v1 and v2
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "documentation"), // RFC 3849
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, "documentation"),  // RFC 9637
    (Ipv6Addr::UNSPECIFIED, 128, "unspecified"),
    (Ipv6Addr::LOCALHOST, 128, "loopback"),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, "local NAT64"), // RFC 8215; its prefix length is not known
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64, "discard only"),    // RFC 6666
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, "unique local"),    // RFC 4193
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, "link-local"),     // RFC 4291
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, "site-local"),     // RFC 3879
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, "multicast"),       // RFC 4291
];

/// The name of the special range it lies in.
pub(super) fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    let bits = address.to_bits();
    V4.iter().find(|(net, length, _)| same_prefix(bits, net.to_bits(), *length)).map(|range| range.2)
}

/// What is special about it, if anything.
pub(super) fn special_v6(address: Ipv6Addr) -> Option<Special> {
    let bits = address.to_bits();
    for (net, length, name) in V6 {
        if (bits ^ net.to_bits()).checked_shr(128 - length).unwrap_or(0) == 0 {
            return Some(Special::Refused(name));
        }
    }
    match address.segments() {
        // IPv4-mapped (RFC 4291 §2.5.5.2), IPv4-translated (RFC 2765) and IPv4-compatible (deprecated).
        [0, 0, 0, 0, 0 | 0xffff, 0 | 0xffff, high, low] => Some(Special::Mapped(v4(high, low))),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(Special::Carries(v4(high, low))), // RFC 6052
        [0x2002, high, low, ..] => Some(Special::Carries(v4(high, low))),               // RFC 3056
        [first, ..] if first & 0xe000 == 0x2000 => None,
        _ => Some(Special::Refused("not global unicast")),
    }
}

fn same_prefix(a: u32, b: u32, length: u32) -> bool {
    (a ^ b).checked_shr(32 - length).unwrap_or(0) == 0
}

fn v4(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}
