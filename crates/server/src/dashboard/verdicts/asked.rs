//! Judgements that rest on what was asked of the database.

use tallybook_doctor::Severity;

use super::Evidence;
use super::verdict::Level;
use super::words::counted;

pub(super) fn schema(evidence: &Evidence<'_>) -> (Level, String) {
    if !evidence.settings.has_database {
        return (Level::Unknown, "not known of another program; run tallybook migrate check".to_owned());
    }
    let Some(revisions) = &evidence.answers.revisions else {
        return (Level::Unknown, "not looked at yet; open Revisions".to_owned());
    };
    match revisions.counts() {
        (0, _) => (Level::Unknown, "no history of revisions".to_owned()),
        (applied, 0) => (Level::Ok, format!("{} applied", counted(applied as u64, "revision", "revisions"))),
        (_, pending) => {
            (Level::Bad, format!("{} not applied", counted(pending as u64, "revision", "revisions")))
        }
    }
}

pub(super) fn indexes(evidence: &Evidence<'_>) -> (Level, String) {
    let checks = ["indexes", "unused_indexes", "duplicate_indexes", "invalid_indexes", "foreign_keys"];
    by_doctor(evidence, &checks, "the indexes")
}

/// Judges by these checks of the doctor, if it was asked.
pub(super) fn by_doctor(evidence: &Evidence<'_>, checks: &[&str], subject: &str) -> (Level, String) {
    if !evidence.settings.has_database {
        return (Level::Unknown, "not known of another program; run tallybook doctor".to_owned());
    }
    let Some(examination) = &evidence.answers.examination else {
        return (Level::Unknown, format!("run the doctor, which looks at {subject}"));
    };
    let at = examination.at.format("%H:%M UTC");
    let worst = examination
        .findings
        .iter()
        .filter(|found| checks.contains(&found.check))
        .max_by_key(|found| found.severity);
    if let Some(found) = worst {
        let level = match found.severity {
            Severity::Critical => Level::Bad,
            Severity::Warning => Level::Warn,
            _ => Level::Ok,
        };
        return (level, found.what.clone());
    }
    let passed = examination.passed.iter().filter(|check| checks.contains(check)).count();
    match passed {
        0 => (Level::Unknown, format!("the doctor could not look at {subject}")),
        _ => (Level::Ok, format!("the doctor found nothing at {at}")),
    }
}
