//! What this user may see, and whether it may too much.

use super::Server;
use crate::doctor::finding::Finding;
use crate::doctor::visit::Visit;
use crate::error::Result;

pub(super) const NAME: &str = "rights";

pub(super) async fn look(_visit: &mut Visit<'_>, server: &Server) -> Result<Vec<Finding>> {
    let user = &server.user;
    if server.is_superuser {
        let what = format!("the program connects as the superuser {user}");
        let why = "whoever gets its password, or a hole in the program, has the whole server and its \
            machine's files";
        return Ok(vec![
            Finding::note(NAME, what, why)
                .sql("CREATE ROLE tallybook_app LOGIN; -- then \\password tallybook_app")
                .sql("GRANT pg_monitor TO tallybook_app;")
                .advise("give it the schema's tables, and name it in DATABASE_URL"),
        ]);
    }
    if server.sees_all {
        return Ok(Vec::new());
    }
    Ok(vec![
        Finding::note(
            NAME,
            format!("the user {user} is no member of pg_monitor"),
            "the doctor could not see other users' sessions, who replicates, and some settings, and left those \
             checks out; and programs take replicas for stale after a promotion until their next restart point",
        )
        .sql(format!("GRANT pg_monitor TO \"{}\";", user.replace('"', "\"\""))),
    ])
}
