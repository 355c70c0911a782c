-- Portfolios::get(PORTFOLIO)
SELECT id, name, description, initial_capital, current_capital, currency, created_at, updated_at, metadata_json FROM portfolios WHERE id = $1;

-- Portfolios::get_by_ids(&[PORTFOLIO])
SELECT id, name, description, initial_capital, current_capital, currency, created_at, updated_at, metadata_json FROM portfolios WHERE id = ANY($1);

-- Portfolios::get_many(FIRST)
SELECT id, name, description, initial_capital, current_capital, currency, created_at, updated_at, metadata_json FROM portfolios ORDER BY id DESC LIMIT $1 OFFSET $2;

-- Portfolios::get_many(SKIPPING)
SELECT id, name, description, initial_capital, current_capital, currency, created_at, updated_at, metadata_json FROM portfolios ORDER BY id DESC LIMIT $1 OFFSET $2;

-- Portfolios::get_page(None, 2)
SELECT id, name, description, initial_capital, current_capital, currency, created_at, updated_at, metadata_json FROM portfolios ORDER BY id DESC LIMIT 3;

-- Portfolios::get_page(Some(&position("portfolios.9")), 2)
SELECT id, name, description, initial_capital, current_capital, currency, created_at, updated_at, metadata_json FROM portfolios WHERE id < $1 ORDER BY id DESC LIMIT 3;

-- Portfolios::scan(None, 2)
SELECT id, name, description, initial_capital, current_capital, currency, created_at, updated_at, metadata_json FROM portfolios ORDER BY id LIMIT 2;

-- Portfolios::scan(Some(1), 2)
SELECT id, name, description, initial_capital, current_capital, currency, created_at, updated_at, metadata_json FROM portfolios WHERE id > $1 ORDER BY id LIMIT 2;

-- Portfolios::count()
SELECT count(*) FROM portfolios;

-- Portfolios::get_by_name("parent")
SELECT id, name, description, initial_capital, current_capital, currency, created_at, updated_at, metadata_json FROM portfolios WHERE name = $1;

-- Portfolios::get_with_positions(PORTFOLIO)
SELECT id, name, description, initial_capital, current_capital, currency, created_at, updated_at, metadata_json FROM portfolios WHERE id = $1;
SELECT id, portfolio_id, symbol, quantity, average_cost, current_price, unrealized_pnl, realized_pnl, position_type, entry_date, created_at, updated_at, metadata_json FROM positions WHERE portfolio_id = (SELECT $1) ORDER BY id DESC;

-- Portfolios::get_many_with_positions(&[PORTFOLIO])
SELECT id, name, description, initial_capital, current_capital, currency, created_at, updated_at, metadata_json FROM portfolios WHERE id = ANY($1);
SELECT id, portfolio_id, symbol, quantity, average_cost, current_price, unrealized_pnl, realized_pnl, position_type, entry_date, created_at, updated_at, metadata_json FROM positions WHERE portfolio_id = ANY($1) ORDER BY id DESC;

-- Portfolios::get_with_trades(PORTFOLIO)
SELECT id, name, description, initial_capital, current_capital, currency, created_at, updated_at, metadata_json FROM portfolios WHERE id = $1;
SELECT id, portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl FROM trades WHERE portfolio_id = (SELECT $1) ORDER BY created_at DESC, id DESC;

-- Portfolios::get_many_with_trades(&[PORTFOLIO])
SELECT id, name, description, initial_capital, current_capital, currency, created_at, updated_at, metadata_json FROM portfolios WHERE id = ANY($1);
SELECT id, portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl FROM trades WHERE portfolio_id = ANY($1) ORDER BY created_at DESC, id DESC;

