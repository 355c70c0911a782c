//! Tallybook as it comes: monitoring and pre-ping are on. Numbers are `Decimal`, words are enums.

use anyhow::{Context, Result, bail};
use rust_decimal::Decimal;
use tallybook::book::{
    Action, Cursor, Execution, ExecutionId, ExecutionType, Fill, FillMark, NewExecution, NewTrade, OrderType,
    Portfolio, PortfolioId, PortfolioWithPositions, PortfolioWithRelations, Portfolios, Position, PositionId,
    PositionType, Positions, SessionStatus, SessionType, Trade, TradeId, TradeStatus, TradeWithExecutions,
    Trades, TradingSession, TradingSessionId,
};
use tallybook::tables::Table;
use tallybook::{Database, Explainer, Session};

use crate::book::by_hand::Identifiers;
use crate::book::checksum::{Checksum, Loaded, Summed, loaded};
use crate::book::contestant::Peer;
use crate::book::rows::Answer;
use crate::book::work::{self, NEWEST, PAGE, Question};
use crate::book::written;
use crate::connections::settings;

/// [`written::COMMISSION`].
const COMMISSION: Decimal = Decimal::from_parts(125, 0, 0, false, 2);
/// [`written::FEES`].
const FEES: Decimal = Decimal::from_parts(2, 0, 0, false, 2);

pub(super) struct Tallybook {
    database: Database,
    identifiers: Identifiers,
}

impl Tallybook {
    pub(super) async fn open(url: &str) -> Result<Self> {
        let database = Database::open(settings(url)?).await?;
        Ok(Self { database, identifiers: Identifiers::of("tallybook") })
    }

    /// On the same connections.
    pub(super) fn first_page(&self) -> FirstPage {
        FirstPage(self.database.clone())
    }

    /// On the same connections.
    pub(super) fn planner(&self) -> Planner {
        Planner(self.database.clone())
    }

    async fn write(&self, portfolio: PortfolioId) -> Result<Loads> {
        let trade = new_trade(portfolio)?;
        let written =
            self.database.write_batch_then(Trade::insert(&trade), |trade| -> tallybook::Result<_> {
                let executions: Vec<_> = (0..written::PARTS).map(|_| new_execution(&trade)).collect();
                Ok((Execution::insert_many(&executions), ()))
            });
        written.await?;
        Ok(Answer::Written)
    }

    async fn record(&self, fill: &work::Fill) -> Result<Loads> {
        let price = Decimal::new(fill.cents.into(), 2);
        let fill =
            Fill::new(i64::from(fill.trade).into(), self.identifiers.next(), fill.quantity.into(), price)
                .commission(COMMISSION)
                .fees(FEES)
                .exchange(written::EXCHANGE)
                .executed_at(written::time().and_utc());
        self.database.write(async |session| Trades::new(session).record(&fill).await).await?;
        Ok(Answer::Written)
    }
}

/// What its loads return.
type Loads = Answer<PortfolioWithRelations, TradeWithExecutions, Position, Trade, PortfolioWithPositions>;

impl Peer for Tallybook {
    type Answer = Loads;

    const RECORDS: bool = true;

    async fn ask(&self, question: &Question) -> Result<Loads> {
        if let Question::Write(portfolio) = question {
            return self.write(PortfolioId::new((*portfolio).into())).await;
        }
        if let Question::Record(fill) = question {
            return self.record(fill).await;
        }
        let mut session = self.database.read().await?;
        read(&mut session, question).await
    }
}

