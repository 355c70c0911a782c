//! The kinds of relations.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;

use foldhash::fast::RandomState;
use tallybook_core::Batch;

use super::relations::{Groups, Relation, statements_in};
use super::{Binding, Load, ReadRows, Relations, Rows, join};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::sql::Selection;
use crate::table::{BelongsTo, Refers, Table};
use crate::time_order::{newest_first, take_per_parent};

/// The key of `P` that a row refers to.
type Owner<T, P> = fn(&T) -> Option<<P as Table>::Key>;

/// The rows of `C` that belong to a row of `P`, newest first: `#[many]` on a `Vec<C>`.
pub struct Many<P: Table, C: Load> {
    by: &'static str,
    owner: Owner<C::Root, P>,
    newest: Option<u32>,
    filter: Option<&'static str>,
}

impl<P: Table, C: Load> Many<P, C> {
    /// Relates the rows by the one column that refers to `P`.
    #[expect(clippy::new_without_default, reason = "the derive calls it in a constant")]
    pub const fn new() -> Self
    where
        C::Root: BelongsTo<P>,
    {
        Self {
            by: <C::Root as BelongsTo<P>>::BY,
            owner: |row| row.owner().map(Id::get),
            newest: None,
            filter: None,
        }
    }

    /// Relates the rows by the column `by`, whose identifier `owner` reads: `#[many(by = column)]`, where several columns
    /// refer to `P`.
    pub const fn by(by: &'static str, owner: fn(&C::Root) -> Option<P::Key>) -> Self {
        Self { by, owner, newest: None, filter: None }
    }

    /// Loads only the newest rows of each parent: `#[many(newest = 30)]`.
    #[must_use]
    pub const fn newest(self, count: u32) -> Self {
        Self { newest: Some(count), ..self }
    }

    /// Loads only the rows that match a condition without parameters: `#[many(filter = "status = 'FILLED'")]`.
    #[must_use]
    pub const fn filter(self, condition: &'static str) -> Self {
        Self { filter: Some(condition), ..self }
    }
}

impl<P: Table, C: Load> Relation<P> for Many<P, C> {
    type Value = Vec<C>;
    type Batch = (Rows<C::Root>, <C::Relations as Relations<C::Root>>::Batch);
    type Groups = Groups<P, Vec<C>>;
    type Target = C;

    fn statements(&self, of: &Selection, into: &mut Vec<String>) {
        let selection = of.children::<C::Root>(self.by, self.filter, self.newest);
        into.push(selection.rows());
        C::RELATIONS.statements(&selection, into);
    }

    fn batch(&self, binding: &mut Binding<'_>) -> Self::Batch {
        (binding.next(self.newest.is_some()), C::RELATIONS.batch(binding))
    }

    fn group(&self, (rows, related): <Self::Batch as Batch>::Output) -> Result<Option<Self::Groups>> {
        let rows = match (rows, self.newest) {
            (ReadRows::Newest(rows), Some(newest)) => {
                let Some(rows) = take_per_parent(rows, self.owner, newest as usize) else { return Ok(None) };
                rows
            }
            (rows, _) => newest_first(rows.unchecked()),
        };
        let Some(children) = join::<C>(rows, related)? else { return Ok(None) };
        Ok(Some(grouped(children, |child| (self.owner)(child.root()))))
    }

    fn take(&self, groups: &mut Self::Groups, root: &P) -> Result<Vec<C>> {
        Ok(groups.remove(&root.id().get()).unwrap_or_default())
    }
}

/// The newest row of `C` that belongs to a row of `P`, if there is one: `#[one]` on an `Option<C>`.
pub struct One<P: Table, C: Load>(Many<P, C>);

impl<P: Table, C: Load> One<P, C> {
    /// Relates the rows by the one column that refers to `P`.
    #[expect(clippy::new_without_default, reason = "the derive calls it in a constant")]
    pub const fn new() -> Self
    where
        C::Root: BelongsTo<P>,
    {
        Self(Many::new().newest(1))
    }

    /// Relates the rows by the column `by`, whose identifier `owner` reads: `#[one(by = column)]`.
    pub const fn by(by: &'static str, owner: fn(&C::Root) -> Option<P::Key>) -> Self {
        Self(Many::by(by, owner).newest(1))
    }

    /// Considers only the rows that match a condition without parameters: `#[one(filter = "…")]`.
    #[must_use]
    pub const fn filter(self, condition: &'static str) -> Self {
        Self(self.0.filter(condition))
    }
}

impl<P: Table, C: Load> Relation<P> for One<P, C> {
    type Value = Option<C>;
    type Batch = <Many<P, C> as Relation<P>>::Batch;
    type Groups = <Many<P, C> as Relation<P>>::Groups;
    type Target = C;

