//! Plans, as trees.

use serde::Serialize;
use tallybook::{Database, ErrorKind, Statement};

use super::problems::NO_PLAN;
use crate::request::{Kind, Problem};

/// A plan of a statement.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Plan {
    /// As the database printed it, in one line per step.
    text: String,
    nodes: Vec<Node>,
}

/// A step of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Node {
    depth: usize,
    text: String,
    /// Estimated cost with all steps below, in the planner's unit.
    cost: Option<f64>,
    /// Estimated rows.
    rows: Option<f64>,
    /// Set for the step that costs most by itself, and for those of SQLite that read a whole table or sort.
    costly: bool,
}

/// A plan that was asked for, and where it is from.
#[derive(Debug, Serialize)]
pub(super) struct Explained {
    plan: Plan,
    plan_source: &'static str,
}

impl Plan {
    /// Reads an outline: a line for each step, indented by two spaces a level.
    pub(super) fn of(outline: &str) -> Self {
        let mut nodes: Vec<_> =
            outline.lines().filter(|line| !line.trim().is_empty()).map(Node::of).collect();
        mark_costliest(&mut nodes);
        Self { text: outline.to_owned(), nodes }
    }
}

impl Node {
    fn of(line: &str) -> Self {
        let text = line.trim_start_matches(' ');
        let depth = (line.len() - text.len()) / 2;
        // ` (cost 12, rows 10)` ends the lines of PostgreSQL.
        let estimate = text.rsplit_once(" (cost ").and_then(|(text, estimate)| {
            let (cost, rows) = estimate.strip_suffix(')')?.split_once(", rows ")?;
            Some((text, cost.parse().ok()?, rows.parse().ok()?))
        });
        match estimate {
            Some((text, cost, rows)) => {
                Self { depth, text: text.to_owned(), cost: Some(cost), rows: Some(rows), costly: false }
            }
            None => Self { depth, text: text.to_owned(), cost: None, rows: None, costly: is_scan(text) },
        }
    }
}

/// Returns whether a step of SQLite reads a whole table or sorts.
fn is_scan(text: &str) -> bool {
    (text.starts_with("SCAN ") && !text.contains(" USING ")) || text.starts_with("USE TEMP B-TREE")
}

/// Marks the step that costs most without those below it, if there are estimates.
fn mark_costliest(nodes: &mut [Node]) {
    let own = |index: usize| {
        let node = &nodes[index];
        let below = nodes[index + 1..].iter().take_while(|below| below.depth > node.depth);
        let children = below.filter(|below| below.depth == node.depth + 1).filter_map(|child| child.cost);
        node.cost.map(|cost| cost - children.sum::<f64>())
    };
    let costs = (0..nodes.len()).filter_map(|index| Some((index, own(index)?)));
    let costliest = costs.max_by(|(_, left), (_, right)| left.total_cmp(right));
    if let Some((index, _)) = costliest {
        nodes[index].costly = true;
    }
}

/// Explains a statement now.
pub(super) async fn explain(db: &Database, fingerprint: &str) -> Result<Explained, Problem> {
    let missing =
        "the text of this statement is not remembered: it is longer than 4 kB, or others took its place";
    let text = db.statement_text(fingerprint).ok_or_else(|| Problem::new(NO_PLAN, missing))?;
    if !Statement::from(&text).is_read(db.dialect()) {
        return Err(Problem::new(NO_PLAN, "only statements that read are explained"));
    }
    let has_parameters = text.contains('$') || text.contains('?');
    match db.explain_now(text).await {
        Some(Ok(outline)) if outline.is_empty() => {
            Err(Problem::new(NO_PLAN, "the database makes no plan for a statement like this"))
        }
        Some(Ok(outline)) => Ok(Explained {
            plan: Plan::of(&outline),
            plan_source: match has_parameters {
                true => "explained now, for any values of its parameters",
                false => "explained now",
            },
        }),
        Some(Err(error)) if error.kind() == ErrorKind::Syntax && has_parameters => Err(Problem::new(
            NO_PLAN,
            "PostgreSQL plans without values from version 16 on, and the values of parameters are not remembered",
        )),
        Some(Err(error)) => Err(Problem::new(NO_PLAN, error.without_values())),
        None => Err(Problem::new(
            Kind::UNAVAILABLE,
            "within two seconds no connection was idle, or the database did not answer; try again",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_that_costs_most_by_itself_is_marked() {
        let plan = Plan::of(
            "Limit (cost 110, rows 10)\n  Sort (cost 109, rows 10)\n    Seq Scan on trades (cost 90, rows 400)\n",
        );
        let nodes: Vec<_> = plan.nodes.iter().map(|node| (node.depth, &*node.text, node.costly)).collect();
        assert_eq!(nodes, [(0, "Limit", false), (1, "Sort", false), (2, "Seq Scan on trades", true)]);
        assert_eq!((plan.nodes[2].cost, plan.nodes[2].rows), (Some(90.0), Some(400.0)));
    }

    #[test]
    fn scans_and_sorts_of_sqlite_are_marked() {
        let plan = Plan::of(
            "SCAN executions\nSCAN trades USING INDEX ix_trades\nSEARCH positions USING INTEGER PRIMARY KEY (rowid=?)\n\
             USE TEMP B-TREE FOR ORDER BY\n",
        );
        let costly: Vec<_> = plan.nodes.iter().map(|node| node.costly).collect();
        assert_eq!(costly, [true, false, false, true]);
    }
}
