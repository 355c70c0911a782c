//! The servers of a URL.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use tallybook_sql::redact::Problem;

use super::decode;

/// Maximum number of hosts in a URL. The hosts and as many replicas have one bit each in a 64-bit word.
const MAX_HOSTS: usize = 32;
const DEFAULT_PORT: u16 = 5432;

/// A host name, or the directory of a Unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A name or an IP address.
    Tcp(String),
    /// A directory with a socket.
    Unix(PathBuf),
}

/// A server to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Host name, or directory of a Unix socket.
    pub host: Host,
    /// IP address, if the host name is not to be resolved.
    pub address: Option<IpAddr>,
    /// TCP port, or number of the Unix socket.
    pub port: u16,
}

impl Server {
    /// Returns the host, or the directory of the Unix socket, and the port.
    pub fn address(&self) -> (String, u16) {
        let host = match &self.host {
            Host::Tcp(host) => host.clone(),
            Host::Unix(path) => path.display().to_string(),
        };
        (host, self.port)
    }

    /// Returns whether traffic to the server stays on this machine.
    pub fn is_local(&self) -> bool {
        let is_loopback = |address: IpAddr| address.to_canonical().is_loopback();
        match (&self.host, self.address) {
            (Host::Unix(_), _) => true,
            (_, Some(address)) => is_loopback(address),
            (Host::Tcp(name), None) => name == "localhost" || name.parse().is_ok_and(is_loopback),
        }
    }
}

/// Writes host and port, for messages.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port;
        match &self.host {
            Host::Tcp(name) if name.contains(':') => write!(f, "[{name}]:{port}"),
            Host::Tcp(name) => write!(f, "{name}:{port}"),
            Host::Unix(path) => write!(f, "{}:{port}", path.display()),
        }
    }
}

/// The hosts, addresses and ports of a URL, before they are paired.
#[derive(Default)]
pub(super) struct Servers {
    hosts: Vec<(Host, Option<u16>)>,
    addresses: Vec<IpAddr>,
    ports: Vec<u16>,
}

impl Servers {
    /// Reads `host:port,host:port`, percent-encoded. An IPv6 address is in brackets.
    pub(super) fn read_hosts(&mut self, text: &str) -> Result<(), Problem> {
        for host in text.split(',').filter(|host| !host.is_empty()) {
            let (name, port) = match host.strip_prefix('[') {
                Some(rest) => {
                    let (name, after) = rest.split_once(']').ok_or("a bracket in it is not closed")?;
                    match after.strip_prefix(':') {
                        None if !after.is_empty() => return Err("a colon and a port follow a bracket".into()),
                        port => (name, port),
                    }
                }
                None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
            };
            let name = decode(name)?;
            if name.is_empty() {
                return Err("it names no host".into());
            }
            self.hosts.push((read_host(&name), port.map(|port| read_port(&decode(port)?)).transpose()?));
        }
        Ok(())
    }

    /// Reads the parameter `host`: names or directories with commas between.
    pub(super) fn read_host_list(&mut self, text: &str) {
        self.hosts.extend(text.split(',').map(|host| (read_host(host), None)));
    }

    /// Reads the parameter `hostaddr`.
    pub(super) fn read_addresses(&mut self, text: &str) -> Result<(), Problem> {
        for address in text.split(',') {
            self.addresses.push(address.parse().map_err(|_| "hostaddr is an IP address")?);
        }
        Ok(())
    }

    /// Reads the parameter `port`.
    pub(super) fn read_ports(&mut self, text: &str) -> Result<(), Problem> {
        for port in text.split(',') {
            self.ports.push(read_port(port)?);
        }
        Ok(())
    }

    /// Pairs names, addresses and ports.
    pub(super) fn finish(&self) -> Result<Vec<Server>, Problem> {
        let count = self.hosts.len().max(self.addresses.len());
        let fits = |length: usize| length == count || length == 0;
        if count == 0 {
            return Err("it names no host".into());
        }
        if count > MAX_HOSTS {
            return Err(format!("it names {count} hosts, and at most {MAX_HOSTS} are taken").into());
        }
        if !fits(self.hosts.len())
            || !fits(self.addresses.len())
            || !(fits(self.ports.len()) || self.ports.len() == 1)
        {
            return Err("it does not name as many ports or addresses as hosts".into());
        }
        Ok((0..count)
            .filter_map(|index| {
                let address = self.addresses.get(index).copied();
                let (host, port) = match self.hosts.get(index) {
                    Some((host, port)) => (host.clone(), *port),
                    None => (Host::Tcp(address?.to_string()), None),
                };
                let listed = self.ports.get(index).or(self.ports.first()).copied();
                Some(Server { host, address, port: port.or(listed).unwrap_or(DEFAULT_PORT) })
            })
            .collect())
    }
}

fn read_host(text: &str) -> Host {
    match text.starts_with('/') {
        true => Host::Unix(text.into()),
        false => Host::Tcp(text.to_owned()),
    }
}

fn read_port(text: &str) -> Result<u16, Problem> {
    let port = text.parse().ok().filter(|&port| port > 0);
    port.ok_or_else(|| "a port of it is not a number from 1 to 65535".into())
}