-- Portfolios::get_with_all_relations(PORTFOLIO)
SELECT id, name, description, initial_capital, current_capital, currency, created_at, updated_at, metadata_json FROM portfolios WHERE id = $1;
SELECT id, portfolio_id, symbol, quantity, average_cost, current_price, unrealized_pnl, realized_pnl, position_type, entry_date, created_at, updated_at, metadata_json FROM positions WHERE portfolio_id = (SELECT $1) ORDER BY id DESC;
SELECT id, portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl FROM trades WHERE portfolio_id = (SELECT $1) ORDER BY created_at DESC, id DESC;
SELECT id, portfolio_id, session_type, status, name, description, max_position_size, max_portfolio_exposure, stop_loss_percentage, take_profit_percentage, starting_capital, current_capital, total_pnl, total_trades, winning_trades, losing_trades, started_at, stopped_at, metadata_json FROM trading_sessions WHERE portfolio_id = (SELECT $1) ORDER BY started_at DESC, id DESC;

-- Portfolios::get_many_with_all_relations(&[PORTFOLIO])
SELECT id, name, description, initial_capital, current_capital, currency, created_at, updated_at, metadata_json FROM portfolios WHERE id = ANY($1);
SELECT id, portfolio_id, symbol, quantity, average_cost, current_price, unrealized_pnl, realized_pnl, position_type, entry_date, created_at, updated_at, metadata_json FROM positions WHERE portfolio_id = ANY($1) ORDER BY id DESC;
SELECT id, portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl FROM trades WHERE portfolio_id = ANY($1) ORDER BY created_at DESC, id DESC;
SELECT id, portfolio_id, session_type, status, name, description, max_position_size, max_portfolio_exposure, stop_loss_percentage, take_profit_percentage, starting_capital, current_capital, total_pnl, total_trades, winning_trades, losing_trades, started_at, stopped_at, metadata_json FROM trading_sessions WHERE portfolio_id = ANY($1) ORDER BY started_at DESC, id DESC;

-- Positions::get(PositionId::from(1))
SELECT id, portfolio_id, symbol, quantity, average_cost, current_price, unrealized_pnl, realized_pnl, position_type, entry_date, created_at, updated_at, metadata_json FROM positions WHERE id = $1;

-- Positions::get_by_ids(&[PositionId::from(1)])
SELECT id, portfolio_id, symbol, quantity, average_cost, current_price, unrealized_pnl, realized_pnl, position_type, entry_date, created_at, updated_at, metadata_json FROM positions WHERE id = ANY($1);

-- Positions::get_many(FIRST)
SELECT id, portfolio_id, symbol, quantity, average_cost, current_price, unrealized_pnl, realized_pnl, position_type, entry_date, created_at, updated_at, metadata_json FROM positions ORDER BY id DESC LIMIT $1 OFFSET $2;

-- Positions::get_page(None, 2)
SELECT id, portfolio_id, symbol, quantity, average_cost, current_price, unrealized_pnl, realized_pnl, position_type, entry_date, created_at, updated_at, metadata_json FROM positions ORDER BY id DESC LIMIT 3;

-- Positions::get_page(Some(&position("positions.9")), 2)
SELECT id, portfolio_id, symbol, quantity, average_cost, current_price, unrealized_pnl, realized_pnl, position_type, entry_date, created_at, updated_at, metadata_json FROM positions WHERE id < $1 ORDER BY id DESC LIMIT 3;

-- Positions::scan(None, 2)
SELECT id, portfolio_id, symbol, quantity, average_cost, current_price, unrealized_pnl, realized_pnl, position_type, entry_date, created_at, updated_at, metadata_json FROM positions ORDER BY id LIMIT 2;

-- Positions::count()
SELECT count(*) FROM positions;

-- Positions::get_by_portfolio(PORTFOLIO, SKIPPING)
SELECT id, portfolio_id, symbol, quantity, average_cost, current_price, unrealized_pnl, realized_pnl, position_type, entry_date, created_at, updated_at, metadata_json FROM positions WHERE portfolio_id = $1 ORDER BY id DESC LIMIT $2 OFFSET $3;

-- Positions::get_by_symbol(PORTFOLIO, "A")
SELECT id, portfolio_id, symbol, quantity, average_cost, current_price, unrealized_pnl, realized_pnl, position_type, entry_date, created_at, updated_at, metadata_json FROM positions WHERE portfolio_id = $1 AND symbol = $2 ORDER BY id DESC;

-- Trades::get(TRADE)
SELECT id, portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl FROM trades WHERE id = $1;

