//! The settings of a new session.

/// Settings that only a start-up option can change. Asking the server for their canonical form is an error.
const AT_START_ONLY: [&str; 6] = [
    "ignore_system_indexes",
    "jit_debugging_support",
    "jit_profiling_support",
    "log_connections",
    "log_disconnections",
    "post_auth_delay",
];

/// Start-up options, and the settings among them that must be in effect after connecting: a pooler may drop all
/// options.
pub(super) struct Startup {
    options: String,
    required: Vec<(String, String)>,
}

/// A required setting that is not in effect.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SettingMismatch {
    pub(super) name: String,
    pub(super) expected: String,
    pub(super) found: Option<String>,
}

impl Startup {
    /// Combines the options of the URL with Tallybook's own, which win if both set the same parameter.
    pub(super) fn new(own: Option<&str>, ours: &str) -> Self {
        let options = own.map_or_else(|| ours.to_owned(), |own| format!("{own} {ours}"));
        let mut required: Vec<(String, String)> = Vec::new();
        for (name, value) in settings(&options) {
            required.retain(|(other, _)| *other != name);
            if !AT_START_ONLY.contains(&&*name) {
                required.push((name, value));
            }
        }
        Self { options, required }
    }

    pub(super) fn options(&self) -> &str {
        &self.options
    }

    /// Returns columns with the current values, each after a comma.
    pub(super) fn current_columns(&self) -> String {
        self.columns(|name, _| format!("current_setting({name}, true)")).concat()
    }

    /// Returns a statement with as many columns: the canonical forms of the required values. It changes nothing beyond
    /// its own transaction.
    pub(super) fn expected_sql(&self) -> String {
        format!(
            "SELECT 1{}",
            self.columns(|name, value| format!("set_config({name}, {value}, true)")).concat()
        )
    }

    /// Returns the statement that sets them for the rest of the session.
    pub(super) fn set_sql(&self) -> String {
        format!(
            "SELECT 1{}",
            self.columns(|name, value| format!("set_config({name}, {value}, false)")).concat()
        )
    }

    /// Returns a statement without rows that sets them for the present transaction.
    pub(super) fn set_local_sql(&self) -> String {
        let set = |(name, value): &(String, String)| {
            format!("set_config({}, {}, true)", literal(name), literal(value))
        };
        // No setting is null.
        format!("SELECT WHERE ({}) IS NULL", self.required.iter().map(set).collect::<Vec<_>>().join(" || "))
    }

    fn columns(&self, column: impl Fn(&str, &str) -> String) -> Vec<String> {
        let required = self.required.iter().enumerate();
        required
            .map(|(index, (name, value))| {
                format!(", {} AS s{index}", column(&literal(name), &literal(value)))
            })
            .collect()
    }

    /// Compares the rows of [`current_columns`](Self::current_columns) and [`expected_sql`](Self::expected_sql).
    pub(super) fn mismatches<'r>(
        &self,
        found: impl Fn(&str) -> Option<&'r str>,
        expected: impl Fn(&str) -> Option<&'r str>,
    ) -> Vec<SettingMismatch> {
        let required = self.required.iter().enumerate();
        required
            .filter_map(|(index, (name, value))| {
                let column = format!("s{index}");
                let (found, expected) = (found(&column), expected(&column).unwrap_or(value));
                let mismatch = || SettingMismatch {
                    name: name.clone(),
                    expected: expected.to_owned(),
                    found: found.map(str::to_owned),
                };
                (found != Some(expected)).then(mismatch)
            })
            .collect()
    }
}

/// Describes mismatches for a message: `TimeZone is Europe/Berlin instead of UTC`.
pub(super) fn describe(mismatches: &[SettingMismatch]) -> String {
    let one = |SettingMismatch { name, expected, found }: &SettingMismatch| match found.as_deref() {
        None | Some("") => format!("{name} is not set instead of {expected}"),
        Some(found) => format!("{name} is {found} instead of {expected}"),
    };
    mismatches.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Returns the settings in start-up options, as PostgreSQL parses them: `-c name=value`, `-cname=value` and
/// `--name=value`.
fn settings(options: &str) -> Vec<(String, String)> {
    let mut words = words(options).into_iter();
    let mut settings = Vec::new();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("--") {
            Some(setting) => Some(setting.to_owned()),
            None => match word.strip_prefix("-c") {
                Some("") => words.next(),
                Some(setting) => Some(setting.to_owned()),
                None => None,
            },
        };
        if let Some((name, value)) = setting.as_deref().and_then(|setting| setting.split_once('=')) {
            settings.push((name.replace('-', "_").to_lowercase(), value.to_owned()));
        }
    }
    settings
}

/// Splits options at white space, unless a backslash precedes it.
fn words(options: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut symbols = options.chars();
    while let Some(symbol) = symbols.next() {
        match symbol {
            '\\' => word.extend(symbols.next()),
            symbol if symbol.is_ascii_whitespace() => words.push(std::mem::take(&mut word)),
            symbol => word.push(symbol),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_the_server_reads_them() {
        let read = |options| {
            let settings = settings(options);
            settings.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
        };
        assert_eq!(read("-c a=1 -cb=2 --search-path=x,y"), ["a=1", "b=2", "search_path=x,y"]);
        assert_eq!(read(r"-c application_name=two\ words\\"), [r"application_name=two words\"]);
        assert_eq!(read("-e -B 5 -c"), [""; 0]);
    }

    #[test]
    fn the_last_of_two_counts() {
        let startup =
            Startup::new(Some("-c TimeZone=Asia/Tokyo -c jit=off -c log_connections=on"), "-c timezone=UTC");
        let required = [("jit", "off"), ("timezone", "UTC")];
        assert_eq!(startup.required, required.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
