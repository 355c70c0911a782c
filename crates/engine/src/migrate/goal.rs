//! Where an upgrade or a downgrade is to end.

use std::str::FromStr;

use super::revision::Revision;
use crate::error::{Error, Result};
use crate::settings::quoted;

/// Where to go: `head`, `base`, a number of steps (`+1`, `-1`) or the identifier of a revision.
///
/// ```
/// use tallybook_engine::migrate::Goal;
///
/// assert_eq!("-1".parse::<Goal>()?, Goal::Steps(-1));
/// assert_eq!("0002".parse::<Goal>()?, Goal::Revision("0002".to_owned()));
/// # Ok::<(), tallybook_engine::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// After the last revision.
    Head,
    /// Before the first revision.
    Base,
    /// So many revisions on, or back if negative.
    Steps(i32),
    /// At this revision.
    Revision(String),
}

impl FromStr for Goal {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let steps = || text.starts_with(['+', '-']).then(|| text.parse().ok()).flatten();
        match text {
            "head" => Ok(Goal::Head),
            "base" => Ok(Goal::Base),
            "" => Err(Error::revision(
                "an empty text names no revision; use head, base, +1, -1 or an identifier",
            )),
            _ => Ok(steps().map_or_else(|| Goal::Revision(text.to_owned()), Goal::Steps)),
        }
    }
}

impl Goal {
    /// How many revisions are applied when the goal is reached, coming from `applied`.
    pub(super) fn position(&self, revisions: &[Revision], applied: usize) -> Result<usize> {
        match self {
            Goal::Head => Ok(revisions.len()),
            Goal::Base => Ok(0),
            Goal::Steps(steps) => applied
                .checked_add_signed(*steps as isize)
                .filter(|&position| position <= revisions.len())
                .ok_or_else(|| {
                    Error::revision(format!(
                        "cannot go {steps:+} from here: {applied} of {} revisions are applied",
                        revisions.len()
                    ))
                }),
            Goal::Revision(id) => match revisions.iter().position(|revision| revision.id == id) {
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