-- Trades::get_by_ids(&[TRADE])
SELECT id, portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl FROM trades WHERE id = ANY($1);

-- Trades::get_many(FIRST)
SELECT id, portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl FROM trades ORDER BY created_at DESC, id DESC LIMIT $1 OFFSET $2;

-- Trades::get_many(SKIPPING)
SELECT id, portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl FROM trades ORDER BY created_at DESC, id DESC LIMIT $1 OFFSET $2;

-- Trades::get_page(None, 2)
SELECT id, portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl FROM trades ORDER BY created_at DESC, id DESC LIMIT 3;

-- Trades::get_page(Some(&by_time("trades")), 2)
SELECT id, portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl FROM trades WHERE (created_at, id) < ($1, $2) ORDER BY created_at DESC, id DESC LIMIT 3;

-- Trades::scan(None, 2)
SELECT id, portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl FROM trades ORDER BY id LIMIT 2;

-- Trades::scan(Some(1), 2)
SELECT id, portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl FROM trades WHERE id > $1 ORDER BY id LIMIT 2;

-- Trades::count()
SELECT count(*) FROM trades;

-- Trades::get_by_portfolio(PORTFOLIO, FIRST)
SELECT id, portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl FROM trades WHERE portfolio_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3;

-- Trades::get_by_portfolio(PORTFOLIO, SKIPPING)
SELECT id, portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl FROM trades WHERE portfolio_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3;

-- Trades::get_by_status(&TradeStatus::Pending, FIRST)
SELECT id, portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl FROM trades WHERE status = $1 ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3;

-- Trades::get_by_portfolio_and_status(PORTFOLIO, &TradeStatus::Pending, SKIPPING)
SELECT id, portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl FROM trades WHERE portfolio_id = $1 AND status = $2 ORDER BY created_at DESC, id DESC LIMIT $3 OFFSET $4;

-- Trades::get_by_session(SESSION)
SELECT id, portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl FROM trades WHERE session_id = (SELECT $1) ORDER BY created_at DESC, id DESC;

-- Trades::get_by_session_with_executions(SESSION)
SELECT id, portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl FROM trades WHERE session_id = (SELECT $1) ORDER BY created_at DESC, id DESC;
SELECT id, trade_id, symbol, quantity, price, execution_type, commission, fees, exchange, execution_id, executed_at, metadata_json, realized_pnl, reverses_id, mark FROM executions WHERE trade_id IN (SELECT id FROM trades WHERE session_id = $1) ORDER BY executed_at DESC, id DESC;

-- Trades::get_many_by_session_with_executions(&[SESSION])
SELECT id, portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl FROM trades WHERE session_id = ANY($1) ORDER BY created_at DESC, id DESC;
SELECT id, trade_id, symbol, quantity, price, execution_type, commission, fees, exchange, execution_id, executed_at, metadata_json, realized_pnl, reverses_id, mark FROM executions WHERE trade_id IN (SELECT id FROM trades WHERE session_id = ANY($1)) ORDER BY executed_at DESC, id DESC;

-- Trades::get_with_executions(TRADE)
SELECT id, portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl FROM trades WHERE id = $1;
SELECT id, trade_id, symbol, quantity, price, execution_type, commission, fees, exchange, execution_id, executed_at, metadata_json, realized_pnl, reverses_id, mark FROM executions WHERE trade_id = (SELECT $1) ORDER BY executed_at DESC, id DESC;

-- Trades::get_many_with_executions(&[TRADE])
SELECT id, portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl FROM trades WHERE id = ANY($1);
SELECT id, trade_id, symbol, quantity, price, execution_type, commission, fees, exchange, execution_id, executed_at, metadata_json, realized_pnl, reverses_id, mark FROM executions WHERE trade_id = ANY($1) ORDER BY executed_at DESC, id DESC;

-- Trades::get_by_portfolio_with_executions(PORTFOLIO, 2)
SELECT id, portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl FROM trades WHERE portfolio_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2;
SELECT id, trade_id, symbol, quantity, price, execution_type, commission, fees, exchange, execution_id, executed_at, metadata_json, realized_pnl, reverses_id, mark FROM executions WHERE trade_id = ANY(ARRAY(SELECT id FROM trades WHERE portfolio_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2)) ORDER BY executed_at DESC, id DESC;

