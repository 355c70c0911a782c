use axum::Router;
use axum::extract::State;
use axum::routing::get;
use tallybook::{Database, Settings, one, params};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::backend::budget::Within;
use crate::program::{Answer, head};

async fn ask_twice(State(db): State<Database>) -> String {
    let mut session = db.read().await.unwrap();
    session.run(one::<(i64,)>("SELECT 1", params![])).await.unwrap();
    let (answer,) = session.run(one::<(i64,)>("SELECT 42", params![])).await.unwrap();
    answer.to_string()
}

#[tokio::test]
async fn an_endpoint_that_exceeds_its_budget_fails_with_its_statements() {
    let db = Database::open(Settings::new("sqlite::memory:").unwrap()).await.unwrap();
    let router = Router::new()
        .route("/within", get(ask_twice).within(2, 2))
        .route("/statements", get(ask_twice).within(1, 2))
        .route("/round_trips", get(ask_twice).within(2, 1))
        .with_state(db);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, router).into_future());
    let answer = async |path: &str| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head("GET", path, &[], 0).as_bytes()).await.unwrap();
        Answer::read(&mut stream).await
    };
    assert_eq!(answer("/within").await.expect(200), 42);
    for (path, problem) in [
        ("/statements", "GET /statements exceeded its query budget:\n- 2 statements, at most 1 allowed\n"),
        ("/round_trips", "GET /round_trips exceeded its query budget:\n- 2 round trips, at most 1 allowed\n"),
    ] {
        let exceeded = answer(path).await;
        assert!(exceeded.status == 500 && exceeded.body.starts_with(problem), "{}", exceeded.body);
    }
}
