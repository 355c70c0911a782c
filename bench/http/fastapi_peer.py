"""The endpoints that are measured, as FastAPI and SQLAlchemy programs have them."""

import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "python"))

from fastapi import Body, FastAPI
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import selectinload

from models import Portfolio, Position, Trade

engine = create_async_engine(os.environ["PEER_URL"], pool_size=5, max_overflow=10)
session_of = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
app = FastAPI()


def row(of):
    return {column.name: getattr(of, column.name) for column in of.__table__.columns}


@app.get("/v1/portfolios/{id}")
async def whole(id: int):
    loads = [selectinload(relation) for relation in (Portfolio.positions, Portfolio.trades, Portfolio.sessions)]
    async with session_of() as session:
        found = (await session.execute(select(Portfolio).where(Portfolio.id == id).options(*loads))).scalar_one()
        names = ("positions", "trades", "sessions")
        return row(found) | {name: [row(of) for of in getattr(found, name)] for name in names}


@app.get("/v1/trades")
async def trades(portfolio_id: int, limit: int = 50):
    query = select(Trade).where(Trade.portfolio_id == portfolio_id)
    query = query.order_by(Trade.created_at.desc(), Trade.id.desc()).limit(limit + 1)
    async with session_of() as session:
        return {"rows": [row(of) for of in (await session.scalars(query)).all()[:limit]]}


@app.get("/v1/positions")
async def positions(portfolio_id: int, symbol: str):
    query = select(Position).where(Position.portfolio_id == portfolio_id, Position.symbol == symbol).limit(51)
    async with session_of() as session:
        return {"rows": [row(of) for of in (await session.scalars(query)).all()]}


@app.patch("/v1/positions/{id}")
async def price(id: int, current_price: str = Body(embed=True)):
    async with session_of.begin() as session:
        position = await session.get_one(Position, id)
        position.current_price = float(current_price)
        await session.flush()
        return row(position)
