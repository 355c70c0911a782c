//! The nodes named by the settings.

use crate::postgres::config::{PostgresTarget, Server, TargetSessionAttrs};
use crate::settings::{ConnectTarget, Settings};

/// A node before it is opened.
pub(super) struct PlannedNode {
    pub(super) name: String,
    pub(super) target: ConnectTarget,
    /// Listed in `DATABASE_URL`: the primary, or a server that may become it.
    pub(super) is_candidate: bool,
    pub(super) weight: u32,
    pub(super) zone: Option<String>,
}

/// Returns one node per server, those of `DATABASE_URL` first. A server listed there and as a replica is one
/// node.
///
/// There is a single node if routing has nothing to decide: an SQLite file, one server, or a URL whose own
/// `target_session_attrs` asks for a standby.
pub(super) fn topology(settings: &Settings) -> Vec<PlannedNode> {
    let target = settings.database_url.target();
    let replicas = if settings.replica.enabled { settings.replica.urls.as_slice() } else { &[] };
    let single = || PlannedNode {
        name: "primary".to_owned(),
        target: target.clone(),
        is_candidate: true,
        weight: 1,
        zone: None,
    };
    let ConnectTarget::Postgres(primary) = target else { return vec![single()] };
    let is_for_standbys = matches!(
        primary.target_session_attrs,
        TargetSessionAttrs::Standby | TargetSessionAttrs::PreferStandby
    );
    if is_for_standbys || (primary.servers.len() == 1 && replicas.is_empty()) {
        return vec![single()];
    }
    let mut nodes: Vec<_> = primary.servers.iter().map(|server| planned(primary, server, true)).collect();
    for url in replicas {
        let ConnectTarget::Postgres(replica) = url.target() else { continue };
        for server in &replica.servers {
            let replica = planned(replica, server, false);
            match nodes.iter_mut().find(|node| node.name == replica.name) {
                Some(node) => (node.weight, node.zone) = (replica.weight, replica.zone),
                None => nodes.push(replica),
            }
        }
    }
    nodes
}

fn planned(target: &PostgresTarget, server: &Server, is_candidate: bool) -> PlannedNode {
    let target = target.only(server);
    PlannedNode {
        name: server.to_string(),
        weight: target.weight,
        zone: target.zone.clone(),
        target: ConnectTarget::Postgres(Box::new(target)),
        is_candidate,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn names(primary: &str, replicas: &str) -> Vec<(String, bool)> {
        let settings = Settings::from_lookup(|name| match name {
            "DATABASE_URL" => Some(primary.to_owned()),
            "DB_READ_REPLICA_URL" => Some(replicas.to_owned()),
            "DB_ENABLE_READ_REPLICA" => Some((!replicas.is_empty()).to_string()),
            _ => None,
        });
        topology(&settings.unwrap()).into_iter().map(|node| (node.name, node.is_candidate)).collect()
    }

    fn named<const N: usize>(nodes: [(&str, bool); N]) -> Vec<(String, bool)> {
        nodes.map(|(name, is_candidate)| (name.to_owned(), is_candidate)).into()
    }

    #[test]
    fn a_single_server_and_a_file_are_one_node() {
        for url in ["sqlite::memory:", "postgresql://one/book"] {
            assert_eq!(names(url, ""), named([("primary", true)]));
        }
    }

    #[test]
    fn each_server_is_one_node_also_if_it_is_named_twice() {
        let nodes = names("postgresql://one,two/book", "postgresql://two/book,postgresql://three:7/book");
        assert_eq!(nodes, named([("one:5432", true), ("two:5432", true), ("three:7", false)]));
    }

    #[test]
    fn a_url_that_asks_for_a_standby_chooses_by_itself() {
        let nodes = names("postgresql://one,two/book?target_session_attrs=prefer-standby", "");
        assert_eq!(nodes, named([("primary", true)]));
    }
}
