//! `GET /v1/trades.csv`: all rows that match, streamed.

use std::fmt::Display;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::json;
use tallybook::tables::{Filter, Repository};
use tallybook::{ReadSession, Scope};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::filter::{described, filter};
use super::{Resource, base, path};
use crate::app::App;
use crate::endpoint::{Endpoint, Success};
use crate::openapi::schema;
use crate::request::{Consistency, Kind, Parameters, Problem};

/// Bytes of a piece of the answer.
const PIECE: usize = 64 * 1024;
/// Pieces that wait for a slow client. More rows are not read meanwhile.
const PIECES_AHEAD: usize = 2;

pub(super) fn endpoint<T: Resource>() -> Endpoint {
    let name = format!("export{}s", T::ROW);
    let mut endpoint = base::<T>(Method::GET, path::<T>(".csv"), name, get(export::<T>));
    endpoint.summary = format!("Exports {}s as CSV", T::NOUN);
    endpoint.docs = "All rows that match, in the order of their identifiers, one snapshot. They are streamed; a connection that \
        ends before the last row ends without the last chunk, so an incomplete file is noticed."
        .to_owned();
    endpoint.streams = true;
    endpoint.parameters = described::<T>().collect();
    endpoint.parameters.extend(schema::token_header());
    endpoint.answers = vec![Success {
        status: StatusCode::OK,
        docs: "A header line with the columns, and a line for each row",
        body: Some(("text/csv", json!({ "type": "string" }))),
        headers: &[],
    }];
    endpoint
}

async fn export<T: Resource>(
    State(app): State<App>,
    consistency: Consistency,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let filter = filter::<T>(&mut parameters);
    parameters.finish()?;
    let session = consistency.read(&app).await?;
    let (pieces, mut received) = mpsc::channel(PIECES_AHEAD);
    let sending =
        send::<T>(session, filter, Pieces { sender: pieces, limit: app.settings().body_time_limit });
    match Scope::current() {
        Some(scope) => tokio::spawn(async move { scope.run(sending).await }),
        None => tokio::spawn(sending),
    };
    // The first piece decides between an answer and a problem.
    let first = received.recv().await.unwrap_or_else(|| Err(unwritable("the export ended early")))?;
    let more = (!first.is_last).then_some(received);
    let rest = stream::unfold(more, async |more| {
        let mut received = more?;
        Some(match received.recv().await {
            Some(Ok(piece)) => (Ok(piece.bytes), (!piece.is_last).then_some(received)),
            // Without its last piece the file is not complete, whatever became of the sender.
            Some(Err(_)) | None => {
                (Err(std::io::Error::other("the export failed; the log has the reason")), None)
            }
        })
    });
    // The compression asks once more after the end.
    let all = stream::iter([Ok(first.bytes)]).chain(rest).fuse();
    let mut response = Body::from_stream(all).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    if let Ok(name) = HeaderValue::try_from(format!("attachment; filename=\"{}.csv\"", T::PATH)) {
        headers.insert(CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

/// Sends the rows, until they end or the client goes away.
async fn send<T: Resource>(mut session: ReadSession, filter: Filter, pieces: Pieces) {
    let result = send_rows::<T>(&mut session, filter, &pieces).await;
    // Others need the connection more than a client that is told how its export ended.
    drop(session);
    if let Err(problem) = result {
        // The client is told by the end of the connection, or by an answer if nothing was sent yet.
        pieces.send(Err(problem)).await;
    }
}

async fn send_rows<T: Resource>(
    session: &mut ReadSession,
    filter: Filter,
    pieces: &Pieces,
) -> Result<(), Problem> {
    let mut repository = Repository::<_, T>::new(session);
    let mut rows = repository.stream(filter).await?;
    let mut csv = writer();
    csv.write_record(T::COLUMNS.iter().map(|column| column.name)).map_err(unwritable)?;
    while let Some(row) = rows.next().await {
        csv.serialize(row?).map_err(unwritable)?;
        if csv.get_ref().len() >= PIECE {
            let full = std::mem::replace(&mut csv, writer());
            if !pieces.send(Ok(Piece::of(full, false)?)).await {
                return Ok(());
            }
        }
    }
    pieces.send(Ok(Piece::of(csv, true)?)).await;
    Ok(())
}

/// Where the pieces of a file go.
struct Pieces {
    sender: mpsc::Sender<Result<Piece, Problem>>,
    /// The time in which the client must take a piece. A connection of the pool is held for it meanwhile.
    limit: Duration,
}

impl Pieces {
    /// Sends a piece. Returns false if the client is gone or takes none.
    async fn send(&self, piece: Result<Piece, Problem>) -> bool {
        match timeout(self.limit, self.sender.send(piece)).await {
            Ok(sent) => sent.is_ok(),
            Err(_) => {
                tracing::warn!(target: "tallybook::server", "an export was ended: its client does not read it");
                false
            }
        }
    }
}

/// A part of the file.
struct Piece {
    bytes: Bytes,
    is_last: bool,
}

impl Piece {
    fn of(csv: csv::Writer<Vec<u8>>, is_last: bool) -> Result<Self, Problem> {
        let bytes = csv.into_inner().map_err(|error| unwritable(error.error()))?;
        Ok(Self { bytes: bytes.into(), is_last })
    }
}

fn writer() -> csv::Writer<Vec<u8>> {
    csv::WriterBuilder::new().has_headers(false).from_writer(Vec::with_capacity(PIECE))
}

fn unwritable(reason: impl Display) -> Problem {
    tracing::error!(target: "tallybook::server", %reason, "a row cannot be written as CSV");
    Problem::new(Kind::INTERNAL, "a row cannot be written as CSV")
}
