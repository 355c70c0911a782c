//! What a program can do that depends on `tallybook` alone: it compiles, so the macros name nothing else.

#[cfg(test)]
mod own_tables;

#[cfg(test)]
mod tests {
    use tallybook::{Database, Settings, WriteSession};
    use tallybook::{Row, all, execute, params};

    #[derive(Debug, PartialEq, Row)]
    struct Note {
        id: i64,
        #[row(max = 20)]
        title: String,
        #[row(name = "stars")]
        rating: Option<i64>,
    }

    async fn with_a_note() -> Database {
        let db = Database::open(Settings::new("sqlite::memory:").unwrap()).await.unwrap();
        db.write(async |session: &mut WriteSession| {
            let create = "CREATE TABLE notes (id integer PRIMARY KEY, title text NOT NULL, stars integer)";
            session.run(execute(create, params![])).await?;
            let note = Note { id: 7, title: "first".to_owned(), rating: Some(3) };
            session.run(execute("INSERT INTO notes VALUES ($1, $2, $3)", note.encode())).await
        })
        .await
        .unwrap();
        db
    }

    #[tokio::test]
    async fn a_struct_of_its_own_is_read_and_written() {
        let db = with_a_note().await;
        let list = format!("SELECT {} FROM notes", Note::COLUMN_LIST);
        let notes = db.read().await.unwrap().run(all::<Note>(list, params![])).await.unwrap();
        assert_eq!(notes, [Note { id: 7, title: "first".to_owned(), rating: Some(3) }]);
        let long = Note { id: 8, title: "x".repeat(21), rating: None };
        assert!(long.encode().unwrap_err().is_invalid_value());
    }

    #[tallybook::max_queries(4)]
    #[tokio::test]
    async fn a_budget_is_kept() {
        with_a_note().await;
    }
}
