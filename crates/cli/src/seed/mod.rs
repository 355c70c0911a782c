//! Generates a realistic book, the same one for the same seed: prices follow random walks, few portfolios trade
//! much and many little, orders fill in parts, and trading sessions follow one another. It balances: the fold of its
//! executions is what the other tables hold.

mod ledger;
mod load;
mod market;
mod portfolio;
mod rows;
mod sizes;
mod trading;

pub(crate) use load::{Seeded, load};
