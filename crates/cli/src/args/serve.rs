//! The command lines of `tallybook serve` and `tallybook token`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};

use super::redact;

pub(super) const SERVE_HELP: &str = "\
Without DATABASE_URL it makes the SQLite file ./tallybook.db and its tables, and offers to fill them. It never changes the
tables of a book that exists; `tallybook migrate upgrade` does. Its own tables are tallybook_tokens, and
tallybook_requests with a row for each write.

On a loopback address nobody needs a token, unless --tokens is given. Any other address needs TLS or --plain-http (behind a
proxy that has TLS), and a token in each request. SIGTERM and Ctrl-C end the service: running requests are finished.

  /                the dashboard: what the service asks of its database, live; needs the scope admin
  /v1/…            the API: docs/server.md
  /docs            the API as a page, to read and try
  /openapi.json    the API as OpenAPI 3.1
  /healthz         200 while the process serves
  /readyz          200 while a database of the right schema answers
  /metrics         for Prometheus; needs the scope admin

Examples:
  tallybook serve --demo                          the dashboard over live work, to look around
  tallybook serve
  tallybook serve --database postgresql://ada@db1/book
  curl -s localhost:8080/v1/portfolios?limit=5
  curl -s 'localhost:8080/v1/portfolios/1?include=positions,trades.executions'
  tallybook token create reports --scope read
  tallybook serve --listen 0.0.0.0:8443 --tls-certificate book.pem --tls-key book.key";

pub(super) const TOKEN_HELP: &str = "\
A token is shown once, when it is made; the database keeps a hash. Services refuse a revoked token within five seconds.

Examples:
  tallybook token create reports --scope read
  tallybook token create desk --scope write --rate 50
  tallybook token list
  tallybook token revoke reports";

#[derive(Debug, ClapArgs)]
pub(crate) struct Serve {
    /// Serve a temporary SQLite book on which generated work runs, to see the dashboard; never DATABASE_URL
    #[arg(long, conflicts_with_all = ["tokens", "plain_http", "tls_certificate", "tls_key"])]
    pub(crate) demo: bool,
    /// The address to listen on; port 0 takes a free one
    #[arg(long, env = "SERVE_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub(crate) listen: SocketAddr,
    /// The certificate for TLS, followed by those between it and its authority; PEM
    #[arg(long, env = "SERVE_TLS_CERTIFICATE", value_name = "FILE", requires = "tls_key", value_parser = redact::path())]
    pub(crate) tls_certificate: Option<PathBuf>,
    /// The private key for TLS; PEM
    #[arg(long, env = "SERVE_TLS_KEY", value_name = "FILE", requires = "tls_certificate", value_parser = redact::path())]
    pub(crate) tls_key: Option<PathBuf>,
    /// Serve without TLS on an address that others reach, because a proxy in front has TLS
    #[arg(long, conflicts_with = "tls_certificate")]
    pub(crate) plain_http: bool,
    /// Ask for a token on a loopback address too
    #[arg(long)]
    pub(crate) tokens: bool,
    /// A name by which clients may call the service, besides those of the loopback address; repeat it for several
    #[arg(long = "host", env = "SERVE_HOSTS", value_delimiter = ',', value_name = "NAME")]
    pub(crate) hosts: Vec<String>,
    /// An origin whose pages may call the service (CORS), such as https://desk.example; repeat it for several
    #[arg(long = "origin", env = "SERVE_ORIGINS", value_delimiter = ',', value_name = "ORIGIN")]
    pub(crate) origins: Vec<String>,
    /// Requests that run at a time; more are answered with 503. By default two for each connection of the pool
    #[arg(long, env = "SERVE_MAX_REQUESTS", value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) max_requests: Option<u32>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a token and print it, once
    #[command(after_help = "\
Examples:
  tallybook token create reports --scope read
  tallybook token create desk --scope write --rate 50
  tallybook token create ops --scope admin > token.txt")]
    Create(CreateToken),
    /// List tokens, revoked ones included; without their secrets
    #[command(after_help = "\
Examples:
  tallybook token list
  tallybook token list --json | jq '.[].name'")]
    List,
    /// Revoke a token
    #[command(after_help = "\
Examples:
  tallybook token revoke reports")]
    Revoke {
        /// Its name
        name: String,
    },
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CreateToken {
    /// A name, for lists and for the journal of writes
    pub(crate) name: String,
    /// The requests that it permits; each scope includes the ones before it
    #[arg(long, default_value = "read")]
    pub(crate) scope: ScopeName,
    /// Requests a second that are served; all by default
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) rate: Option<u32>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ScopeName {
    /// Reads
    Read,
    /// Reads, new rows and changes
    Write,
    /// Everything, deletions and metrics included
    Admin,
}
