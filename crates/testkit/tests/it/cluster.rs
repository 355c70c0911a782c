//! Servers of a test's own.

use std::path::Path;

use tallybook_testkit::Cluster;
use tokio_postgres::NoTls;

use crate::client::{ask, connect};
use crate::process::{Process, eventually, is_in_use, is_started_by_a_test, tell};

#[tokio::test]
async fn a_cluster_answers_until_it_is_stopped() {
    let cluster = Cluster::start().unwrap();
    let (url, directory) = (cluster.url("postgres"), cluster.directory().to_owned());
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("SELECT 1").await.unwrap();

    cluster.stop();
    assert!(tokio_postgres::connect(&url, NoTls).await.is_err());
    assert!(!directory.exists());
    assert!(!is_in_use(&directory));
}

#[tokio::test]
async fn a_cluster_wants_its_password() {
    let cluster = Cluster::start().unwrap();
    let url = cluster.url("postgres").replace(cluster.password(), "wrong");
    let error = tokio_postgres::connect(&url, NoTls).await.err().unwrap();
    assert_eq!(error.code().unwrap().code(), "28P01");
}

#[test]
fn two_clusters_run_side_by_side() {
    let (one, other) = (Cluster::start().unwrap(), Cluster::start().unwrap());
    assert_ne!(one.port(), other.port());
    assert_ne!(one.directory(), other.directory());
}

/// They are copies of one data directory.
#[tokio::test]
async fn two_clusters_are_not_replicas_of_each_other_by_their_identifiers() {
    let identifier = async |cluster: &Cluster| {
        let client = connect(&cluster.url("postgres")).await;
        ask(&client, "SELECT system_identifier FROM pg_control_system()").await.unwrap()
    };
    let (one, other) = (Cluster::start().unwrap(), Cluster::start().unwrap());
    assert_ne!(identifier(&one).await, identifier(&other).await);
}

#[test]
fn a_cluster_ends_when_its_owner_is_killed() {
    let owner = Process::start("cluster::owner", &std::env::temp_dir());
    let directory = Path::new(&owner.told).to_owned();
    assert!(directory.join("data/postmaster.pid").exists());
    assert!(is_in_use(&directory));

    owner.kill();
    eventually("removed", || !directory.exists());
    eventually("stopped", || !is_in_use(&directory));
}

#[test]
#[ignore = "the process that a_cluster_ends_when_its_owner_is_killed kills"]
fn owner() {
    if is_started_by_a_test() {
        let cluster = Cluster::start().unwrap();
        tell(cluster.directory().to_str().unwrap());
    }
}
