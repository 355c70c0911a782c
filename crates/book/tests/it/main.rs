//! The book on real databases: the same cases on SQLite files and on PostgreSQL.

mod advice;
mod calls;
mod catalog;
mod changes;
mod contents;
mod corpus;
mod crowd;
mod crud;
mod design;
mod eager;
mod identifiers;
mod indexes;
mod killed;
mod loops;
mod market;
mod online;
mod original;
mod pages;
mod refusals;
mod sample;
mod schema;
mod statements;
mod support;
mod tasks;
mod torn;
mod words;
