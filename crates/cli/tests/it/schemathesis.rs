//! The API against requests that schemathesis generates from its document.

use std::path::{Path, PathBuf};
use std::process::Command;

use tallybook_testkit::both_dialects;

use crate::served::Served;
use crate::support::Program;

/// Returns the program, which `scripts/install-needs` installs.
fn schemathesis() -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_tallybook")).ancestors().nth(2).unwrap();
    let own = target.join("schemathesis/bin/schemathesis");
    assert!(own.exists(), "{} is missing; run scripts/install-needs", own.display());
    own
}

both_dialects! {
    async fn generated_requests_are_answered_as_the_document_says(url: &str) {
        let program = Program::new();
        let database = format!("--database {url}");
        program.run(&format!("migrate upgrade {database}")).ok();
        let served = Served::start(&program, &database);
        let examples = std::env::var("TALLYBOOK_SCHEMATHESIS_EXAMPLES").unwrap_or_else(|_| "5".to_owned());
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
        let mut command = Command::new(schemathesis());
        command
            .arg("--config-file")
            .arg(tests.join("schemathesis.toml"))
            .args(["run", &format!("http://{}/openapi.json", served.address)])
            .args(["--checks", "all", "--phases", "examples,coverage,fuzzing", "--no-color", "--seed", "1"])
            .args(["--max-examples", &examples, "--suppress-health-check", "all"])
            .env("SCHEMATHESIS_HOOKS", "schemathesis_hooks")
            .env("PYTHONPATH", &tests)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(program.directory());
        let ran = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
    }
}
