//! `--help` and wrong usage.

use crate::support::Program;

#[test]
fn help_has_examples_and_ends_well() {
    let out = Program::new().run("--help").ok();
    assert!(out.contains("Examples:") && out.contains("tallybook demo"), "{out}");
    for command in ["demo", "doctor", "migrate", "seed", "bench", "import", "export", "watch", "report"] {
        assert!(out.contains(command), "{command}");
        assert!(!Program::new().run(&format!("{command} --help")).ok().is_empty());
    }
}

#[test]
fn the_benchmarks_say_what_they_touch_and_have_examples() {
    let indexes = Program::new().run("bench indexes --help").ok();
    assert!(indexes.contains("It never touches a book") && indexes.contains("--sizes 10k,100k"), "{indexes}");
    let load = Program::new().run("bench load --help").ok();
    assert!(load.contains("only with --writes above 0") && load.contains("--rate 500 --writes 20"), "{load}");
    assert!(load.contains("Open loop (--rate)"), "{load}");
}

#[test]
fn wrong_usage_ends_with_2() {
    for words in ["", "fly", "import", "import invoices a.csv", "seed --trades none", "seed --trades 0"] {
        assert!(Program::new().run(words).fails(2).contains("--help"), "{words}");
    }
}
