//! Findings about a server that could not be reached.

use std::io::ErrorKind;
use std::time::Duration;

use tallybook_postgres::config::PostgresTarget;
use tallybook_postgres::{is_silent, network_failure, refusal};
use tallybook_sql::error::Error;

use super::server::NAME;
use crate::finding::Finding;
use crate::node::{CONNECT_LIMIT, NodeConfig, host_and_port, libpq};
use crate::units::{literal, seconds, shell};

// SQLSTATE codes of a refused connection.
const INVALID_PASSWORD: &str = "28P01";
const INVALID_CATALOG_NAME: &str = "3D000";
const INVALID_AUTHORIZATION_SPECIFICATION: &str = "28000";
const TOO_MANY_CONNECTIONS: &str = "53300";
const CANNOT_CONNECT_NOW: &str = "57P03";
const INSUFFICIENT_PRIVILEGE: &str = "42501";

const WHY: &str = "nothing can be read or written there";

/// Explains a failed connection attempt. Its final severity depends on the other nodes.
pub(super) fn evaluate(config: &NodeConfig, target: &PostgresTarget, error: &Error) -> Finding {
    let message = error.without_detail();
    let message = message.split_once(": ").map_or(&*message, |(_, problem)| problem);
    let found = |what: String| Finding::critical(NAME, what, WHY);
    let variable = config.configured.variable();
    let psql = format!("psql {}", libpq(target));
    let ready = format!("pg_isready {}", host_and_port(target));
    if let Some(code) = refusal(error) {
        return refused(code, message, found, config, target);
    }
    if is_silent(error) {
        return silent_server(target);
    }
    match network_failure(error) {
        Some(ErrorKind::ConnectionRefused) => found("connection refused: no server listens there".to_owned())
            .run(ready)
            .run("systemctl status postgresql")
            .advise(format!(
                "if it runs elsewhere, correct host and port in {variable}; see its listen_addresses"
            )),
        Some(ErrorKind::NotFound) => {
            found("its socket is not there".to_owned()).run("systemctl status postgresql").advise(format!(
                "if it runs, correct the directory or the port in {variable}: see its unix_socket_directories"
            ))
        }
        Some(ErrorKind::TimedOut | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable) => {
            found(format!("no answer to connecting within {} s", CONNECT_LIMIT.as_secs()))
                .run(ready)
                .advise("check that the machine is up, and the firewalls in between")
        }
        Some(ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe) => {
            found("it hung up while connecting".to_owned()).run(ready).advise(
                "look at the end of the server's log: it is crashing, or something else listens there",
            )
        }
        _ if message.contains("lookup") || message.contains("resolve") => {
            found(format!("the name of its host is not known ({message})"))
                .run(format!("getent hosts {}", shell(&host_of(target))))
                .advise(format!("correct the host in {variable}, or the resolver of this machine"))
        }
        _ if message.contains("TLS") || message.contains("certificate") || message.contains("ssl") => {
            found(format!("no encrypted connection came about: {message}"))
                .run(format!("openssl s_client -starttls postgres -connect {}", shell(&config.name)))
                .advise(format!(
                    "correct sslmode, sslrootcert, sslcert or sslkey in {variable}; see docs/tls.md"
                ))
        }
        _ => found(message.to_owned()).run(ready).run(psql),
    }
}

/// Explains a refusal by the server.
fn refused(
    code: &str,
    message: &str,
    found: impl Fn(String) -> Finding,
    config: &NodeConfig,
    target: &PostgresTarget,
) -> Finding {
    let variable = config.configured.variable();
    let psql = format!("psql {}", libpq(target));
    let user = target.user.as_deref().unwrap_or_default();
    match code {
        INVALID_PASSWORD => {
            found(message.to_owned()).run(format!("{psql}    # asks for the password")).advise(format!(
                "correct the password in {variable}; or as a superuser set a new one: \\password {user}"
            ))
        }
        INVALID_CATALOG_NAME => {
            let database = target.database.as_deref().unwrap_or(user);
            found(message.to_owned())
                .run(format!("psql {} -l    # which databases there are", libpq_without_database(target)))
                .run(format!("createdb {}{}", host_and_port(target), name(database)))
                .advise(format!("or correct the name in {variable}"))
        }
        INVALID_AUTHORIZATION_SPECIFICATION => found(message.to_owned())
            .sql(
                "SELECT line_number, type, database, user_name, address, auth_method, error FROM \
                pg_hba_file_rules;",
            )
            .advise(
                "allow this user, database and address in pg_hba.conf, and reload: SELECT pg_reload_conf()",
            ),
        TOO_MANY_CONNECTIONS => found(message.to_owned())
            .sql(
                "SELECT usename, application_name, state, count(*) FROM pg_stat_activity GROUP BY 1, 2, 3 \
                ORDER BY 4 DESC;",
            )
            .advise(
                "end what is idle, make pools smaller (DB_POOL_SIZE, DB_MAX_OVERFLOW), or raise \
                max_connections",
            ),
        CANNOT_CONNECT_NOW => found(format!("{message}; it starts, recovers or shuts down"))
            .run(format!("pg_isready {}", host_and_port(target)))
            .advise("wait if it recovers: the end of the server's log says how far it is"),
        INSUFFICIENT_PRIVILEGE => found(message.to_owned()).sql(format!(
            "GRANT CONNECT ON DATABASE \"{}\" TO \"{user}\";",
            target.database.as_deref().unwrap_or(user)
        )),
        _ => found(format!("{message} [{code}]")).run(psql).sql(format!(
            "SELECT rolname, rolcanlogin, rolconnlimit, rolvaliduntil FROM pg_roles WHERE rolname = {};",
            literal(user)
        )),
    }
}

/// Returns the finding about a server that accepts the connection and stays silent, or a proxy that swallows
/// the traffic.
pub(super) fn silent_server(target: &PostgresTarget) -> Finding {
    Finding::critical(
        NAME,
        format!("it takes the connection and does not answer within {} s", CONNECT_LIMIT.as_secs()),
        "the server hangs or is stopped, its machine is overloaded, or its disk does not respond; callers \
         wait until their timeout",
    )
    .run(format!("pg_isready {} -t 3", host_and_port(target)))
    .advise(
        "look on its machine: top, dmesg, the state of its processes (T is stopped, D waits for the \
        disk), its log",
    )
}

/// Returns the finding about a server that completed the connection and then stayed silent.
pub(crate) fn silent_after_connect(within: Duration) -> Finding {
    Finding::critical(
        NAME,
        format!("it accepted the connection, and then sent nothing within {}", seconds(within.as_secs() as i64)),
        "the server hangs, its disk does not respond, or the network is down; callers wait until their timeout",
    )
    .run("tallybook doctor --within 60")
    .advise(
        "look on its machine: top, dmesg, the state of its processes (T is stopped, D waits for the \
        disk), its log",
    )
}

fn libpq_without_database(target: &PostgresTarget) -> String {
    let mut target = target.clone();
    target.database = Some("postgres".to_owned());
    libpq(&target)
}

fn name(database: &str) -> String {
    format!(" {}", shell(database))
}

fn host_of(target: &PostgresTarget) -> String {
    target
        .servers
        .first()
        .map(|server| server.to_string())
        .unwrap_or_default()
        .rsplit_once(':')
        .map_or_else(String::new, |(host, _)| host.to_owned())
}
