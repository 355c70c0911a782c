"""SQLAlchemy 2 as a peer of the benchmark: one process, one event loop, questions by standard input.

BENCH_URL is the database. The first line is the questions of each work, as JSON; then each line is a command and is
answered by one line: {"do": "check", "work": 0} or {"do": "slice", "work": 0, "tasks": 16, "seconds": 0.3}.
"""

import asyncio
import json
import os
import sys
import time
from datetime import datetime

from sqlalchemy import event, select, tuple_
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import selectinload

from checksum import Checksum
from models import Execution, Portfolio, Position, Trade
from record import record

CONNECTIONS, NEWEST, PAGE = 4, 100, 50
WRITTEN_AT = datetime(2026, 1, 2, 3, 4, 5, 678901)
NEWEST_FIRST = (Trade.created_at.desc(), Trade.id.desc())


def sessions(url, size, is_immediate=False):
    """A pool; on SQLite its transactions may lock the file before they read."""
    engine = create_async_engine(url, pool_size=size, max_overflow=0)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine.sync_engine, "connect")
        def set_up(connection, _):
            for setting in ("busy_timeout = 30000", "journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
                connection.execute(f"PRAGMA {setting}")
            if is_immediate:
                connection.isolation_level = None

        if is_immediate:

            @event.listens_for(engine.sync_engine, "begin")
            def begin(connection):
                connection.exec_driver_sql("BEGIN IMMEDIATE")

    return async_sessionmaker(engine, expire_on_commit=False)


class Peer:
    def __init__(self, url):
        self.reader = sessions(url, CONNECTIONS)
        # SQLite has one writer at a time.
        self.writer = sessions(url, 1) if url.startswith("sqlite") else self.reader
        self.recorder = sessions(url, 1, is_immediate=True) if url.startswith("sqlite") else self.reader

    async def ask(self, work, on):
        if work == "write":
            return await self.write(on)
        if work == "record":
            return await self.record(on)
        async with self.reader() as session:
            return list(await session.scalars(query(work, on)))

    async def write(self, portfolio):
        async with self.writer.begin() as session:
            session.add(new_trade(portfolio))
        return []

    async def record(self, fill):
        async with self.recorder.begin() as session:
            await record(session, fill, WRITTEN_AT)
        return []


def query(work, on):
    match work:
        case "relations":
            children = (Portfolio.positions, Portfolio.trades, Portfolio.sessions)
            return select(Portfolio).where(Portfolio.id == on).options(*map(selectinload, children))
        case "executions":
            newest = select(Trade).where(Trade.portfolio_id == on).order_by(*NEWEST_FIRST).limit(NEWEST)
            return newest.options(selectinload(Trade.executions))
        case "position":
            held = select(Position).where(Position.portfolio_id == on[0], Position.symbol == on[1])
            return held.order_by(Position.id.desc())
        case "session":
            return select(Trade).where(Trade.session_id == on).order_by(*NEWEST_FIRST)
        case "portfolios":
            some = select(Portfolio).where(Portfolio.id.in_(on)).order_by(Portfolio.id)
            return some.options(selectinload(Portfolio.positions))
        case "page":
            behind = tuple_(Trade.created_at, Trade.id) < (on[0], on[1])
            return select(Trade).where(behind).order_by(*NEWEST_FIRST).limit(PAGE)


def new_trade(portfolio):
    return Trade(
        portfolio_id=portfolio,
        symbol="AAPL",
        action="BUY",
        quantity=100.0,
        order_type="MARKET",
        status="FILLED",
        filled_quantity=100.0,
        average_fill_price=185.25,
        created_at=WRITTEN_AT,
        updated_at=WRITTEN_AT,
        filled_at=WRITTEN_AT,
        executions=[new_execution() for _ in range(2)],
    )


def new_execution():
    return Execution(
        symbol="AAPL",
        quantity=50.0,
        price=185.25,
        execution_type="FILL",
        commission=1.25,
        fees=0.02,
        exchange="NASDAQ",
        executed_at=WRITTEN_AT,
    )


def loaded(work, rows):
    """The rows with the children that were loaded, in the order of the other peers."""
    match work:
        case "relations":
            return [(p, p.positions, p.trades, p.sessions) for p in rows]
        case "executions":
            return [(trade, trade.executions) for trade in rows]
        case "portfolios":
            return [(p, p.positions) for p in rows]
        case _:
            return rows


def parse(question):
    ((work, on),) = question.items()
    if work == "page":
        on = [datetime.fromisoformat(on[0]), on[1]]
    return work, on


async def check(peer, questions):
    checksum = Checksum()
    for work, on in questions:
        checksum.add(loaded(work, await peer.ask(work, on)))
    return {"sum": checksum.sum, "rows": checksum.rows, "texts": checksum.texts}


async def take_turns(peer, questions, task, until):
    turns = 0
    while True:
        work, on = questions[(task + turns) % len(questions)]
        await peer.ask(work, on)
        turns += 1
        if time.perf_counter() >= until:
            return turns


async def slice_(peer, questions, tasks, seconds):
    start, before = time.perf_counter(), time.process_time()
    turns = await asyncio.gather(*(take_turns(peer, questions, task, start + seconds) for task in range(tasks)))
    seconds, processor = time.perf_counter() - start, time.process_time() - before
    return {"turns": sum(turns), "seconds": seconds, "processor": processor}


async def main():
    peer = Peer(os.environ["BENCH_URL"])
    questions = [[parse(question) for question in of_work] for of_work in json.loads(sys.stdin.readline())]
    for line in sys.stdin:
        command = json.loads(line)
        of_work = questions[command["work"]]
        try:
            if command["do"] == "check":
                answer = await check(peer, of_work)
            else:
                answer = await slice_(peer, of_work, command["tasks"], command["seconds"])
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


asyncio.run(main())
