//! Tests of the example `backend`: it runs as a process of its own, and the tests are its clients. Every request stays within
//! the budget of its endpoint, otherwise it answers 500 with the list of its statements.

#[path = "../../examples/backend/main.rs"]
mod backend;

mod agents;
mod budgets;
mod json;
mod lists;
mod loads;
mod portfolios;
mod program;
mod settlements;
mod shutdown;
mod tables;
mod transfers;
mod users;
