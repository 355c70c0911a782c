//! Plans, as trees.

use serde::Serialize;
use tallybook::{Database, Statement};

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

/// Explains a statement now, with the parameters of one of its calls. The outline has none of their values.
pub(super) async fn explain(db: &Database, fingerprint: &str) -> Result<Explained, Problem> {
    let seen = db.workload().statements.into_iter().find(|statement| statement.fingerprint == fingerprint);
    let missing =
        "no call of this statement is remembered: it is too long, it never succeeded, or it is no query";
    let seen = seen.ok_or_else(|| Problem::new(NO_PLAN, missing))?;
    if !Statement::from(&seen.sql).is_read(db.dialect()) {
        return Err(Problem::new(NO_PLAN, "only statements that read are explained"));
    }
    let Some(values) = seen.samples.into_iter().next_back() else {
        return Err(Problem::new(NO_PLAN, "its parameters are too long to be remembered"));
    };
    let plan_source = match values.is_empty() {
        true => "explained now",
        false => "explained now, with the parameters of one of its calls",
    };
    match db.explain_now(seen.sql, values).await {
        Some(Ok(outline)) if outline.is_empty() => {
            Err(Problem::new(NO_PLAN, "the database makes no plan for a statement like this"))
        }
        Some(Ok(outline)) => Ok(Explained { plan: Plan::of(&outline), plan_source }),
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
