//! `POST /v1/trades/{id}/executions`, `POST /v1/executions/batch` and `POST /v1/reversals`: executions, each recorded once.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::post;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tallybook::book::{Execution, Fill, Position, Recorded, Reversal, Trade, TradeId, Trades};
use tallybook::{SqlType, WriteSession, now};

use crate::access::Scope;
use crate::app::App;
use crate::change::{Change, ChangeRequest, Made};
use crate::endpoint::{Endpoint, Success};
use crate::openapi::schema;
use crate::request::field::{Field, checked, checked_rows, decode, decode_rows};
use crate::request::{Kind, PathId, Problem, object, objects};
use crate::resource::MAX_ROWS;

const TRADE_ID: Field = Field::given("trade_id", SqlType::Int, "The trade that is filled.").required();
const EXECUTION_ID: Field = Field::given(
    "execution_id",
    SqlType::Text,
    "The venue's identifier. The same one with the same content is recorded once, however often it is sent.",
)
.max(100)
.not_blank()
.required();
const EXECUTED_AT: Field =
    Field::given("executed_at", SqlType::Timestamp, "Time of the execution; now by default.");
const METADATA: Field =
    Field::given("metadata_json", SqlType::Text, "Additional data, as JSON text.").nullable();

/// The fields of a fill, in the body of its trade.
pub(crate) const FILL_FIELDS: &[Field] = &[
    EXECUTION_ID,
    Field::given("quantity", SqlType::Decimal, "Executed quantity, more than zero.").above_zero().required(),
    Field::given("price", SqlType::Decimal, "Price per unit, in the portfolio's currency.").required(),
    Field::given(
        "commission",
        SqlType::Decimal,
        "Broker's commission, in the portfolio's currency; 0 by default.",
    ),
    Field::given("fees", SqlType::Decimal, "Other fees, in the portfolio's currency; 0 by default."),
    Field::given("exchange", SqlType::Text, "Name of the exchange.").max(50).nullable(),
    EXECUTED_AT,
    METADATA,
    Field::given(
        "accept_over_fill",
        SqlType::Bool,
        "Records a fill beyond the quantity of the trade, and marks it; false by default.",
    ),
];

/// The fields of a reversal.
pub(crate) const REVERSAL_FIELDS: &[Field] = &[
    Field::given("reverses", SqlType::Text, "The venue's identifier of the execution to take back.")
        .max(100)
        .not_blank()
        .required(),
    EXECUTION_ID,
    EXECUTED_AT,
    METADATA,
];

/// Returns the fields of a fill that names its trade.
pub(crate) fn batch_fields() -> Vec<Field> {
    [TRADE_ID].iter().chain(FILL_FIELDS).copied().collect()
}

/// A fill, as clients send it.
#[derive(Deserialize)]
struct FillBody {
    trade_id: Option<TradeId>,
    execution_id: String,
    quantity: Decimal,
    price: Decimal,
    #[serde(default)]
    commission: Decimal,
    #[serde(default)]
    fees: Decimal,
    exchange: Option<String>,
    executed_at: Option<DateTime<Utc>>,
    metadata_json: Option<String>,
    #[serde(default)]
    accept_over_fill: bool,
}

impl FillBody {
    /// Returns the fill, of the trade in the body or of `trade`.
    fn fill(self, trade: TradeId) -> Fill {
        Fill {
            commission: self.commission,
            fees: self.fees,
            exchange: self.exchange,
            executed_at: self.executed_at.unwrap_or_else(now),
            metadata_json: self.metadata_json,
            accept_over_fill: self.accept_over_fill,
            ..Fill::new(self.trade_id.unwrap_or(trade), self.execution_id, self.quantity, self.price)
        }
    }
}

#[derive(Deserialize)]
struct ReversalBody {
    reverses: String,
    execution_id: String,
    executed_at: Option<DateTime<Utc>>,
    metadata_json: Option<String>,
}

/// The rows that a fill changed, as clients see them.
#[derive(Serialize)]
struct RecordedBody<'a> {
    execution: &'a Execution,
    trade: &'a Trade,
    position: Option<&'a Position>,
    is_repeat: bool,
}

impl<'a> From<&'a Recorded> for RecordedBody<'a> {
    fn from(recorded: &'a Recorded) -> Self {
        Self {
            execution: &recorded.execution,
            trade: &recorded.trade,
            position: recorded.position.as_ref(),
            is_repeat: recorded.is_repeat,
        }
    }
}

