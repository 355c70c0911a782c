//! The dashboard: a page that shows what a program asks of its database, live.
//!
//! A sampler takes a report a second and keeps bounded histories of it; every viewer receives the same text. Nothing here
//! changes the database.

mod advice;
mod answer;
mod assets;
mod cut;
mod doctor;
mod event_stream;
mod figures;
mod guard;
mod history;
mod live;
mod live_routes;
mod login_routes;
mod logins;
mod looked;
#[cfg(test)]
mod made_up;
mod panels;
mod plan;
mod problems;
mod revisions;
mod routes;
mod sample;
mod sampler;
mod shared;
mod source;
mod state;
mod statement_page;
mod statement_window;
mod verdicts;

pub(crate) use routes::dashboard_of_service;
pub use routes::{dashboard, dashboard_of_socket};
