//! The guard judged by tables: what must pass, what must not, in every spelling.

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::outbound::testing::Names;

fn strict() -> Guard {
    Guard::new(Vec::new())
}

/// Every spelling of an IPv4 address that URLs or `getaddrinfo` take, and the IPv6 addresses that carry it.
pub(in crate::outbound) fn spellings(address: Ipv4Addr) -> Vec<String> {
    let [a, b, c, d] = address.octets();
    let (all, low24, low16) = (address.to_bits(), address.to_bits() & 0xff_ffff, address.to_bits() & 0xffff);
    let (high, low) = (all >> 16, all & 0xffff);
    vec![
        format!("{a}.{b}.{c}.{d}"),
        format!("{a}.{b}.{c}.{d}."),
        format!("{all}"),
        format!("{all:#x}"),
        format!("{all:#X}"),
        format!("0{all:o}"),
        format!("{a}.{low24}"),
        format!("{a:#x}.{low24:#x}"),
        format!("{a}.{b}.{low16}"),
        format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("0{a:o}.{b:#x}.{c}.{d}"),
        format!("00000{a:o}.{b}.{c}.{d}"),
        format!("[::ffff:{a}.{b}.{c}.{d}]"),
        format!("[::ffff:{high:x}:{low:x}]"),
        format!("[0:0:0:0:0:FFFF:{high:X}:{low:X}]"),
        format!("[::{a}.{b}.{c}.{d}]"),
        format!("[::ffff:0:{high:x}:{low:x}]"),
        format!("[64:ff9b::{a}.{b}.{c}.{d}]"),
        format!("[64:ff9b:1::{high:x}:{low:x}]"),
        format!("[2002:{high:x}:{low:x}::1]"),
    ]
}

/// One address of every special range.
pub(in crate::outbound) const SPECIAL_V4: &[&str] = &[
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.170",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
];

pub(in crate::outbound) const SPECIAL_V6: &[&str] = &[
    "::",
    "::1",
    "::2",
    "100::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "feff::1",
    "ff02::1",
    "2001::1",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:1ff::1",
    "2001:db8::1",
    "3fff::1",
    "3fff:fff::1",
    "4000::1",
    "5f00::1",
    "1fff::1",
    "e000::1",
    "64:ff9b:1:ffff::1",
    "64:ff9b:2::1",
];

const PUBLIC: &[&str] = &[
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.0.3.0",
    "192.88.98.255",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "198.51.99.255",
    "203.0.114.0",
    "223.255.255.255",
    "2000::1",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2001:db7::1",
    "2606:4700::1111",
    "2a00::1",
    "3ffe::1",
    "64:ff9b::8.8.8.8",
    "2002:808:808::1",
];

#[test]
fn special_addresses_are_refused() {
    for address in SPECIAL_V4.iter().chain(SPECIAL_V6) {
        let address: IpAddr = address.parse().unwrap();
        assert_eq!(strict().vet(address).unwrap_err().address, address);
    }
}

#[test]
fn public_addresses_pass_up_to_the_borders() {
    for address in PUBLIC {
        assert_eq!(strict().vet(address.parse().unwrap()), Ok(()), "{address}");
    }
}

#[tokio::test]
async fn every_spelling_of_a_special_address_is_refused() {
    // A resolver that must not be asked: all of these are literals.
    let names = Names::answering(&[&["8.8.8.8"]]);
    let guard = Guard::with_lookup(Vec::new(), names.clone());
    let mut forms = 0;
    for address in SPECIAL_V4 {
        for form in spellings(address.parse().unwrap()) {
            let error = guard.resolve(&form, 25).await.unwrap_err();
            assert!(matches!(error, ResolveError::Refused(_)), "{form}: {error}");
            forms += 1;
        }
    }
    assert!(forms >= 200, "{forms}");
    assert_eq!(names.left(), 1);
}

