//! `--help` and wrong usage.

use crate::support::Program;

/// The names below `Commands:`.
fn commands(help: &str) -> Vec<&str> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines = lines.take_while(|line| line.starts_with("  "));
    let names =
        lines.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").collect()
}

/// The lines below `Examples:`.
fn examples(help: &str) -> Vec<&str> {
    let lines = help.lines().skip_while(|line| *line != "Examples:").skip(1);
    lines.take_while(|line| line.starts_with("  ")).map(str::trim).collect()
}

#[test]
fn every_command_has_help_and_its_examples_are_of_itself() {
    let program = Program::new();
    let help = |words: &str| program.run(&format!("{words} --help")).ok();
    let whole = help("");
    let all = [
        "demo", "seed", "bench", "import", "export", "record", "check", "migrate", "watch", "report",
        "doctor", "serve", "token", "advise",
    ];
    let found: std::collections::BTreeSet<_> = commands(&whole).into_iter().collect();
    assert_eq!(found, all.into());
    assert!(examples(&whole).iter().all(|line| line.starts_with("tallybook ")), "{whole}");
    let mut left: Vec<String> = all.map(str::to_owned).into();
    let mut seen = 0;
    while let Some(words) = left.pop() {
        let text = help(&words);
        assert!(text.contains(&format!("Usage: tallybook {words}")), "{words}: {text}");
        let inner = commands(&text);
        left.extend(inner.iter().map(|name| format!("{words} {name}")));
        let examples = examples(&text);
        let is_own = |line: &&str| line.contains(&format!("tallybook {words}"));
        assert!(examples.is_empty() || examples.iter().any(is_own), "{words}: {examples:?}");
        seen += 1;
    }
    assert!(seen > all.len(), "commands of commands have help, too");
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
