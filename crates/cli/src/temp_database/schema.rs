//! A temporary schema in a PostgreSQL database.

use anyhow::{Context, Result, bail, ensure};
use tallybook::{Database, Settings};
use tallybook::{execute, one, params};

use super::name::name;
use crate::database::open_for_benchmark;

/// Keeps the URL of the database in which it has to be dropped.
pub(super) struct Schema {
    database: Database,
    name: String,
}

impl Schema {
    /// Creates the schema, and opens a database whose connections all see only this schema.
    pub(super) async fn create(url: &str, settings: &Settings) -> Result<(Self, Database)> {
        let schema = Self { database: open_for_benchmark(url, settings).await?, name: name() };
        schema.check_permission().await?;
        schema.execute(format!("CREATE SCHEMA {}", schema.name)).await?;
        match schema.open(url, settings).await {
            Ok(db) => Ok((schema, db)),
            Err(error) => {
                schema.remove().await?;
                Err(error)
            }
        }
    }

    pub(super) async fn remove(self) -> Result<()> {
        let dropped = self.execute(format!("DROP SCHEMA {} CASCADE", self.name)).await;
        self.database.close().await;
        dropped.with_context(|| format!("the schema {} could not be dropped; drop it by hand", self.name))
    }

    async fn check_permission(&self) -> Result<()> {
        let asked = "SELECT has_database_privilege(current_database(), 'CREATE'), \
             quote_ident(current_database()), quote_ident(current_user)";
        let asked = one::<(bool, String, String)>(asked, params![]);
        let (may, database, user) = self.database.read().await?.run(asked).await?;
        if !may {
            bail!(
                "{user} may not create a schema in {database}, and a benchmark needs one of its own\n\
                 next: GRANT CREATE ON DATABASE {database} TO {user}, or --database with one that may be tried in"
            );
        }
        Ok(())
    }

    async fn open(&self, url: &str, settings: &Settings) -> Result<Database> {
        let db = open_for_benchmark(&with_search_path(url, &self.name), settings).await?;
        let query = one::<(String,)>("SELECT coalesce(current_schema()::text, '')", params![]);
        let (seen,) = db.read().await?.run(query).await?;
        // A proxy that drops start-up options would expose other tables.
        ensure!(seen == self.name, "the server ignores the search_path of the connection; nothing was done");
        Ok(db)
    }

    async fn execute(&self, sql: String) -> Result<()> {
        self.database.write(async |session| session.run(execute(sql, params![])).await).await?;
        Ok(())
    }
}

/// Appends a start-up option to those of the URL: the last one counts.
fn with_search_path(url: &str, schema: &str) -> String {
    let option = format!("-c%20search_path%3D{schema}");
    let (address, parameters) = url.split_once('?').unwrap_or((url, ""));
    let mut found = false;
    let mut parameters: Vec<_> = parameters
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| match parameter.strip_prefix("options=") {
            Some(own) => {
                found = true;
                format!("options={own}%20{option}")
            }
            None => parameter.to_owned(),
        })
        .collect();
    if !found {
        parameters.push(format!("options={option}"));
    }
    format!("{address}?{}", parameters.join("&"))
}

#[cfg(test)]
mod tests {
    use super::with_search_path;

    #[test]
    fn the_search_path_comes_last() {
        for (url, expected) in [
            ("postgresql://h/d", "postgresql://h/d?options=-c%20search_path%3Ds"),
            (
                "postgresql://h/d?sslmode=require",
                "postgresql://h/d?sslmode=require&options=-c%20search_path%3Ds",
            ),
            (
                "postgresql://h/d?options=-c%20search_path%3Dbook&sslmode=require",
                "postgresql://h/d?options=-c%20search_path%3Dbook%20-c%20search_path%3Ds&sslmode=require",
            ),
        ] {
            assert_eq!(with_search_path(url, "s"), expected);
        }
    }
}
