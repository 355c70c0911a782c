//! Futures dropped after every poll, and connections cut after every byte: nothing is owed, no answer is another's, no
//! transaction stays open.

mod bytes;
mod drops;
mod stage;
mod work;
