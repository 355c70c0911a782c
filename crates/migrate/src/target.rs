//! The target of an upgrade or a downgrade.

use std::str::FromStr;

use tallybook_sql::error::{Error, Result};
use tallybook_sql::redact::quoted;

use crate::steps::revision::Revision;

/// The revision to go to: `head`, `base`, a number of steps (`+1`, `-1`) or the identifier of a revision.
///
/// ```
/// use tallybook::migrate::Target;
///
/// assert_eq!("-1".parse::<Target>()?, Target::Steps(-1));
/// assert_eq!("0002".parse::<Target>()?, Target::Revision("0002".to_owned()));
/// # Ok::<(), tallybook::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// After the last revision.
    Head,
    /// Before the first revision.
    Base,
    /// This many revisions forward, or back if negative.
    Steps(i32),
    /// At this revision.
    Revision(String),
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let steps = || text.starts_with(['+', '-']).then(|| text.parse().ok()).flatten();
        match text {
            "head" => Ok(Target::Head),
            "base" => Ok(Target::Base),
            "" => Err(Error::revision(
                "an empty text names no revision; use head, base, +1, -1 or an identifier",
            )),
            _ => Ok(steps().map_or_else(|| Target::Revision(text.to_owned()), Target::Steps)),
        }
    }
}

impl Target {
    /// Returns the number of applied revisions at the target, starting from `applied`.
    pub(crate) fn position(&self, revisions: &[Revision], applied: usize) -> Result<usize> {
        match self {
            Target::Head => Ok(revisions.len()),
            Target::Base => Ok(0),
            Target::Steps(steps) => applied
                .checked_add_signed(*steps as isize)
                .filter(|&position| position <= revisions.len())
                .ok_or_else(|| {
                    Error::revision(format!(
                        "cannot go {steps:+} from here: {applied} of {} revisions are applied",
                        revisions.len()
                    ))
                }),
            Target::Revision(id) => match revisions.iter().position(|revision| revision.id == id) {
                Some(index) => Ok(index + 1),
                None => Err(Error::revision(format!(
                    "there is no revision {}; there are {}",
                    quoted(id),
                    revisions.iter().map(|revision| revision.id).collect::<Vec<_>>().join(", ")
                ))),
            },
        }
    }
}
