//! Why the dashboard cannot show something.

use axum::http::StatusCode;

use crate::request::Kind;

pub(super) const NO_STATEMENT: Kind =
    Kind { name: "no-such-statement", status: StatusCode::NOT_FOUND, title: "There is no such statement" };
pub(super) const NO_PLAN: Kind =
    Kind { name: "no-plan", status: StatusCode::CONFLICT, title: "The statement cannot be explained" };
pub(super) const OTHER_PROGRAM: Kind = Kind {
    name: "other-program",
    status: StatusCode::CONFLICT,
    title: "Not available: this page watches another program",
};
