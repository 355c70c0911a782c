//! The relations that one load includes.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use super::Load;
use super::relations::{chosen_in, chosen_paths};
use crate::unknown_relation::UnknownRelation;

/// The [`Chosen`](crate::tables::Chosen) relations of `A` that a load includes; see
/// [the guide](crate::tables#relations-chosen-at-run-time).
///
/// Its text is a list of paths, as in a URL. A path includes the relations that it leads through.
pub struct Include<A: Load> {
    included: Included,
    aggregate: PhantomData<fn() -> A>,
}

/// The positions of the included ones among the chosen relations of an aggregate, depth first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Included(u64);

impl Included {
    /// Returns whether the relation at this position is included.
    pub(super) fn has(self, position: usize) -> bool {
        self.0 >> position & 1 == 1
    }

    fn with(self, position: usize) -> Self {
        Self(self.0 | 1 << position)
    }
}

impl<A: Load> Include<A> {
    /// The number of chosen relations.
    ///
    /// ```compile_fail,E0080
    /// use tallybook::tables::{Aggregate, Id, Include, Table};
    ///
    /// #[derive(Clone, Table)]
    /// #[table(name = "nodes")]
    /// struct Node {
    ///     id: Id<Node>,
    ///     within: Option<Id<Node>>,
    /// }
    ///
    /// macro_rules! seven_chosen {
    ///     ($name:ident: $of:ident) => {
    ///         #[derive(Clone, Aggregate)]
    ///         struct $name {
    ///             #[root]
    ///             node: Node,
    ///             #[many]
    ///             a: Option<Vec<$of>>,
    ///             #[many]
    ///             b: Option<Vec<$of>>,
    ///             #[many]
    ///             c: Option<Vec<$of>>,
    ///             #[many]
    ///             d: Option<Vec<$of>>,
    ///             #[many]
    ///             e: Option<Vec<$of>>,
    ///             #[many]
    ///             f: Option<Vec<$of>>,
    ///             #[many]
    ///             g: Option<Vec<$of>>,
    ///         }
    ///     };
    /// }
    ///
    /// seven_chosen!(Seven: Node);
    /// seven_chosen!(FiftySix: Seven);
    /// seven_chosen!(TooMany: FiftySix);
    /// assert!(Include::<FiftySix>::none().is_none());
    /// let _ = Include::<TooMany>::none();
    /// ```
    const COUNT: usize = {
        let count = chosen_in::<A>();
        assert!(
            count <= u64::BITS as usize,
            "an aggregate has at most 64 relations that are chosen at run time"
        );
        count
    };

    /// Includes none of the chosen relations, as loads by [`load`](crate::tables::Repository::load) do.
    pub const fn none() -> Self {
        const { Self::COUNT };
        Self { included: Included(0), aggregate: PhantomData }
    }

    /// Includes all chosen relations, at any depth.
    pub fn all() -> Self {
        Self::of((0..Self::COUNT).fold(Included(0), Included::with))
    }

    /// Includes the relations in a list of paths, such as `positions,trades.executions`. An empty text includes none.
    ///
    /// # Errors
    /// Returns an error if a path is none of [`paths`](Self::paths).
    pub fn parse(text: &str) -> Result<Self, UnknownRelation> {
        if text.is_empty() {
            return Ok(Self::none());
        }
        Self::from_paths(text.split(','))
    }

    /// Includes the relations at these paths.
    ///
    /// # Errors
    /// Returns an error if a path is none of [`paths`](Self::paths).
    pub fn from_paths<'a>(paths: impl IntoIterator<Item = &'a str>) -> Result<Self, UnknownRelation> {
        let known = Self::paths();
        let mut included = Included(0);
        for path in paths {
            if !known.iter().any(|known| known == path) {
                return Err(UnknownRelation::new(path, known));
            }
            let on_the_way = known.iter().enumerate().filter(|(_, known)| leads_through(path, known));
            included = on_the_way.fold(included, |included, (position, _)| included.with(position));
        }
        Ok(Self::of(included))
    }

    /// Returns the paths of all chosen relations, depth first: `trades` comes before `trades.executions`.
    pub fn paths() -> &'static [String] {
        A::plans().paths(|| {
            let mut paths = Vec::with_capacity(Self::COUNT);
            chosen_paths::<A>("", &mut paths);
            paths
        })
    }

    /// Returns whether it includes no relation.
    pub fn is_none(self) -> bool {
        self.included == Included(0)
    }

    pub(crate) fn included(self) -> Included {
        self.included
    }

    fn of(included: Included) -> Self {
        Self { included, ..Self::none() }
    }
}

/// Returns whether a path is `relation` or goes on from it.
fn leads_through(path: &str, relation: &str) -> bool {
    path.strip_prefix(relation).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl<A: Load> FromStr for Include<A> {
    type Err = UnknownRelation;

    fn from_str(text: &str) -> Result<Self, UnknownRelation> {
        Self::parse(text)
    }
}

/// The paths that it includes, separated by commas, each with those that it leads through.
impl<A: Load> fmt::Display for Include<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths = Self::paths().iter().enumerate();
        let included = paths.filter(|(position, _)| self.included.has(*position));
        for (number, (_, path)) in included.enumerate() {
            f.write_str(if number == 0 { "" } else { "," })?;
            f.write_str(path)?;
        }
        Ok(())
    }
}

impl<A: Load> fmt::Debug for Include<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Include({self})")
    }
}

impl<A: Load> Clone for Include<A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A: Load> Copy for Include<A> {}

impl<A: Load> PartialEq for Include<A> {
    fn eq(&self, other: &Self) -> bool {
        self.included == other.included
    }
}

impl<A: Load> Eq for Include<A> {}
