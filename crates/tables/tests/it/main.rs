//! Tables of one's own, as a user declares them: the same cases on SQLite files and on PostgreSQL.

mod chosen;
mod counts;
mod generated;
mod ids;
mod joins;
mod lists;
mod loads;
mod loops;
mod missing_parents;
mod pages;
mod schema;
mod serde_forms;
mod support;
mod torn;
mod upserts;
mod writes;
