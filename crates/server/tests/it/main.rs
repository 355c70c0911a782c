//! The service on real databases: the same requests on SQLite files and on PostgreSQL.

mod access;
mod budgets;
mod changes;
mod cluster;
mod connections;
mod consistency;
mod dashboard;
mod document;
mod fills;
mod mistakes;
mod operation;
mod reads;
mod repeats;
mod support;
mod tls;
