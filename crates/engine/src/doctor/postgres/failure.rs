//! Why a server was not reached, and what to look at.

use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::time::Duration;

use tokio_postgres::error::SqlState;

use crate::doctor::finding::Finding;
use crate::doctor::node::{CONNECT_LIMIT, Seat, host_and_port, libpq};
use crate::doctor::units::{literal, seconds, shell};
use crate::error::Error;
use crate::settings::PostgresTarget;

use super::facts::NAME;

const WHY: &str = "nothing can be read or written there";

/// What is wrong with a connection that could not be made. How much it matters depends on the other nodes.
pub(super) fn judge(seat: &Seat, target: &PostgresTarget, error: &Error) -> Finding {
    let told = error.without_detail();
    let told = told.split_once(": ").map_or(&*told, |(_, problem)| problem);
    let found = |what: String| Finding::critical(NAME, what, WHY);
    let cause = error.source().and_then(|source| source.downcast_ref::<tokio_postgres::Error>());
    let variable = seat.configured.variable();
    let psql = format!("psql {}", libpq(target));
    let ready = format!("pg_isready {}", host_and_port(target));
    if let Some(code) = cause.and_then(tokio_postgres::Error::code) {
        return refused(code, told, found, seat, target);
    }
    let io = cause.and_then(|cause| cause.source()).and_then(|cause| cause.downcast_ref::<io::Error>());
    match io.map(io::Error::kind) {
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
                .advise("look whether the machine is up, and at the firewalls between here and there")
        }
        Some(ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe) => {
            found("it hung up while connecting".to_owned()).run(ready).advise(
                "look at the end of the server's log: it is crashing, or something else listens there",
            )
        }
        _ if told.contains("lookup") || told.contains("resolve") => {
            found(format!("the name of its host is not known ({told})"))
                .run(format!("getent hosts {}", shell(&host_of(target))))
                .advise(format!("correct the host in {variable}, or the resolver of this machine"))
        }
        _ if told.contains("TLS") || told.contains("certificate") || told.contains("ssl") => found(format!(
            "no encrypted connection came about: {told}"
        ))
        .run(format!("openssl s_client -starttls postgres -connect {}", shell(&seat.name)))
        .advise(format!(
            "correct sslmode, sslrootcert, sslcert or sslkey in {variable}; docs/tls.md says what they do"
        )),
        _ => found(told.to_owned()).run(ready).run(psql),
    }
}

/// What the server itself said.
fn refused(
    code: &SqlState,
    told: &str,
    found: impl Fn(String) -> Finding,
    seat: &Seat,
    target: &PostgresTarget,
) -> Finding {
    let variable = seat.configured.variable();
    let psql = format!("psql {}", libpq(target));
    let user = target.config.get_user().unwrap_or_default();
    match *code {
        SqlState::INVALID_PASSWORD => {
            found(told.to_owned()).run(format!("{psql}    # asks for the password")).advise(format!(
                "correct the password in {variable}; or as a superuser set a new one: \\password {user}"
            ))
        }
        SqlState::INVALID_CATALOG_NAME => {
            let database = target.config.get_dbname().unwrap_or(user);
            found(told.to_owned())
                .run(format!("psql {} -l    # which databases there are", libpq_without_database(target)))
                .run(format!("createdb {}{}", host_and_port(target), name(database)))
                .advise(format!("or correct the name in {variable}"))
        }
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION => found(told.to_owned())
            .sql(
                "SELECT line_number, type, database, user_name, address, auth_method, error FROM \
                pg_hba_file_rules;",
            )
            .advise(
                "allow this user, database and address in pg_hba.conf, and reload: SELECT pg_reload_conf()",
            ),
        SqlState::TOO_MANY_CONNECTIONS => found(told.to_owned())
            .sql(
                "SELECT usename, application_name, state, count(*) FROM pg_stat_activity GROUP BY 1, 2, 3 \
                ORDER BY 4 DESC;",
            )
            .advise(
                "end what is idle, make pools smaller (DB_POOL_SIZE, DB_MAX_OVERFLOW), or raise \
                max_connections",
            ),
        SqlState::CANNOT_CONNECT_NOW => found(format!("{told}; it starts, recovers or shuts down"))
            .run(format!("pg_isready {}", host_and_port(target)))
            .advise("wait if it recovers: the end of the server's log says how far it is"),
        SqlState::INSUFFICIENT_PRIVILEGE => found(told.to_owned()).sql(format!(
            "GRANT CONNECT ON DATABASE \"{}\" TO \"{user}\";",
            target.config.get_dbname().unwrap_or(user)
        )),
        _ => found(format!("{told} [{}]", code.code())).run(psql).sql(format!(
            "SELECT rolname, rolcanlogin, rolconnlimit, rolvaliduntil FROM pg_roles WHERE rolname = {};",
            literal(user)
        )),
    }
}

/// The server accepted the connection and said nothing; or something on the way swallows what is sent.
pub(super) fn silent(target: &PostgresTarget) -> Finding {
    Finding::critical(
        NAME,
        format!("it takes the connection and does not answer within {} s", CONNECT_LIMIT.as_secs()),
        "the server hangs or is stopped, its machine is overloaded, or its disk does not answer; who waits \
         for it waits",
    )
    .run(format!("pg_isready {} -t 3", host_and_port(target)))
    .advise(
        "look on its machine: top, dmesg, the state of its processes (T is stopped, D waits for the \
        disk), its log",
    )
}

/// It let us in and then said nothing.
pub(in crate::doctor) fn mute(within: Duration) -> Finding {
    Finding::critical(
        NAME,
        format!("it was connected to, and told nothing within {}", seconds(within.as_secs() as i64)),
        "the server hangs, its disk does not answer, or the network went away; who waits for it waits",
    )
    .run("tallybook doctor --within 60")
    .advise(
        "look on its machine: top, dmesg, the state of its processes (T is stopped, D waits for the \
        disk), its log",
    )
}

fn libpq_without_database(target: &PostgresTarget) -> String {
    let mut target = target.clone();
    target.config.dbname("postgres");
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
