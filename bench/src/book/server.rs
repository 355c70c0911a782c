//! A PostgreSQL server, for programs that are told of it by their environment.

use std::process::Command;

use anyhow::{Context, Result};
use tokio_postgres::Config;

/// Where it is, and who may use it.
pub(super) struct Server {
    port: String,
    user: String,
    password: String,
}

impl Server {
    /// The server of a URL.
    pub(super) fn of(url: &str) -> Result<Self> {
        let config: Config = url.parse()?;
        Ok(Self {
            port: config.get_ports().first().context("no port")?.to_string(),
            user: config.get_user().context("no user")?.to_owned(),
            password: String::from_utf8(config.get_password().context("no password")?.to_vec())?,
        })
    }

    /// A program that knows of it. The password is no argument, which everyone may read.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", &self.port)
            .env("PGUSER", &self.user)
            .env("PGPASSWORD", &self.password);
        command
    }
}