    fn statements(&self, of: &Selection, into: &mut Vec<String>) {
        self.0.statements(of, into);
    }

    fn batch(&self, binding: &mut Binding<'_>) -> Self::Batch {
        self.0.batch(binding)
    }

    fn group(&self, read: <Self::Batch as Batch>::Output) -> Result<Option<Self::Groups>> {
        self.0.group(read)
    }

    fn take(&self, groups: &mut Self::Groups, root: &P) -> Result<Option<C>> {
        Ok(self.0.take(groups, root)?.pop())
    }
}

/// The row of `P` that a row of `T` belongs to, if it belongs to one: `#[parent]` on an `Option<P>`.
pub struct OptionalParent<T: Table, P: Load> {
    by: &'static str,
    owner: Owner<T, P::Root>,
}

impl<T: Table, P: Load> OptionalParent<T, P> {
    /// Relates the rows by the one column that refers to `P`.
    #[expect(clippy::new_without_default, reason = "the derive calls it in a constant")]
    pub const fn new() -> Self
    where
        T: BelongsTo<P::Root>,
    {
        Self { by: <T as BelongsTo<P::Root>>::BY, owner: |row| row.owner().map(Id::get) }
    }

    /// Relates the rows by the column `by`, whose identifier `owner` reads: `#[parent(by = column)]`.
    pub const fn by(by: &'static str, owner: fn(&T) -> Option<<P::Root as Table>::Key>) -> Self {
        Self { by, owner }
    }
}

impl<T: Table, P: Load + Clone> Relation<T> for OptionalParent<T, P> {
    type Value = Option<P>;
    type Batch = (Rows<P::Root>, <P::Relations as Relations<P::Root>>::Batch);
    type Groups = Groups<P::Root, P>;
    type Target = P;

    fn statements(&self, of: &Selection, into: &mut Vec<String>) {
        let selection = of.parents::<P::Root>(self.by);
        into.push(selection.rows());
        P::RELATIONS.statements(&selection, into);
    }

    fn batch(&self, binding: &mut Binding<'_>) -> Self::Batch {
        (binding.next(false), P::RELATIONS.batch(binding))
    }

    fn group(&self, (rows, related): <Self::Batch as Batch>::Output) -> Result<Option<Self::Groups>> {
        let Some(parents) = join::<P>(rows.unchecked(), related)? else { return Ok(None) };
        Ok(Some(parents.into_iter().map(|parent| (parent.root().id().get(), parent)).collect()))
    }

    fn take(&self, groups: &mut Self::Groups, root: &T) -> Result<Option<P>> {
        let Some(key) = (self.owner)(root) else { return Ok(None) };
        match groups.get(&key) {
            Some(parent) => Ok(Some(parent.clone())),
            None => Err(Error::missing_parent::<T, P::Root>(root, key)),
        }
    }
}

/// The row of `P` that a row of `T` belongs to: `#[parent]` on a `P`.
pub struct Parent<T: Table, P: Load>(OptionalParent<T, P>);

impl<T: Table, P: Load> Parent<T, P> {
    /// Relates the rows by the one column that refers to `P`.
    #[expect(clippy::new_without_default, reason = "the derive calls it in a constant")]
    pub const fn new() -> Self
    where
        T: BelongsTo<P::Root>,
    {
        Self(OptionalParent::new())
    }

    /// Relates the rows by the column `by`, whose identifier `owner` reads: `#[parent(by = column)]`.
    pub const fn by(by: &'static str, owner: fn(&T) -> Option<<P::Root as Table>::Key>) -> Self {
        Self(OptionalParent::by(by, owner))
    }
}

impl<T: Table, P: Load + Clone> Relation<T> for Parent<T, P> {
    type Value = P;
    type Batch = <OptionalParent<T, P> as Relation<T>>::Batch;
    type Groups = <OptionalParent<T, P> as Relation<T>>::Groups;
    type Target = P;

    fn statements(&self, of: &Selection, into: &mut Vec<String>) {
        self.0.statements(of, into);
    }

    fn batch(&self, binding: &mut Binding<'_>) -> Self::Batch {
        self.0.batch(binding)
    }

    fn group(&self, read: <Self::Batch as Batch>::Output) -> Result<Option<Self::Groups>> {
        self.0.group(read)
    }

    fn take(&self, groups: &mut Self::Groups, root: &T) -> Result<P> {
        let parent = self.0.take(groups, root)?;
        parent.ok_or_else(|| Error::no_parent::<T, P::Root>(root))
    }
}

/// The rows of `C` that a table of links `L` relates to a row of `P`, newest first, each once for each link:
/// `#[many(through = L)]` on a `Vec<C>`.
pub struct Through<P: Table, L: Table, C: Load> {
    left: &'static str,
    right: &'static str,
    owner: Owner<L, P>,
    target: Owner<L, C::Root>,
}

