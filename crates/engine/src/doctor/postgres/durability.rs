//! Settings by which committed data can be lost.

use super::Server;
use crate::doctor::finding::Finding;
use crate::doctor::node::Role;
use crate::doctor::visit::Visit;
use crate::error::Result;

pub(super) const NAME: &str = "durability";

pub(super) async fn look(_visit: &mut Visit<'_>, server: &Server) -> Result<Vec<Finding>> {
    let settings = &server.settings;
    let mut findings = Vec::new();
    if settings.is("fsync", "off") {
        let why = "after a crash of the machine or a loss of power the whole database can be beyond repair";
        findings.push(set(Finding::critical(NAME, "fsync is off", why), "fsync", "on"));
    }
    if settings.is("full_page_writes", "off") {
        let why = "a page that was half written when the machine crashed stays broken, unless the file \
            system forbids that";
        findings.push(set(Finding::critical(NAME, "full_page_writes is off", why), "full_page_writes", "on"));
    }
    if settings.is("synchronous_commit", "off") && server.role == Role::Writable {
        let why = "a crash of the server loses the commits of about the last second that were acknowledged";
        let finding = Finding::warning(NAME, "synchronous_commit is off", why);
        findings.push(set(finding, "synchronous_commit", "on").sql(
            "SELECT setdatabase, setrole::regrole, setconfig FROM pg_db_role_setting; -- or is it set there?",
        ));
    }
    for name in ["zero_damaged_pages", "ignore_checksum_failure"] {
        if settings.is(name, "on") {
            let why =
                "damaged pages are passed over without an error: rows are missing from answers, or are wrong";
            findings.push(set(Finding::critical(NAME, format!("{name} is on"), why), name, "off"));
        }
    }
    if settings.is("data_checksums", "off") && server.role == Role::Writable {
        findings.push(
            Finding::note(
                NAME,
                "pages have no checksums (data_checksums is off)",
                "what a disk or a controller damages is found late, or never, and copied to standbys and backups",
            )
            .run("pg_checksums --enable -D DATA_DIRECTORY    # while the server is stopped; standbys too"),
        );
    }
    Ok(findings)
}

fn set(finding: Finding, name: &str, value: &str) -> Finding {
    finding.sql(format!("ALTER SYSTEM SET {name} = {value};")).sql("SELECT pg_reload_conf();")
}
