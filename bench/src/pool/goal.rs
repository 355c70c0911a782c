//! What the pool set out to reach.

use super::hot::Hot;
use super::oversubscription::Oversubscribed;
use super::peers::TALLYBOOK;
use super::traffic::Traffic;
use super::waiters::Waiters;
use crate::goal::Goal;

pub(super) fn goals(
    hot: &Hot,
    traffic: &[Traffic],
    oversubscription: &[Oversubscribed],
    waiters: &Waiters,
) -> Vec<Goal> {
    let alone = hot.alone_ratio.times_as_fast.median;
    let crowd = hot.crowd_ratio.times_as_fast.median;
    let bytes = traffic.iter().filter(|row| row.pool == TALLYBOOK).map(|row| row.bytes).sum::<u64>();
    let mut goals = vec![
        Goal {
            promise: "hot check-out, 1 task: at least as fast as the fastest peer",
            measured: format!("{alone:.2} times as fast as {}", hot.alone_ratio.fastest_peer),
            kept: alone >= 1.0,
        },
        Goal {
            promise: "hot check-out, 16 tasks on 4 connections: at least as fast as the fastest peer",
            measured: format!("{crowd:.2} times as fast as {}", hot.crowd_ratio.fastest_peer),
            kept: crowd >= 1.0,
        },
        Goal {
            promise: "a hot check-out sends and receives nothing",
            measured: format!("{bytes} bytes"),
            kept: bytes == 0,
        },
    ];
    if let Some(own) = oversubscription.iter().find(|row| row.pool == TALLYBOOK) {
        goals.extend(under_load(own));
    }
    goals.push(Goal {
        promise: "10,000 waiters cost less than 1 KiB each",
        measured: format!("{:.0} bytes each, {} waiting", waiters.bytes_each, waiters.waiting),
        kept: waiters.bytes_each < 1024.0 && waiters.refused == 0,
    });
    goals
}

fn under_load(own: &Oversubscribed) -> [Goal; 3] {
    let (kept, stretch) = (own.kept.median, own.stretch.median);
    let (least, most) = (own.least_served.median, own.most_served.median);
    [
        Goal {
            promise: "10 times over-subscribed: at least 95 % of the throughput",
            measured: format!("{:.1} %", kept * 100.0),
            kept: kept >= 0.95,
        },
        Goal {
            promise: "10 times over-subscribed: p99 wait / p50 wait at most 2",
            measured: format!("{stretch:.2}"),
            kept: stretch <= 2.0,
        },
        Goal {
            promise: "10 times over-subscribed: nobody starves (least served at least 90 % of most)",
            measured: format!("{least:.0} of {most:.0}"),
            kept: least >= 0.9 * most,
        },
    ]
}
