//! Tree traversals, level by level and branch by branch.

use std::collections::VecDeque;
use std::pin::Pin;

use tallybook::{Database, ReadSession};
use tallybook::{all, params};

use crate::corpus::cases::cases;
use crate::corpus::label::{Label, confirmed};

const CHILDREN: &str = "SELECT id FROM notes WHERE parent_id = $1 ORDER BY id";

fn count(session: &mut ReadSession, note: i64) -> Pin<Box<dyn Future<Output = usize> + Send + '_>> {
    Box::pin(async move {
        let children = session.run(all::<(i64,)>(CHILDREN, params![note])).await.unwrap(); // recursion
        let mut notes = 1;
        for (child,) in children {
            notes += count(session, child).await;
        }
        notes
    })
}

cases! { in_a_scope:
    async fn by_recursion(db: &Database) -> Label {
        let mut session = db.read().await.unwrap();
        assert_eq!(count(&mut session, 1).await, 13);
        confirmed("recursion", "recursion").runs(13)
    }

    async fn by_a_list_of_what_is_left(db: &Database) -> Label {
        let mut session = db.read().await.unwrap();
        let mut left = VecDeque::from([1]);
        while let Some(note) = left.pop_front() {
            let children = session.run(all::<(i64,)>(CHILDREN, params![note])).await.unwrap(); // children
            left.extend(children.into_iter().map(|(child,)| child));
        }
        confirmed("children", "children").runs(13)
    }

    async fn depth_first_by_a_stack(db: &Database) -> Label {
        let mut session = db.read().await.unwrap();
        let mut left = vec![1];
        while let Some(note) = left.pop() {
            let children = session.run(all::<(i64,)>(CHILDREN, params![note])).await.unwrap(); // children
            left.extend(children.into_iter().map(|(child,)| child));
        }
        confirmed("children", "children").runs(13)
    }

    async fn the_parent_of_each_leaf(db: &Database) -> Label {
        const LEAVES: &str = "SELECT id, parent_id FROM notes WHERE id > 4";
        const NOTE: &str = "SELECT title FROM notes WHERE id = $1";
        let mut session = db.read().await.unwrap();
        let leaves = session.run(all::<(i64, i64)>(LEAVES, params![])).await.unwrap(); // leaves
        for (_, parent) in leaves {
            session.run(all::<(String,)>(NOTE, params![parent])).await.unwrap(); // parent
        }
        confirmed("parent", "leaves").runs(9).distinct(3)
    }
}
