//! The root of an aggregate is no table.

use tallybook::tables::Aggregate;

struct Author {
    name: String,
}

#[derive(Aggregate)]
struct Authors {
    #[root]
    author: Author,
}

fn main() {}