-- Trades::get_many_by_portfolio_with_executions(&[PORTFOLIO], 2)
SELECT id, portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl FROM trades WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY portfolio_id ORDER BY created_at DESC, id DESC) AS place FROM trades WHERE portfolio_id = ANY($1)) AS placed WHERE place <= $2) ORDER BY created_at DESC, id DESC;
SELECT id, trade_id, symbol, quantity, price, execution_type, commission, fees, exchange, execution_id, executed_at, metadata_json, realized_pnl, reverses_id, mark FROM executions WHERE trade_id IN (SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY portfolio_id ORDER BY created_at DESC, id DESC) AS place FROM trades WHERE portfolio_id = ANY($1)) AS placed WHERE place <= $2) ORDER BY executed_at DESC, id DESC;

-- Executions::get(ExecutionId::from(1))
SELECT id, trade_id, symbol, quantity, price, execution_type, commission, fees, exchange, execution_id, executed_at, metadata_json, realized_pnl, reverses_id, mark FROM executions WHERE id = $1;

-- Executions::get_by_ids(&[ExecutionId::from(1)])
SELECT id, trade_id, symbol, quantity, price, execution_type, commission, fees, exchange, execution_id, executed_at, metadata_json, realized_pnl, reverses_id, mark FROM executions WHERE id = ANY($1);

-- Executions::get_many(FIRST)
SELECT id, trade_id, symbol, quantity, price, execution_type, commission, fees, exchange, execution_id, executed_at, metadata_json, realized_pnl, reverses_id, mark FROM executions ORDER BY executed_at DESC, id DESC LIMIT $1 OFFSET $2;

-- Executions::get_page(None, 2)
SELECT id, trade_id, symbol, quantity, price, execution_type, commission, fees, exchange, execution_id, executed_at, metadata_json, realized_pnl, reverses_id, mark FROM executions ORDER BY executed_at DESC, id DESC LIMIT 3;

-- Executions::get_page(Some(&by_time("executions")), 2)
SELECT id, trade_id, symbol, quantity, price, execution_type, commission, fees, exchange, execution_id, executed_at, metadata_json, realized_pnl, reverses_id, mark FROM executions WHERE (executed_at, id) < ($1, $2) ORDER BY executed_at DESC, id DESC LIMIT 3;

-- Executions::scan(None, 2)
SELECT id, trade_id, symbol, quantity, price, execution_type, commission, fees, exchange, execution_id, executed_at, metadata_json, realized_pnl, reverses_id, mark FROM executions ORDER BY id LIMIT 2;

-- Executions::count()
SELECT count(*) FROM executions;

-- Executions::get_by_trade(TRADE)
SELECT id, trade_id, symbol, quantity, price, execution_type, commission, fees, exchange, execution_id, executed_at, metadata_json, realized_pnl, reverses_id, mark FROM executions WHERE trade_id = $1 ORDER BY executed_at DESC, id DESC;

-- TradingSessions::get(SESSION)
SELECT id, portfolio_id, session_type, status, name, description, max_position_size, max_portfolio_exposure, stop_loss_percentage, take_profit_percentage, starting_capital, current_capital, total_pnl, total_trades, winning_trades, losing_trades, started_at, stopped_at, metadata_json FROM trading_sessions WHERE id = $1;

-- TradingSessions::get_by_ids(&[SESSION])
SELECT id, portfolio_id, session_type, status, name, description, max_position_size, max_portfolio_exposure, stop_loss_percentage, take_profit_percentage, starting_capital, current_capital, total_pnl, total_trades, winning_trades, losing_trades, started_at, stopped_at, metadata_json FROM trading_sessions WHERE id = ANY($1);

-- TradingSessions::get_many(FIRST)
SELECT id, portfolio_id, session_type, status, name, description, max_position_size, max_portfolio_exposure, stop_loss_percentage, take_profit_percentage, starting_capital, current_capital, total_pnl, total_trades, winning_trades, losing_trades, started_at, stopped_at, metadata_json FROM trading_sessions ORDER BY started_at DESC, id DESC LIMIT $1 OFFSET $2;

