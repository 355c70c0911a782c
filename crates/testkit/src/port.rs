use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
};

use crate::{Error, random};

/// The kernel's range of ports for outgoing connections.
const OUTGOING: &str = "/proc/sys/net/ipv4/ip_local_port_range";
const FIRST: u16 = 10_000;
const ATTEMPTS: u32 = 1_000;

/// Returns a free port of 127.0.0.1 outside the range of outgoing connections, so that a server that went down
/// finds it free when it comes back.
pub(crate) fn free_port() -> Result<u16, Error> {
    let end = first_outgoing().filter(|&end| end > FIRST).unwrap_or(32_768);
    for _ in 0..ATTEMPTS {
        let random = u32::from_str_radix(&random::hex::<4>()?, 16).unwrap_or_default();
        let port = FIRST + u16::try_from(random % u32::from(end - FIRST)).unwrap_or_default();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(Error::new("no free port on 127.0.0.1"))
}

fn first_outgoing() -> Option<u16> {
    fs::read_to_string(OUTGOING).ok()?.split_whitespace().next()?.parse().ok()
}
