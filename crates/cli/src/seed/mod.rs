//! A made-up book that looks like a real one, the same for the same seed: prices walk at random, few
//! portfolios trade much and many little, orders fill in parts, and trading sessions come one after another.

mod load;
mod market;
mod portfolio;
mod rows;
mod sizes;
mod trading;

pub(crate) use load::{Seeded, load};
