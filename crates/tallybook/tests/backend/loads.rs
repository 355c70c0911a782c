use serde_json::json;
use tallybook_testkit::both_dialects;

use crate::program::Program;

both_dialects! {
    async fn a_portfolio_comes_with_its_trades_and_their_executions(url: &str) {
        let service = Program::start(url);
        let portfolio = service.portfolio("one").await;
        let trades = [service.trade(&portfolio["id"], "AAPL", 1).await, service.trade(&portfolio["id"], "MSFT", 2).await];
        let execution = json!({
            "trade_id": 1, "symbol": "AAPL", "quantity": "4", "price": "150", "execution_type": "PARTIAL_FILL",
        });
        let execution = service.post("/executions", execution).await;
        let position = json!({
            "portfolio_id": 1, "symbol": "AAPL", "quantity": "4", "average_cost": "150", "current_price": "150",
            "position_type": "LONG",
        });
        let position = service.post("/positions", position).await;

        let filled = json!({ "trade": trades[0], "executions": [execution] });
        assert_eq!(service.get("/trades/1/executions").await, filled);
        assert_eq!(
            service.get("/portfolios/1/book").await,
            json!({
                "portfolio": portfolio, "positions": [position],
                "trades": [{ "trade": trades[1], "executions": [] }, filled],
            })
        );
        assert_eq!(
            service.get("/portfolios/1/relations").await,
            json!({ "portfolio": portfolio, "positions": [position], "trades": [trades[1], trades[0]], "sessions": [] })
        );
    }

    async fn a_portfolio_comes_with_its_newest_thirty_measurements(url: &str) {
        let service = Program::start(url);
        let portfolio = service.portfolio("one").await;
        let session = json!({
            "portfolio_id": 1, "session_type": "LIVE", "starting_capital": "1", "current_capital": "1",
        });
        let session = service.post("/trading_sessions", session).await;
        for minute in 0..32 {
            let metric = json!({
                "portfolio_id": 1, "session_id": if minute == 0 { json!(1) } else { json!(null) },
                "var_1day_95": 0.1, "sharpe_ratio": -1.5, "portfolio_value": "1000.5", "number_of_positions": minute,
                "total_exposure": "1", "long_exposure": "1", "short_exposure": "0", "net_exposure": "1",
                "measured_at": format!("2025-03-01T09:{minute:02}:00Z"),
            });
            service.post("/risk_metrics", metric).await;
        }
        let loaded = service.get("/portfolios/1/risk").await;
        assert_eq!((&loaded["portfolio"], &loaded["sessions"]), (&portfolio, &json!([session])));
        let metrics = loaded["metrics"].as_array().unwrap();
        let numbers: Vec<_> = metrics.iter().map(|metric| metric["number_of_positions"].as_i64().unwrap()).collect();
        assert_eq!(numbers, (2..32).rev().collect::<Vec<_>>());
        assert_eq!(service.get("/risk_metrics?session_id=1").await["rows"], json!([service.get("/risk_metrics/1").await]));
        assert_eq!(
            service.get("/risk_metrics/1").await,
            json!({
                "id": 1, "portfolio_id": 1, "session_id": 1, "var_1day_95": 0.1, "var_1day_99": null, "var_5day_95": null,
                "var_5day_99": null, "portfolio_value": "1000.5", "portfolio_volatility": null, "sharpe_ratio": -1.5,
                "max_drawdown": null, "largest_position_weight": null, "top5_concentration": null, "number_of_positions": 0,
                "total_exposure": "1", "long_exposure": "1", "short_exposure": "0", "net_exposure": "1",
                "market_beta": null, "correlation_to_spy": null, "measured_at": "2025-03-01T09:00:00Z", "metadata_json": null,
            })
        );
        let newest = service.get("/risk_metrics?portfolio_id=1&since=2025-03-01T09:30:00Z").await;
        assert_eq!(newest["rows"].as_array().unwrap().len(), 2);
    }
}
