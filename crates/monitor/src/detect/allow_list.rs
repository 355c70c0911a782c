//! The allow list: findings that someone reviewed and accepted.

use std::sync::atomic::{AtomicBool, Ordering};

use super::raw_finding::RawFinding;

/// Accepted findings, as patterns: a fingerprint, a file, or a line of a file.
#[derive(Debug, Default)]
pub(crate) struct AllowList(Vec<Pattern>);

const EXPECTED: &str =
    "a fingerprint (16 hexadecimal digits), a file (src/report.rs) or a line of it (src/report.rs:42)";

#[derive(Debug)]
struct Pattern {
    text: Box<str>,
    target: Target,
    is_used: AtomicBool,
}

#[derive(Debug)]
enum Target {
    Fingerprint(u64),
    /// A path suffix with `/` separators, and a line.
    Code(Box<str>, Option<u32>),
}

impl AllowList {
    /// Parses patterns. The error holds the malformed pattern and the expected forms.
    pub(crate) fn parse(patterns: &[String]) -> Result<Self, (String, String)> {
        let patterns = patterns.iter().map(|text| {
            let text = text.trim();
            let target = target(text).ok_or_else(|| (text.to_owned(), EXPECTED.to_owned()))?;
            Ok(Pattern { text: text.into(), target, is_used: AtomicBool::new(false) })
        });
        patterns.collect::<Result<_, _>>().map(Self)
    }

    /// Returns whether a finding is accepted, and marks every pattern that matches as used.
    pub(crate) fn allows(&self, found: &RawFinding) -> bool {
        let mut is_allowed = false;
        for pattern in self.0.iter().filter(|pattern| pattern.target.matches(found)) {
            pattern.is_used.store(true, Ordering::Relaxed);
            is_allowed = true;
        }
        is_allowed
    }

    /// Returns the patterns that matched nothing so far.
    pub(crate) fn unused(&self) -> Vec<&str> {
        let unused = self.0.iter().filter(|pattern| !pattern.is_used.load(Ordering::Relaxed));
        unused.map(|pattern| &*pattern.text).collect()
    }
}

impl Target {
    fn matches(&self, found: &RawFinding) -> bool {
        match self {
            Self::Fingerprint(hash) => found.statement.fingerprint.hash == *hash,
            Self::Code(file, line) => {
                let at = found.call.at();
                line.is_none_or(|line| line == at.line())
                    && ends_with_path(&at.file().replace('\\', "/"), file)
            }
        }
    }
}

/// Returns whether `path` ends with these whole path components.
fn ends_with_path(path: &str, end: &str) -> bool {
    path.strip_suffix(end).is_some_and(|front| front.is_empty() || front.ends_with('/'))
}

fn target(text: &str) -> Option<Target> {
    if text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return u64::from_str_radix(text, 16).ok().map(Target::Fingerprint);
    }
    let (file, line) = match text.rsplit_once(':') {
        Some((file, line)) => (file, Some(line.parse().ok().filter(|line| *line > 0)?)),
        None => (text, None),
    };
    let file = file.replace('\\', "/");
    let name = file.strip_suffix(".rs")?;
    let is_name = !name.is_empty() && !name.ends_with('/');
    is_name.then(|| Target::Code(file.trim_start_matches("./").into(), line))
}

#[cfg(test)]
mod tests {
    use tallybook_sql::call_site::CallSite;

    use super::*;
    use crate::detect::support::confirmed_loop;

    fn found() -> RawFinding {
        confirmed_loop(CallSite::here())
    }

    fn allows(pattern: &str) -> bool {
        parse(&[pattern]).expect("these are patterns").allows(&found())
    }

    fn parse(patterns: &[&str]) -> Result<AllowList, (String, String)> {
        let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        AllowList::parse(&patterns)
    }

    #[test]
    fn a_finding_is_accepted_by_its_fingerprint() {
        let code = found().statement.fingerprint.code();
        assert!(allows(&code) && allows(&code.to_uppercase()));
        assert!(!allows("0123456789abcdef"));
    }

    #[test]
    fn a_finding_is_accepted_by_the_end_of_its_path_at_a_separator() {
        for pattern in [
            "allow_list.rs",
            "detect/allow_list.rs",
            "src\\detect\\allow_list.rs",
            " ./detect/allow_list.rs ",
            file!(),
        ] {
            assert!(allows(pattern), "{pattern}");
        }
        for pattern in ["list.rs", "ect/allow_list.rs", "allow_list.rs/allow_list.rs", "findings.rs"] {
            assert!(!allows(pattern), "{pattern}");
        }
    }

    #[test]
    fn a_line_accepts_no_other_line() {
        let line = found().call.at().line();
        assert!(allows(&format!("detect/allow_list.rs:{line}")));
        assert!(!allows(&format!("detect/allow_list.rs:{}", line + 1)));
    }

    #[test]
    fn patterns_that_matched_nothing_are_listed() {
        let allow_list =
            parse(&["allow_list.rs", "other.rs", "detect/allow_list.rs"]).expect("these are patterns");
        assert_eq!(allow_list.unused().len(), 3);
        assert!(allow_list.allows(&found()));
        assert_eq!(allow_list.unused(), ["other.rs"]);
    }

    #[test]
    fn a_malformed_pattern_is_refused_with_the_expected_forms() {
        for text in
            ["", "src", "src/report.rs:", "src/report.rs:0", "src/report.rs:x", ".rs", "src/.rs", "12ab"]
        {
            let (pattern, expected) = parse(&["a.rs", text]).expect_err("it is not a pattern");
            assert!(pattern == text && expected.contains("16 hexadecimal"), "{pattern}: {expected}");
        }
    }
}
