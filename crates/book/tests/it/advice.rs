//! Advice for a loop: the suggested call returns the same rows, if the book has one.

use tallybook::ReadSession;
use tallybook::book::{
    Action, Execution, Executions, LimitOffset, NewExecution, NewPortfolio, NewPosition, NewTrade,
    NewTradingSession, Portfolio, Portfolios, Position, Positions, Repository, Result, SessionType, Table,
    Trade, Trades, TradingSession, TradingSessions,
};
use tallybook_testkit::both_dialects;

use crate::support::{book, open, write};

const ALL: LimitOffset = LimitOffset::first(100);

/// Creates six portfolios, and as many trading sessions, trades, positions and executions.
async fn crowd(url: &str) {
    write(&book(url).await, async |session| {
        for number in 0..6 {
            let portfolio = NewPortfolio::new(number.to_string());
            let portfolio = Portfolios::new(session).create(&portfolio).await?.id;
            let trading = NewTradingSession::new(portfolio, SessionType::Live);
            let trading = TradingSessions::new(session).create(&trading).await?.id;
            let trade = NewTrade::market(portfolio, Action::Buy, "A", 1.into());
            let trade = NewTrade { session_id: Some(trading), ..trade };
            let trade = Trades::new(session).create(&trade).await?.id;
            let execution = NewExecution::new(trade, "A", 1.into(), 1.into());
            Executions::new(session).create(&execution).await?;
            Positions::new(session).create(&NewPosition::new(portfolio, "A", 1.into(), 1.into())).await?;
        }
        Ok(())
    })
    .await;
}

/// Returns the suggestion for a loop of one call for each row of a table.
async fn suggested_call<T: Table<Key = i64>>(
    url: &str,
    call: impl AsyncFn(&mut ReadSession, T) -> Result<()>,
) -> String {
    let db = open(url).await;
    let mut session = db.read().await.unwrap();
    for row in Repository::<_, T>::new(&mut session).get_many(ALL).await.unwrap() {
        call(&mut session, row).await.unwrap();
    }
    drop(session);
    let findings = db.findings();
    assert_eq!(findings.len(), 1, "{findings:?}");
    findings[0].suggestion.clone()
}

async fn get_in_a_loop<T: Table<Key = i64>>(url: &str) -> String {
    suggested_call::<T>(url, async |s, row| Repository::<_, T>::new(s).get(row.id()).await.map(drop)).await
}

both_dialects! {
    async fn rows_that_are_got_one_by_one_are_got_by_their_identifiers(url: &str) {
        crowd(url).await;
        for (advice, repository) in [
            (get_in_a_loop::<Portfolio>(url).await, "Portfolios"),
            (get_in_a_loop::<Position>(url).await, "Positions"),
            (get_in_a_loop::<TradingSession>(url).await, "TradingSessions"),
            (get_in_a_loop::<Trade>(url).await, "Trades"),
            (get_in_a_loop::<Execution>(url).await, "Executions"),
        ] {
            assert_eq!(advice, format!("call {repository}::get_by_ids(&ids) once"));
        }
    }

    async fn portfolios_with_relations_are_loaded_together(url: &str) {
        crowd(url).await;
        let advice = suggested_call::<Portfolio>(url, async |s, row| {
            Portfolios::new(s).get_with_positions(row.id).await.map(drop)
        });
        assert_eq!(advice.await, "call Portfolios::get_many_with_positions(&ids) once");
        let advice = suggested_call::<Portfolio>(url, async |s, row| {
            Portfolios::new(s).get_with_trades(row.id).await.map(drop)
        });
        assert_eq!(advice.await, "call Portfolios::get_many_with_trades(&ids) once");
        let advice = suggested_call::<Portfolio>(url, async |s, row| {
            Portfolios::new(s).get_with_all_relations(row.id).await.map(drop)
        });
        assert_eq!(advice.await, "call Portfolios::get_many_with_all_relations(&ids) once");
    }

    async fn the_trades_of_portfolios_are_loaded_together(url: &str) {
        crowd(url).await;
        let loader = "call Trades::get_many_by_portfolio_with_executions(&portfolios, limit) once";
        let advice = suggested_call::<Portfolio>(url, async |s, row| {
            Trades::new(s).get_by_portfolio(row.id, ALL).await.map(drop)
        });
        assert_eq!(advice.await, loader);
        let advice = suggested_call::<Portfolio>(url, async |s, row| {
            Trades::new(s).get_by_portfolio_with_executions(row.id, 10).await.map(drop)
        });
        assert_eq!(advice.await, loader);
    }

    async fn the_trades_of_sessions_are_loaded_together(url: &str) {
        crowd(url).await;
        let loader = "call Trades::get_many_by_session_with_executions(&sessions) once";
        let advice = suggested_call::<Trade>(url, async |s, row| {
            Trades::new(s).get_by_session(row.session_id.unwrap()).await.map(drop)
        });
        assert_eq!(advice.await, loader);
        let advice = suggested_call::<Trade>(url, async |s, row| {
            Trades::new(s).get_by_session_with_executions(row.session_id.unwrap()).await.map(drop)
        });
        assert_eq!(advice.await, loader);
    }

    async fn the_executions_of_trades_are_loaded_together(url: &str) {
        crowd(url).await;
        let loader = "call Trades::get_many_with_executions(&ids) once";
        let advice = suggested_call::<Trade>(url, async |s, row| {
            Executions::new(s).get_by_trade(row.id).await.map(drop)
        });
        assert_eq!(advice.await, loader);
        let advice = suggested_call::<Trade>(url, async |s, row| {
            Trades::new(s).get_with_executions(row.id).await.map(drop)
        });
        assert_eq!(advice.await, loader);
    }

    async fn no_loader_is_named_that_finds_other_rows(url: &str) {
        crowd(url).await;
        let positions = suggested_call::<Portfolio>(url, async |s, row| {
            Positions::new(s).get_by_portfolio(row.id, ALL).await.map(drop)
        });
        let symbol = suggested_call::<Portfolio>(url, async |s, row| {
            Positions::new(s).get_by_symbol(row.id, "A").await.map(drop)
        });
        let behind = suggested_call::<Portfolio>(url, async |s, row| {
            Trades::new(s).get_by_portfolio(row.id, ALL.skip(1)).await.map(drop)
        });
        for advice in [positions.await, symbol.await, behind.await] {
            assert!(advice.starts_with("load them together"), "{advice}");
        }
    }
}