/// The status of a recorded execution: 200 if it was recorded before.
fn status(recorded: &Recorded) -> StatusCode {
    if recorded.is_repeat { StatusCode::OK } else { StatusCode::CREATED }
}

impl Change for Fill {
    async fn make(&self, session: &mut WriteSession) -> Result<Made, Problem> {
        let recorded = Trades::new(session).record(self).await?;
        Made::new(status(&recorded), &RecordedBody::from(&recorded))
    }
}

impl Change for Vec<Fill> {
    async fn make(&self, session: &mut WriteSession) -> Result<Made, Problem> {
        let recorded = Trades::new(session).record_many(self).await?;
        let rows: Vec<_> = recorded.iter().map(RecordedBody::from).collect();
        Made::new(StatusCode::OK, &json!({ "rows": rows }))
    }
}

impl Change for Reversal {
    async fn make(&self, session: &mut WriteSession) -> Result<Made, Problem> {
        let recorded = Trades::new(session).reverse(self).await?;
        Made::new(status(&recorded), &RecordedBody::from(&recorded))
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let recorded = || Some(("application/json", schema::reference("Recorded")));
    let answers = || {
        [(StatusCode::CREATED, "It is recorded"), (StatusCode::OK, "It was recorded before")]
            .map(|(status, docs)| Success { status, docs, body: recorded(), headers: &["X-Tallybook-Token"] })
    };
    let docs = "The execution, its trade, its position, the portfolio's cash and the totals of the trading session change \
        together. Sending it again changes nothing; other content under the same `execution_id` is refused.";
    let endpoint = |path: &str, name: &str, summary: &str, body, handler| Endpoint {
        method: Method::POST,
        path: path.to_owned(),
        tag: "executions",
        name: name.to_owned(),
        summary: summary.to_owned(),
        docs: docs.to_owned(),
        scope: Some(Scope::Write),
        // The looks for an earlier answer before and, in a conflict, after; two pipelines of the record, and the journal.
        most: (17, 5),
        streams: false,
        parameters: vec![schema::key_header(false)],
        body: Some(body),
        answers: answers().into(),
        problems: vec![Kind::BAD_PARAMETER, Kind::NOT_FOUND, Kind::CONFLICT],
        handler,
    };
    let mut one = endpoint(
        "/v1/trades/{id}/executions",
        "recordExecution",
        "Records a fill of a trade",
        schema::reference("Fill"),
        post(record),
    );
    one.parameters.insert(0, schema::id_parameter());
    let batch = json!({ "type": "array", "items": schema::reference("FillOfTrade"), "minItems": 1, "maxItems": MAX_ROWS });
    let mut many = endpoint(
        "/v1/executions/batch",
        "recordExecutions",
        "Records up to 1000 fills in their order, all or none",
        batch,
        post(record_many),
    );
    many.most = (3 + 6 * MAX_ROWS as u64, 5);
    many.answers = vec![Success {
        status: StatusCode::OK,
        docs: "What each fill changed, in the order of the request",
        body: Some(("application/json", schema::rows("Recorded"))),
        headers: &["X-Tallybook-Token"],
    }];
    let reversal = endpoint(
        "/v1/reversals",
        "reverseExecution",
        "Records that an execution is taken back",
        schema::reference("Reversal"),
        post(reverse),
    );
    vec![one, many, reversal]
}

async fn record(
    State(app): State<App>,
    PathId(trade): PathId<Trade>,
    request: ChangeRequest,
) -> Result<Response, Problem> {
    let fill: FillBody = decode(checked(object(request.json()?)?, FILL_FIELDS)?)?;
    request.run(&app, &fill.fill(trade)).await
}

async fn record_many(State(app): State<App>, request: ChangeRequest) -> Result<Response, Problem> {
    let bodies: Vec<FillBody> =
        decode_rows(checked_rows(objects(request.json()?, MAX_ROWS)?, &batch_fields())?)?;
    // Each names its trade: the field is required here.
    let fills: Vec<_> = bodies.into_iter().map(|body| body.fill(TradeId::new(0))).collect();
    request.run(&app, &fills).await
}

async fn reverse(State(app): State<App>, request: ChangeRequest) -> Result<Response, Problem> {
    let body: ReversalBody = decode(checked(object(request.json()?)?, REVERSAL_FIELDS)?)?;
    let reversal = Reversal {
        executed_at: body.executed_at.unwrap_or_else(now),
        metadata_json: body.metadata_json,
        ..Reversal::new(body.reverses, body.execution_id)
    };
    request.run(&app, &reversal).await
}