-- TradingSessions::get_page(None, 2)
SELECT id, portfolio_id, session_type, status, name, description, max_position_size, max_portfolio_exposure, stop_loss_percentage, take_profit_percentage, starting_capital, current_capital, total_pnl, total_trades, winning_trades, losing_trades, started_at, stopped_at, metadata_json FROM trading_sessions ORDER BY started_at DESC, id DESC LIMIT 3;

-- TradingSessions::get_page(Some(&by_time("trading_sessions")), 2)
SELECT id, portfolio_id, session_type, status, name, description, max_position_size, max_portfolio_exposure, stop_loss_percentage, take_profit_percentage, starting_capital, current_capital, total_pnl, total_trades, winning_trades, losing_trades, started_at, stopped_at, metadata_json FROM trading_sessions WHERE (started_at, id) < ($1, $2) ORDER BY started_at DESC, id DESC LIMIT 3;

-- TradingSessions::scan(None, 2)
SELECT id, portfolio_id, session_type, status, name, description, max_position_size, max_portfolio_exposure, stop_loss_percentage, take_profit_percentage, starting_capital, current_capital, total_pnl, total_trades, winning_trades, losing_trades, started_at, stopped_at, metadata_json FROM trading_sessions ORDER BY id LIMIT 2;

-- TradingSessions::count()
SELECT count(*) FROM trading_sessions;

-- TradingSessions::get_by_portfolio(PORTFOLIO, FIRST)
SELECT id, portfolio_id, session_type, status, name, description, max_position_size, max_portfolio_exposure, stop_loss_percentage, take_profit_percentage, starting_capital, current_capital, total_pnl, total_trades, winning_trades, losing_trades, started_at, stopped_at, metadata_json FROM trading_sessions WHERE portfolio_id = $1 ORDER BY started_at DESC, id DESC LIMIT $2 OFFSET $3;

-- TradingSessions::get_by_status(&SessionStatus::Active, FIRST)
SELECT id, portfolio_id, session_type, status, name, description, max_position_size, max_portfolio_exposure, stop_loss_percentage, take_profit_percentage, starting_capital, current_capital, total_pnl, total_trades, winning_trades, losing_trades, started_at, stopped_at, metadata_json FROM trading_sessions WHERE status = $1 ORDER BY started_at DESC, id DESC LIMIT $2 OFFSET $3;

-- TradingSessions::get_active(FIRST)
SELECT id, portfolio_id, session_type, status, name, description, max_position_size, max_portfolio_exposure, stop_loss_percentage, take_profit_percentage, starting_capital, current_capital, total_pnl, total_trades, winning_trades, losing_trades, started_at, stopped_at, metadata_json FROM trading_sessions WHERE status = $1 ORDER BY started_at DESC, id DESC LIMIT $2 OFFSET $3;

-- Portfolios::create(&NewPortfolio::new("second"))
INSERT INTO portfolios (name, description, initial_capital, current_capital, currency, created_at, updated_at, metadata_json) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id, name, description, initial_capital, current_capital, currency, created_at, updated_at, metadata_json;

-- Portfolios::get_for_update(PORTFOLIO)
SELECT id, name, description, initial_capital, current_capital, currency, created_at, updated_at, metadata_json FROM portfolios WHERE id = $1 FOR NO KEY UPDATE;

-- Portfolios::add_current_capital(PORTFOLIO, 1)
SELECT id, name, description, initial_capital, current_capital, currency, created_at, updated_at, metadata_json FROM portfolios WHERE id = $1 FOR NO KEY UPDATE;
UPDATE portfolios SET current_capital = $1, updated_at = greatest($2, updated_at + interval '1 microsecond') WHERE id = $3 RETURNING id, name, description, initial_capital, current_capital, currency, created_at, updated_at, metadata_json;

-- Portfolios::update(PORTFOLIO, PortfolioChanges::new())
SELECT id, name, description, initial_capital, current_capital, currency, created_at, updated_at, metadata_json FROM portfolios WHERE id = $1;

