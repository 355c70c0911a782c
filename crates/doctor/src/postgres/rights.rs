//! Check `rights`: the user has enough rights for the checks, and not too many.

use tallybook_sql::error::Result;

use super::server::Server;
use crate::finding::Finding;
use crate::probe::Probe;

pub(super) const NAME: &str = "rights";

pub(super) async fn check(_probe: &mut Probe<'_>, server: &Server) -> Result<Vec<Finding>> {
    let user = &server.user;
    if server.is_superuser {
        let what = format!("the program connects as the superuser {user}");
        let why = "a leaked password, or a hole in the program, exposes the whole server and the files of its \
            machine";
        return Ok(vec![
            Finding::note(NAME, what, why)
                .sql("CREATE ROLE tallybook_app LOGIN; -- then \\password tallybook_app")
                .sql("GRANT pg_monitor TO tallybook_app;")
                .advise("grant it the rights on the schema's tables, and name it in DATABASE_URL"),
        ]);
    }
    if server.sees_all {
        return Ok(Vec::new());
    }
    Ok(vec![
        Finding::note(
            NAME,
            format!("the user {user} is not a member of pg_monitor"),
            "the doctor cannot see other users' sessions, replication and some settings, so it skipped those checks; \
             and after a promotion, programs treat replicas as stale until their next restart point",
        )
        .sql(format!("GRANT pg_monitor TO \"{}\";", user.replace('"', "\"\""))),
    ])
}
