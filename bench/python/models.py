"""The book's tables as SQLAlchemy knows them."""

from datetime import datetime
from typing import Optional

from sqlalchemy import Float, ForeignKey, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    type_annotation_map = {float: Float, str: Text}


class Portfolio(Base):
    __tablename__ = "portfolios"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    description: Mapped[Optional[str]]
    initial_capital: Mapped[float]
    current_capital: Mapped[float]
    currency: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    metadata_json: Mapped[Optional[str]]

    positions: Mapped[list["Position"]] = relationship(order_by="Position.id.desc()")
    trades: Mapped[list["Trade"]] = relationship(order_by="Trade.created_at.desc(), Trade.id.desc()")
    sessions: Mapped[list["TradingSession"]] = relationship(
        order_by="TradingSession.started_at.desc(), TradingSession.id.desc()"
    )


class Position(Base):
    __tablename__ = "positions"

    id: Mapped[int] = mapped_column(primary_key=True)
    portfolio_id: Mapped[int] = mapped_column(ForeignKey("portfolios.id"))
    symbol: Mapped[str]
    quantity: Mapped[float]
    average_cost: Mapped[float]
    current_price: Mapped[float]
    unrealized_pnl: Mapped[float]
    realized_pnl: Mapped[float]
    position_type: Mapped[str]
    entry_date: Mapped[Optional[datetime]]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    metadata_json: Mapped[Optional[str]]


class Trade(Base):
    __tablename__ = "trades"

    id: Mapped[int] = mapped_column(primary_key=True)
    portfolio_id: Mapped[int] = mapped_column(ForeignKey("portfolios.id"))
    session_id: Mapped[Optional[int]] = mapped_column(ForeignKey("trading_sessions.id"))
    symbol: Mapped[str]
    action: Mapped[str]
    quantity: Mapped[float]
    order_type: Mapped[str]
    limit_price: Mapped[Optional[float]]
    stop_price: Mapped[Optional[float]]
    status: Mapped[str]
    filled_quantity: Mapped[float]
    average_fill_price: Mapped[Optional[float]]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    filled_at: Mapped[Optional[datetime]]
    decision_rationale: Mapped[Optional[str]]
    confidence_score: Mapped[Optional[float]]
    metadata_json: Mapped[Optional[str]]
    realized_pnl: Mapped[Optional[float]]

    executions: Mapped[list["Execution"]] = relationship(
        order_by="Execution.executed_at.desc(), Execution.id.desc()"
    )


class Execution(Base):
    __tablename__ = "executions"

    id: Mapped[int] = mapped_column(primary_key=True)
    trade_id: Mapped[int] = mapped_column(ForeignKey("trades.id"))
    symbol: Mapped[str]
    quantity: Mapped[float]
    price: Mapped[float]
    execution_type: Mapped[str]
    commission: Mapped[float]
    fees: Mapped[float]
    exchange: Mapped[Optional[str]]
    execution_id: Mapped[Optional[str]]
    executed_at: Mapped[datetime]
    metadata_json: Mapped[Optional[str]]
    realized_pnl: Mapped[Optional[float]]
    reverses_id: Mapped[Optional[int]] = mapped_column(ForeignKey("executions.id"))
    mark: Mapped[Optional[str]]


class TradingSession(Base):
    __tablename__ = "trading_sessions"

    id: Mapped[int] = mapped_column(primary_key=True)
    portfolio_id: Mapped[int] = mapped_column(ForeignKey("portfolios.id"))
    session_type: Mapped[str]
    status: Mapped[str]
    name: Mapped[Optional[str]]
    description: Mapped[Optional[str]]
    max_position_size: Mapped[Optional[float]]
    max_portfolio_exposure: Mapped[Optional[float]]
    stop_loss_percentage: Mapped[Optional[float]]
    take_profit_percentage: Mapped[Optional[float]]
    starting_capital: Mapped[float]
    current_capital: Mapped[float]
    total_pnl: Mapped[float]
    total_trades: Mapped[int]
    winning_trades: Mapped[int]
    losing_trades: Mapped[int]
    started_at: Mapped[datetime]
    stopped_at: Mapped[Optional[datetime]]
    metadata_json: Mapped[Optional[str]]