-- Portfolios::update(PORTFOLIO, PortfolioChanges::new().name("new"))
UPDATE portfolios SET name = $1, updated_at = greatest($2, updated_at + interval '1 microsecond') WHERE id = $3 RETURNING id, name, description, initial_capital, current_capital, currency, created_at, updated_at, metadata_json;

-- Portfolios::delete(PortfolioId::from(99))
DELETE FROM portfolios WHERE id = $1;

-- Portfolios::bulk_load(None)

-- Portfolios::sync_sequence()
SELECT setval(sequence, highest) FROM (SELECT pg_get_serial_sequence('portfolios', 'id')::regclass AS sequence, max(id) AS highest FROM portfolios) AS loaded WHERE highest > coalesce(pg_sequence_last_value(sequence), 0);

-- Positions::create(&holding())
INSERT INTO positions (portfolio_id, symbol, quantity, average_cost, current_price, unrealized_pnl, realized_pnl, position_type, entry_date, created_at, updated_at, metadata_json) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING id, portfolio_id, symbol, quantity, average_cost, current_price, unrealized_pnl, realized_pnl, position_type, entry_date, created_at, updated_at, metadata_json;

-- Positions::create_many(&[holding(), NewPosition { symbol: "B".into(), ..holding() }])
INSERT INTO positions (portfolio_id, symbol, quantity, average_cost, current_price, unrealized_pnl, realized_pnl, position_type, entry_date, created_at, updated_at, metadata_json) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING id, portfolio_id, symbol, quantity, average_cost, current_price, unrealized_pnl, realized_pnl, position_type, entry_date, created_at, updated_at, metadata_json;
INSERT INTO positions (portfolio_id, symbol, quantity, average_cost, current_price, unrealized_pnl, realized_pnl, position_type, entry_date, created_at, updated_at, metadata_json) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING id, portfolio_id, symbol, quantity, average_cost, current_price, unrealized_pnl, realized_pnl, position_type, entry_date, created_at, updated_at, metadata_json;

-- Positions::bulk_load(None)

-- Positions::sync_sequence()
SELECT setval(sequence, highest) FROM (SELECT pg_get_serial_sequence('positions', 'id')::regclass AS sequence, max(id) AS highest FROM positions) AS loaded WHERE highest > coalesce(pg_sequence_last_value(sequence), 0);

-- Trades::create(&order())
INSERT INTO trades (portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) RETURNING id, portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl;

-- Trades::create_many(&[order(), order()])
INSERT INTO trades (portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) RETURNING id, portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl;
INSERT INTO trades (portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) RETURNING id, portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl;

-- Trades::get_for_update(TRADE)
SELECT id, portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl FROM trades WHERE id = $1 FOR NO KEY UPDATE;

-- Trades::add_filled_quantity(TRADE, 1)
SELECT id, portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl FROM trades WHERE id = $1 FOR NO KEY UPDATE;
UPDATE trades SET filled_quantity = $1, updated_at = greatest($2, updated_at + interval '1 microsecond') WHERE id = $3 RETURNING id, portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl;

-- Trades::update(TRADE, TradeChanges::new().status(TradeStatus::Filled).limit_price(None))
UPDATE trades SET status = $1, limit_price = $2, updated_at = greatest($3, updated_at + interval '1 microsecond') WHERE id = $4 RETURNING id, portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl;

-- Trades::delete(TradeId::from(99))
DELETE FROM trades WHERE id = $1;

-- Trades::bulk_load(None)

-- Trades::sync_sequence()
SELECT setval(sequence, highest) FROM (SELECT pg_get_serial_sequence('trades', 'id')::regclass AS sequence, max(id) AS highest FROM trades) AS loaded WHERE highest > coalesce(pg_sequence_last_value(sequence), 0);

-- Executions::create(&fill())
INSERT INTO executions (trade_id, symbol, quantity, price, execution_type, commission, fees, exchange, execution_id, executed_at, metadata_json, realized_pnl, reverses_id, mark) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) RETURNING id, trade_id, symbol, quantity, price, execution_type, commission, fees, exchange, execution_id, executed_at, metadata_json, realized_pnl, reverses_id, mark;

