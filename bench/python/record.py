"""Recording a fill with SQLAlchemy: the rows are locked, changed as objects, and committed."""

import itertools
from datetime import datetime, timezone

from sqlalchemy import select

from models import Execution, Portfolio, Position, Trade, TradingSession

COMMISSION, FEES, EXCHANGE = 1.25, 0.02, "NASDAQ"
IDENTIFIERS = itertools.count()


async def record(session, fill, executed_at):
    now = datetime.now(timezone.utc).replace(tzinfo=None)
    execution_id, quantity, price = f"sqlalchemy:{next(IDENTIFIERS)}", float(fill["quantity"]), fill["cents"] / 100
    portfolio = await session.get_one(Portfolio, fill["portfolio"], with_for_update={"key_share": True})
    trade = await session.get_one(Trade, fill["trade"], with_for_update={"key_share": True})
    held = select(Position).where(Position.portfolio_id == portfolio.id, Position.symbol == trade.symbol)
    position = await session.scalar(held.with_for_update())
    trading = trade.session_id and await session.get_one(TradingSession, trade.session_id)
    if await session.scalar(select(Execution.id).where(Execution.execution_id == execution_id)):
        return
    if position is None:
        position = Position(
            portfolio_id=portfolio.id,
            symbol=trade.symbol,
            quantity=0.0,
            average_cost=0.0,
            realized_pnl=0.0,
            position_type="LONG",
            created_at=now,
        )
        session.add(position)

    signed = {"BUY": quantity, "SELL": -quantity}[trade.action]
    filled = trade.filled_quantity + quantity
    if filled > trade.quantity:
        raise ValueError("it fills more than was ordered")
    is_complete = filled == trade.quantity

    profit = change(position, signed, price, executed_at)
    position.updated_at = now
    cash = -signed * price - COMMISSION - FEES
    portfolio.current_capital = money(portfolio.current_capital + cash)
    portfolio.updated_at = now

    before = totals(trade)
    paid = trade.filled_quantity * (trade.average_fill_price or 0.0) + quantity * price
    trade.average_fill_price = paid / filled
    trade.filled_quantity = filled
    trade.realized_pnl = money((trade.realized_pnl or 0.0) + profit)
    trade.status = "FILLED" if is_complete else "PARTIALLY_FILLED"
    if is_complete:
        trade.filled_at = executed_at
    trade.updated_at = now

    if trading:
        after = totals(trade)
        trading.current_capital = money(trading.current_capital + cash)
        trading.total_pnl = money(trading.total_pnl + profit)
        trading.total_trades += after[0] - before[0]
        trading.winning_trades += after[1] - before[1]
        trading.losing_trades += after[2] - before[2]

    execution = Execution(
        trade_id=trade.id,
        symbol=trade.symbol,
        quantity=quantity,
        price=price,
        execution_type="FILL" if is_complete else "PARTIAL_FILL",
        commission=COMMISSION,
        fees=FEES,
        exchange=EXCHANGE,
        execution_id=execution_id,
        executed_at=executed_at,
        realized_pnl=profit,
    )
    session.add(execution)


def change(position, signed, price, executed_at):
    """Buys or sells, and returns the realized profit."""
    held, average = position.quantity, position.average_cost
    quantity = held + signed
    adds, stays = held * signed >= 0, quantity * held > 0
    closed = min(abs(held), abs(signed)) * (1 if held > 0 else -1)
    profit = 0.0 if adds else money(closed * (price - average))
    if quantity == 0:
        position.average_cost = 0.0
    elif adds:
        position.average_cost = (abs(held) * average + abs(signed) * price) / abs(quantity)
    elif not stays:
        position.average_cost = price
    position.quantity, position.current_price = quantity, price
    position.realized_pnl = money(position.realized_pnl + profit)
    position.unrealized_pnl = money(quantity * (price - position.average_cost))
    if quantity != 0:
        position.position_type = "LONG" if quantity > 0 else "SHORT"
        if not stays:
            position.entry_date = executed_at
    return profit


def totals(trade):
    """What an order counts for in its trading session."""
    realized = trade.realized_pnl or 0.0
    return int(trade.filled_quantity > 0), int(realized > 0), int(realized < 0)


def money(amount):
    return round(amount, 2)