impl<P: Table, L: Table, C: Load> Through<P, L, C> {
    /// Relates the rows by the columns of `L` that refer to `P` and to `C`.
    #[expect(clippy::new_without_default, reason = "the derive calls it in a constant")]
    pub const fn new() -> Self
    where
        L: BelongsTo<P> + BelongsTo<C::Root>,
    {
        Self {
            left: <L as BelongsTo<P>>::BY,
            right: <L as BelongsTo<C::Root>>::BY,
            owner: |link| BelongsTo::<P>::owner(link).map(Id::get),
            target: |link| BelongsTo::<C::Root>::owner(link).map(Id::get),
        }
    }
}

impl<P: Table, L: Table, C: Load + Clone> Relation<P> for Through<P, L, C> {
    type Value = Vec<C>;
    type Batch = (Rows<L>, Rows<C::Root>, <C::Relations as Relations<C::Root>>::Batch);
    type Groups = Groups<P, Vec<C>>;
    type Target = C;
    const STATEMENTS: usize = 2 + statements_in::<C>();

    fn statements(&self, of: &Selection, into: &mut Vec<String>) {
        let links = of.children::<L>(self.left, None, None);
        into.push(links.rows());
        let selection = links.parents::<C::Root>(self.right);
        into.push(selection.rows());
        C::RELATIONS.statements(&selection, into);
    }

    fn batch(&self, binding: &mut Binding<'_>) -> Self::Batch {
        let links = binding.next(false);
        (links, binding.next(false), C::RELATIONS.batch(binding))
    }

    fn group(&self, (links, rows, related): <Self::Batch as Batch>::Output) -> Result<Option<Self::Groups>> {
        let Some(targets) = join::<C>(newest_first(rows.unchecked()), related)? else { return Ok(None) };
        let links = links.unchecked();
        let mut by_target = Groups::<C::Root, Vec<&L>>::default();
        for link in &links {
            if let Some(target) = (self.target)(link) {
                by_target.entry(target).or_default().push(link);
            }
        }
        let mut groups = Self::Groups::default();
        for target in targets {
            let of_target = by_target.remove(&target.root().id().get()).unwrap_or_default();
            for owner in of_target.into_iter().filter_map(self.owner) {
                groups.entry(owner).or_default().push(target.clone());
            }
        }
        let dangling = links.iter().find_map(|link| {
            (self.target)(link).filter(|target| by_target.contains_key(target)).map(|target| (link, target))
        });
        if let Some((link, target)) = dangling {
            return Err(Error::missing_parent::<L, C::Root>(link, target));
        }
        Ok(Some(groups))
    }

    fn take(&self, groups: &mut Self::Groups, root: &P) -> Result<Vec<C>> {
        Ok(groups.remove(&root.id().get()).unwrap_or_default())
    }
}

/// Groups rows by their owner and keeps their order. The rows of one owner are not moved, those of several once: rows are
/// hundreds of bytes long, and copying them shows in the time of a load.
fn grouped<K: Copy + Eq + Hash, V>(
    rows: Vec<V>,
    owner: impl Fn(&V) -> Option<K>,
) -> HashMap<K, Vec<V>, RandomState> {
    let mut counts: HashMap<Option<K>, usize, RandomState> = HashMap::default();
    for row in &rows {
        *counts.entry(owner(row)).or_default() += 1;
    }
    let mut groups = HashMap::with_capacity_and_hasher(counts.len(), RandomState::default());
    if let (1, Some(&Some(only))) = (counts.len(), counts.keys().next()) {
        groups.insert(only, rows);
        return groups;
    }
    for row in rows {
        let owner = owner(&row);
        if let Some(key) = owner {
            groups.entry(key).or_insert_with(|| Vec::with_capacity(counts[&owner])).push(row);
        }
    }
    groups
}

/// Reads the identifier of a row of `P` in a column. The derive of an aggregate calls it for `by = column`.
#[doc(hidden)]
pub fn key_of<P: Table>(column: &impl Refers<P>) -> Option<P::Key> {
    column.id().map(Id::get)
}

macro_rules! debug {
    ($($name:ident<$($parameter:ident),+>: $($bound:ident: $trait:ident),+;)*) => {$(
        impl<$($bound: $trait),+> fmt::Debug for $name<$($parameter),+> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )*};
}

debug! {
    Many<P, C>: P: Table, C: Load;
    One<P, C>: P: Table, C: Load;
    Parent<T, P>: T: Table, P: Load;
    OptionalParent<T, P>: T: Table, P: Load;
    Through<P, L, C>: P: Table, L: Table, C: Load;
}