-- Executions::bulk_load(Some(&["trade_id", "price"]))

-- TradingSessions::create(&run())
INSERT INTO trading_sessions (portfolio_id, session_type, status, name, description, max_position_size, max_portfolio_exposure, stop_loss_percentage, take_profit_percentage, starting_capital, current_capital, total_pnl, total_trades, winning_trades, losing_trades, started_at, stopped_at, metadata_json) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) RETURNING id, portfolio_id, session_type, status, name, description, max_position_size, max_portfolio_exposure, stop_loss_percentage, take_profit_percentage, starting_capital, current_capital, total_pnl, total_trades, winning_trades, losing_trades, started_at, stopped_at, metadata_json;

-- TradingSessions::add_current_capital(SESSION, 1)
SELECT id, portfolio_id, session_type, status, name, description, max_position_size, max_portfolio_exposure, stop_loss_percentage, take_profit_percentage, starting_capital, current_capital, total_pnl, total_trades, winning_trades, losing_trades, started_at, stopped_at, metadata_json FROM trading_sessions WHERE id = $1 FOR NO KEY UPDATE;
UPDATE trading_sessions SET current_capital = $1 WHERE id = $2 RETURNING id, portfolio_id, session_type, status, name, description, max_position_size, max_portfolio_exposure, stop_loss_percentage, take_profit_percentage, starting_capital, current_capital, total_pnl, total_trades, winning_trades, losing_trades, started_at, stopped_at, metadata_json;

-- TradingSessions::add_total_pnl(SESSION, 1)
SELECT id, portfolio_id, session_type, status, name, description, max_position_size, max_portfolio_exposure, stop_loss_percentage, take_profit_percentage, starting_capital, current_capital, total_pnl, total_trades, winning_trades, losing_trades, started_at, stopped_at, metadata_json FROM trading_sessions WHERE id = $1 FOR NO KEY UPDATE;
UPDATE trading_sessions SET total_pnl = $1 WHERE id = $2 RETURNING id, portfolio_id, session_type, status, name, description, max_position_size, max_portfolio_exposure, stop_loss_percentage, take_profit_percentage, starting_capital, current_capital, total_pnl, total_trades, winning_trades, losing_trades, started_at, stopped_at, metadata_json;

-- TradingSessions::add_total_trades(SESSION, 1)
SELECT id, portfolio_id, session_type, status, name, description, max_position_size, max_portfolio_exposure, stop_loss_percentage, take_profit_percentage, starting_capital, current_capital, total_pnl, total_trades, winning_trades, losing_trades, started_at, stopped_at, metadata_json FROM trading_sessions WHERE id = $1 FOR NO KEY UPDATE;
UPDATE trading_sessions SET total_trades = $1 WHERE id = $2 RETURNING id, portfolio_id, session_type, status, name, description, max_position_size, max_portfolio_exposure, stop_loss_percentage, take_profit_percentage, starting_capital, current_capital, total_pnl, total_trades, winning_trades, losing_trades, started_at, stopped_at, metadata_json;

-- TradingSessions::update(SESSION, TradingSessionChanges::new().status(SessionStatus::Stopped))
UPDATE trading_sessions SET status = $1 WHERE id = $2 RETURNING id, portfolio_id, session_type, status, name, description, max_position_size, max_portfolio_exposure, stop_loss_percentage, take_profit_percentage, starting_capital, current_capital, total_pnl, total_trades, winning_trades, losing_trades, started_at, stopped_at, metadata_json;

-- Trades::update and delete, expecting a version
UPDATE trades SET status = $1, updated_at = greatest($2, updated_at + interval '1 microsecond') WHERE id = $3 AND updated_at = $4 RETURNING id, portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl;
DELETE FROM trades WHERE id = $1 AND updated_at = $2;

-- Executions::repair: update and delete
UPDATE executions SET fees = $1 WHERE id = $2 RETURNING id, trade_id, symbol, quantity, price, execution_type, commission, fees, exchange, execution_id, executed_at, metadata_json, realized_pnl, reverses_id, mark;
DELETE FROM executions WHERE id = $1;

