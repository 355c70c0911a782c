//! Check `durability`: no setting puts committed data at risk.

use tallybook_sql::error::Result;

use super::server::Server;
use crate::finding::Finding;
use crate::node::Role;
use crate::probe::Probe;

pub(super) const NAME: &str = "durability";

pub(super) async fn check(_probe: &mut Probe<'_>, server: &Server) -> Result<Vec<Finding>> {
    let settings = &server.settings;
    let mut findings = Vec::new();
    if settings.is("fsync", "off") {
        let why = "after an operating system crash or power loss the whole database can be beyond repair";
        findings.push(set(Finding::critical(NAME, "fsync is off", why), "fsync", "on"));
    }
    if settings.is("full_page_writes", "off") {
        let why = "a page that is half written in a crash stays corrupt, unless the file system prevents torn \
            writes";
        findings.push(set(Finding::critical(NAME, "full_page_writes is off", why), "full_page_writes", "on"));
    }
    if settings.is("synchronous_commit", "off") && server.role == Role::Writable {
        let why = "a server crash loses acknowledged commits of about the last second";
        let finding = Finding::warning(NAME, "synchronous_commit is off", why);
        findings.push(set(finding, "synchronous_commit", "on").sql(
            "SELECT setdatabase, setrole::regrole, setconfig FROM pg_db_role_setting; -- or is it set there?",
        ));
    }
    for name in ["zero_damaged_pages", "ignore_checksum_failure"] {
        if settings.is(name, "on") {
            let why = "damaged pages are skipped without an error: results lack rows or contain wrong ones";
            findings.push(set(Finding::critical(NAME, format!("{name} is on"), why), name, "off"));
        }
    }
    if settings.is("data_checksums", "off") && server.role == Role::Writable {
        findings.push(
            Finding::note(
                NAME,
                "pages have no checksums (data_checksums is off)",
                "disk corruption is found late or never, and spreads to standbys and backups",
            )
            .run("pg_checksums --enable -D DATA_DIRECTORY    # while the server is stopped; standbys too"),
        );
    }
    Ok(findings)
}

fn set(finding: Finding, name: &str, value: &str) -> Finding {
    finding.sql(format!("ALTER SYSTEM SET {name} = {value};")).sql("SELECT pg_reload_conf();")
}
