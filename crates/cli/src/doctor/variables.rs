//! Prints the settings that differ from their defaults.

use std::io;

use tallybook::{EnvVar, Escaped};

use crate::output;

pub(super) fn print(settings: &[EnvVar], named: Option<&str>) -> io::Result<()> {
    output::line("\nSettings")?;
    if let Some(url) = named {
        output::line(format!("  --database {}", Escaped(url)))?;
    }
    for EnvVar { name, value, is_from_file, .. } in settings {
        let source = if *is_from_file { "    (.env)" } else { "" };
        let unused = if named.is_some() && name == "DATABASE_URL" { "    (not used)" } else { "" };
        output::line(format!("  {name}={}{source}{unused}", Escaped(value)))?;
    }
    if settings.is_empty() && named.is_none() {
        output::line("  no variable is set: the defaults, an SQLite file in this directory")?;
    }
    Ok(())
}
