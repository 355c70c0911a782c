//! `--help` and wrong usage.

use crate::support::Program;

#[test]
fn help_has_examples_and_ends_well() {
    let out = Program::new().run("--help").ok();
    assert!(out.contains("Examples:") && out.contains("tallybook demo"), "{out}");
    for command in ["demo", "migrate", "seed", "import", "export", "watch", "report"] {
        assert!(out.contains(command), "{command}");
        assert!(!Program::new().run(&format!("{command} --help")).ok().is_empty());
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    for words in ["", "fly", "import", "import invoices a.csv", "seed --trades none", "seed --trades 0"] {
        assert!(Program::new().run(words).fails(2).contains("--help"), "{words}");
    }
}