#[tokio::test]
async fn literals_that_are_wrong_are_not_looked_up() {
    let names = Names::answering(&[&["8.8.8.8"]]);
    let guard = Guard::with_lookup(Vec::new(), names.clone());
    let long = "a".repeat(300);
    for host in [
        "",
        " ",
        "256.1.1.1",
        "1.2.3.4.5",
        "0x100000000",
        "[::1",
        "a b",
        "a\r\nb",
        "a/b",
        "a@b",
        "a:25",
        "a\0b",
        &long,
    ] {
        assert!(guard.resolve(host, 25).await.is_err(), "{host:?}");
    }
    assert_eq!(names.left(), 1);
}

#[tokio::test]
async fn one_private_answer_refuses_the_whole_name() {
    let names = Names::answering(&[&["8.8.8.8", "10.0.0.1"], &["8.8.8.8", "::1"], &[], &["8.8.8.8"]]);
    let guard = Guard::with_lookup(Vec::new(), names);
    assert!(matches!(guard.resolve("a.test", 25).await, Err(ResolveError::Refused(_))));
    assert!(matches!(guard.resolve("a.test", 25).await, Err(ResolveError::Refused(_))));
    assert!(matches!(guard.resolve("a.test", 25).await, Err(ResolveError::Lookup(_))));
    assert_eq!(guard.resolve("a.test", 25).await.unwrap(), ["8.8.8.8:25".parse().unwrap()]);
    assert!(matches!(guard.resolve("a.test", 25).await, Err(ResolveError::Lookup(_))));
}

#[tokio::test]
async fn localhost_needs_an_allowed_network() {
    assert!(matches!(strict().resolve("localhost", 25).await, Err(ResolveError::Refused(_))));
    let allowing = Guard::new(vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]);
    assert!(allowing.resolve("localhost", 25).await.is_ok());
}

#[test]
fn an_allowed_network_is_let_through_in_its_mapped_forms_too() {
    let guard = Guard::new(vec!["10.1.0.0/16".parse().unwrap(), "fd00:1::/32".parse().unwrap()]);
    for allowed in ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "2002:a01:203::1", "fd00:1::5"] {
        assert_eq!(guard.vet(allowed.parse().unwrap()), Ok(()), "{allowed}");
    }
    for refused in
        ["10.2.2.3", "::ffff:10.2.2.3", "64:ff9b::10.2.2.3", "2002:a02:203::1", "fd00:2::5", "::ffff:8.8.8.8"]
    {
        assert!(guard.vet(refused.parse().unwrap()).is_err(), "{refused}");
    }
}

proptest! {
    #[test]
    fn an_address_inside_another_is_never_judged_more_kindly(bits in any::<u32>()) {
        let plain = Ipv4Addr::from_bits(bits);
        let refused = strict().vet(plain.into()).is_err();
        prop_assert!(strict().vet(plain.to_ipv6_mapped().into()).is_err());
        prop_assert!(strict().vet(plain.to_ipv6_compatible().into()).is_err());
        let nat64 = Ipv6Addr::from_bits(0x64_ff9b << 96 | u128::from(bits));
        prop_assert_eq!(strict().vet(nat64.into()).is_err(), refused);
        let six_to_four = Ipv6Addr::from_bits(0x2002 << 112 | u128::from(bits) << 80 | 1);
        prop_assert_eq!(strict().vet(six_to_four.into()).is_err(), refused);
    }

    #[test]
    fn what_the_standard_library_knows_as_special_is_refused(bits in any::<u32>(), high in any::<u128>()) {
        let v4 = Ipv4Addr::from_bits(bits);
        let special = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast()
            || v4.is_broadcast() || v4.is_documentation() || v4.is_unspecified();
        prop_assert!(!special || strict().vet(v4.into()).is_err());
        let v6 = Ipv6Addr::from_bits(high);
        let special = v6.is_loopback() || v6.is_multicast() || v6.is_unique_local() || v6.is_unicast_link_local();
        prop_assert!(!special || strict().vet(v6.into()).is_err());
    }

    #[test]
    fn no_host_breaks_the_parser(host in "\\PC{0,40}") {
        let _ = parse_host(&host);
    }
}