/// Asks a question that only reads.
async fn read(session: &mut impl Session, question: &Question) -> Result<Loads> {
    Ok(match question {
        Question::Relations(id) => Answer::Relations(
            Portfolios::new(session)
                .get_with_all_relations(PortfolioId::new((*id).into()))
                .await?
                .context("none")?,
        ),
        Question::Executions(id) => Answer::Executions(
            Trades::new(session)
                .get_by_portfolio_with_executions(PortfolioId::new((*id).into()), NEWEST as u32)
                .await?,
        ),
        Question::Position(id, symbol) => Answer::Positions(
            Positions::new(session).get_by_symbol(PortfolioId::new((*id).into()), symbol).await?,
        ),
        Question::Session(id) => {
            Answer::Trades(Trades::new(session).get_by_session(TradingSessionId::new((*id).into())).await?)
        }
        Question::Portfolios(ids) => {
            let ids: Vec<_> = ids.iter().map(|id| PortfolioId::new((*id).into())).collect();
            Answer::Portfolios(Portfolios::new(session).get_many_with_positions(&ids).await?)
        }
        Question::Page(time, id) => {
            let cursor = format!("trades.{}.{id}", time.and_utc().timestamp_micros());
            let cursor: Cursor<_> = cursor.parse()?;
            Answer::Trades(Trades::new(session).get_page(Some(&cursor), PAGE as u32).await?.rows)
        }
        Question::Write(_) | Question::Record(_) => bail!("a write is no read"),
    })
}

/// Asks for the plans of what Tallybook reads.
pub(in crate::book) struct Planner(Database);

impl Planner {
    /// The plan of a question's statements, a step a line, without values.
    pub(in crate::book) async fn outline(&self, question: &Question) -> Result<String> {
        let mut session = self.0.read().await?;
        let mut explainer = Explainer::new(&mut session);
        read(&mut explainer, question).await?;
        Ok(explainer.plan().outline.clone())
    }
}

/// Reads the first page of all trades, whatever it is asked.
pub(super) struct FirstPage(Database);

impl Peer for FirstPage {
    type Answer = Vec<Trade>;

    async fn ask(&self, _: &Question) -> Result<Vec<Trade>> {
        let mut session = self.0.read().await?;
        Ok(Trades::new(&mut session).get_page(None, PAGE as u32).await?.rows)
    }
}

fn new_trade(portfolio: PortfolioId) -> Result<NewTrade> {
    let quantity = Decimal::try_from(written::QUANTITY)?;
    Ok(NewTrade {
        status: TradeStatus::Filled,
        filled_quantity: quantity,
        average_fill_price: Some(Decimal::try_from(written::PRICE)?),
        created_at: written::time().and_utc(),
        updated_at: written::time().and_utc(),
        filled_at: Some(written::time().and_utc()),
        ..NewTrade::market(portfolio, Action::Buy, written::SYMBOL, quantity)
    })
}

fn new_execution(trade: &Trade) -> NewExecution {
    let part = trade.quantity / Decimal::from(written::PARTS);
    NewExecution {
        commission: COMMISSION,
        fees: FEES,
        exchange: Some(written::EXCHANGE.to_owned()),
        executed_at: written::time().and_utc(),
        ..NewExecution::new(trade.id, written::SYMBOL, part, trade.average_fill_price.unwrap_or_default())
    }
}

loaded!(Portfolio, Position, Trade, Execution, TradingSession);

impl Loaded for PortfolioWithRelations {
    fn add_to(&self, sum: &mut Checksum) {
        self.portfolio.add_to(sum);
        self.positions.add_to(sum);
        self.trades.add_to(sum);
        self.sessions.add_to(sum);
    }
}

impl Loaded for TradeWithExecutions {
    fn add_to(&self, sum: &mut Checksum) {
        self.trade.add_to(sum);
        self.executions.add_to(sum);
    }
}

impl Loaded for PortfolioWithPositions {
    fn add_to(&self, sum: &mut Checksum) {
        self.portfolio.add_to(sum);
        self.positions.add_to(sum);
    }
}

macro_rules! identifiers {
    ($($id:ty),+) => {$(
        impl Summed for $id {
            fn add_to(&self, sum: &mut Checksum) {
                self.get().add_to(sum);
            }
        }
    )+};
}

macro_rules! words {
    ($($word:ty),+) => {$(
        impl Summed for $word {
            /// As the text that the column holds; it owns none.
            fn add_to(&self, sum: &mut Checksum) {
                let texts = sum.texts;
                self.as_str().to_owned().add_to(sum);
                sum.texts = texts;
            }
        }
    )+};
}

identifiers!(PortfolioId, PositionId, TradeId, ExecutionId, TradingSessionId);
words!(Action, OrderType, TradeStatus, ExecutionType, FillMark, PositionType, SessionType, SessionStatus);
