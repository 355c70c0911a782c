//! `PUT /v1/trades/{id}/status`: the status of an order, as its venue reports it.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::put;
use serde::Deserialize;
use tallybook::book::{Trade, TradeId, TradeStatus, Trades};
use tallybook::{Decode, SqlType, WriteSession};

use crate::access::Scope;
use crate::app::App;
use crate::change::{Change, ChangeRequest, Made};
use crate::endpoint::{Endpoint, Success};
use crate::openapi::schema;
use crate::request::field::{Field, checked, decode};
use crate::request::{Kind, PathId, Problem, object};

/// The fields of a new status.
pub(crate) const STATUS_FIELDS: &[Field] = &[Field::given(
    "status",
    SqlType::Text,
    "The status. `FILLED` and `PARTIALLY_FILLED` follow from fills alone; a word that the book does not know is stored.",
)
.max(20)
.words(<TradeStatus as Decode>::WORDS)
.required()];

#[derive(Deserialize)]
struct StatusBody {
    status: TradeStatus,
}

struct NewStatus {
    trade: TradeId,
    status: TradeStatus,
}

impl Change for NewStatus {
    async fn make(&self, session: &mut WriteSession) -> Result<Made, Problem> {
        let trade = Trades::new(session).set_status(self.trade, self.status.clone()).await?;
        Made::row(StatusCode::OK, &trade)
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint {
        method: Method::PUT,
        path: "/v1/trades/{id}/status".to_owned(),
        tag: "trades",
        name: "setTradeStatus".to_owned(),
        summary: "Sets the status of a trade".to_owned(),
        docs: "As its venue reports it, unless its fills or its end contradict it.".to_owned(),
        scope: Some(Scope::Write),
        // The looks for an earlier answer before and, in a conflict, after; the locked row, the change, and the journal.
        most: (5, 5),
        streams: false,
        parameters: vec![schema::id_parameter(), schema::key_header(false)],
        body: Some(schema::reference("NewStatus")),
        answers: vec![Success {
            status: StatusCode::OK,
            docs: "The trade as it is now",
            body: Some(("application/json", schema::reference("Trade"))),
            headers: &["ETag", "X-Tallybook-Token"],
        }],
        problems: vec![Kind::BAD_PARAMETER, Kind::NOT_FOUND, Kind::CONFLICT],
        handler: put(set_status),
    }]
}

async fn set_status(
    State(app): State<App>,
    PathId(trade): PathId<Trade>,
    request: ChangeRequest,
) -> Result<Response, Problem> {
    let body: StatusBody = decode(checked(object(request.json()?)?, STATUS_FIELDS)?)?;
    request.run(&app, &NewStatus { trade, status: body.status }).await
}
