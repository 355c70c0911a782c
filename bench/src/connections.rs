//! How many connections a contestant has.

use tallybook::Settings;

/// Connections of every contestant.
pub(crate) const CONNECTIONS: usize = 4;

/// Tallybook's defaults, but for the number of connections.
///
/// # Errors
/// When the URL is none.
pub(crate) fn settings(url: &str) -> tallybook::Result<Settings> {
    let mut settings = Settings::new(url)?;
    settings.pool.size = CONNECTIONS;
    settings.pool.max_overflow = 0;
    Ok(settings)
}
