//! The fuzz targets on texts that are generated from a few seeds: the same ones in each run, for a second or two each.
//! `scripts/fuzz` runs them for longer, guided by coverage.

#[path = "../../../../fuzz/src/targets.rs"]
mod targets;

use std::panic::catch_unwind;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use targets::{TARGETS, Target};

/// Texts of each target.
const INPUTS: u64 = 4_000;
const MAX_LENGTH: usize = 4_096;
/// What readers stumble over.
const PIECES: [&str; 32] = [
    "'",
    "\"",
    "`",
    "\\",
    "$",
    "$$",
    "$a$",
    ";",
    "--",
    "/*",
    "*/",
    "\n",
    "\r\n",
    "\0",
    ",",
    ".",
    ":",
    "//",
    "@",
    "?",
    "&",
    "%",
    "%2F",
    "=",
    "\u{1b}[2J",
    "\u{202e}",
    "é",
    "9223372036854775808",
    "-1",
    "1e400",
    "NaN",
    "\u{feff}",
];

/// One text out of the seeds, changed in a few places.
fn made_up(seeds: &[Vec<u8>], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut text = seeds[random.random_range(0..seeds.len())].clone();
    for _ in 0..random.random_range(0..8) {
        let start = random.random_range(0..=text.len());
        let end = random.random_range(start..=text.len().min(start + 16));
        let new: Vec<u8> = match random.random_range(0..5) {
            0 => Vec::new(),
            1 => vec![random.random()],
            2 => text[start..end].repeat(random.random_range(1..40)),
            3 => {
                let other = &seeds[random.random_range(0..seeds.len())];
                other[random.random_range(0..=other.len())..].to_vec()
            }
            _ => PIECES[random.random_range(0..PIECES.len())].into(),
        };
        text.splice(start..end, new);
    }
    text.truncate(MAX_LENGTH);
    text
}

#[track_caller]
fn fuzz(name: &str) {
    let target: Target = TARGETS.into_iter().find(|target| target.name == name).unwrap();
    let seeds = target.seeds.lines().map(|seed| seed.replace("\\n", "\n").replace("\\r", "\r").into_bytes());
    let seeds: Vec<_> = seeds.collect();
    for number in 0..INPUTS {
        // Each text has a seed of its own, so that one can be made again alone.
        let text = made_up(&seeds, &mut ChaCha8Rng::seed_from_u64(number));
        let run = target.run;
        let outcome = catch_unwind(|| run(&text));
        assert!(outcome.is_ok(), "{name}, text {number}: {:?}", String::from_utf8_lossy(&text));
    }
}

macro_rules! fuzzed {
    ($($test:ident: $name:literal,)*) => {$(
        #[test]
        fn $test() {
            fuzz($name);
        }
    )*};
}

fuzzed! {
    a_url_of_anybody_is_read_or_refused: "urls",
    a_csv_file_of_anybody_is_read_or_refused: "csv",
    a_cursor_of_anybody_is_read_or_refused: "cursors",
    a_token_of_anybody_is_read_or_refused: "tokens",
    an_sql_file_of_anybody_is_cut_into_its_statements: "scripts",
    a_statement_of_anybody_has_a_bounded_fingerprint: "fingerprints",
    a_report_of_anybody_is_read_or_refused: "reports",
    a_server_of_anybody_is_believed_or_refused: "server",
}
