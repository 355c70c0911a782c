//! The requests of a pipeline.

use postgres_protocol::IsNull;
use postgres_protocol::message::frontend::{self, BindError};
use postgres_types::{IsNull as IsNullValue, Oid, ToSql};
use smallvec::SmallVec;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::driver::MAX_PREPARED_BYTES;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::query::Query;
use tallybook_sql::statement::Statement;
use tallybook_sql::transaction::TransactionFraming;
use tallybook_sql::value::{SqlType, Value};

use super::exchange::commits_writes;
use super::statement::StatementCache;
use super::step::{Control, Form, Step, StepKind};
use crate::client::{Wire, zero_in_text};
use crate::cursor::PORTAL;
use crate::error::convert;
use crate::param::{Param, type_of};
use crate::pooler::Pooler;
use crate::row::check_columns;

/// The LSN up to which a replica has replayed the log.
const REPLAYED: &str = "SELECT pg_last_wal_replay_lsn()";
/// The log position, and the name of its file, which begins with the timeline.
const POSITION: &str = "SELECT lsn, pg_walfile_name(lsn) FROM pg_current_wal_insert_lsn() AS lsn";

/// Writes the requests of a pipeline into the output of a connection, and remembers the answers to expect.
pub(super) struct Encoder<'c> {
    pub(super) wire: &'c mut Wire,
    pub(super) statements: &'c mut StatementCache,
    pub(super) steps: &'c mut Vec<Step>,
    /// False where statement names may belong to other programs.
    pub(super) prepares: bool,
    /// True to have the answer to each statement sent at once, so that its time is known.
    pub(super) flushes: bool,
    pub(super) pooler: Option<&'c Pooler>,
}

impl Encoder<'_> {
    pub(super) fn pipeline(
        &mut self,
        queries: &mut [&mut dyn Query],
        framing: TransactionFraming,
    ) -> Result<()> {
        for name in self.statements.closing() {
            frontend::close(b'S', name, self.wire.output()).map_err(|_| convert(zero_in_text()))?;
        }
        if framing.asks_replayed {
            self.control(Control::Replayed, REPLAYED)?;
            // Before the transaction: the position must not be newer than its snapshot.
            self.sync();
        }
        if let Some(begin) = framing.begin {
            self.control(Control::Begin, begin.sql(Dialect::Postgres))?;
            if let Some(pooler) = self.pooler {
                self.unnamed(StepKind::Pooler, pooler.begin_sql())?;
            }
        }
        for place in 0..queries.len() {
            let encoded = match framing.opens_cursor {
                true => self.cursor(place, queries),
                false => self.query(place, queries),
            };
            if let Err(error) = encoded {
                let statement = &queries[place].request().statement;
                return Err(error.with_statement(statement.sql(Dialect::Postgres)).at_position(place));
            }
            if self.flushes {
                frontend::flush(self.wire.output());
            }
        }
        if let Some(end) = framing.end {
            self.control(Control::End, end.sql())?;
            if commits_writes(framing) {
                self.control(Control::Position, POSITION)?;
            }
        }
        self.sync();
        Ok(())
    }

    fn sync(&mut self) {
        self.wire.sync();
        self.steps.push(Step::new(StepKind::Sync, Form::Unnamed));
    }

    /// Writes a statement of the driver's own.
    fn control(&mut self, control: Control, sql: &'static str) -> Result<()> {
        let kind = StepKind::Control(control, sql);
        // Behind a pooler the names are known to be there only after the statement that follows BEGIN.
        if !self.prepares || self.pooler.is_some() {
            return self.unnamed(kind, sql);
        }
        let form = match self.statements.get(sql) {
            Some(prepared) => {
                bind(self.wire, "", &prepared.name, &[])?;
                Form::Prepared
            }
            None => {
                let name = self.statements.new_name();
                parse(self.wire, &name, sql, &[])?;
                bind(self.wire, "", &name, &[])?;
                Form::Preparing(name)
            }
        };
        execute(self.wire)?;
        self.steps.push(Step::new(kind, form));
        Ok(())
    }

    fn unnamed(&mut self, kind: StepKind, sql: &str) -> Result<()> {
        parse(self.wire, "", sql, &[])?;
        bind(self.wire, "", "", &[])?;
        execute(self.wire)?;
        self.steps.push(Step::new(kind, Form::Unnamed));
        Ok(())
    }

    fn query(&mut self, place: usize, queries: &mut [&mut dyn Query]) -> Result<()> {
        let (earlier, query) = queries.split_at_mut(place);
        let struct_columns = query[0].columns();
        let request = query[0].request();
        let (sql, values) = (request.statement.sql(Dialect::Postgres), request.values());
        let kind = StepKind::Query(place);

        if let Some(prepared) = self.statements.get(sql).filter(|prepared| prepared.takes(values)) {
            // The result of a prepared statement does not change, so one check for each struct is enough.
            if let Some(columns) = struct_columns
                && !prepared.fits.is_some_and(|fits| std::ptr::eq(fits, columns))
            {
                check_columns(sql, &prepared.columns, columns)?;
                prepared.fits = Some(columns);
            }
            bind(self.wire, "", &prepared.name, values)?;
            execute(self.wire)?;
            let (columns, expected) = (Some(prepared.columns.clone()), prepared.expected);
            self.steps.push(Step { columns, expected, ..Step::new(kind, Form::Prepared) });
            return Ok(());
        }

        self.check_state(&request.statement)?;
        if request.statement.is_copy_over_connection() {
            // The server would take what follows for rows.
            let problem = "a COPY is no statement of a batch; a bulk load writes rows, a stream reads them";
            return Err(Error::invalid_value("the statement", problem));
        }
        check_count(sql, values.len())?;
        let form = if !self.prepares || sql.len() > MAX_PREPARED_BYTES {
            Form::Unnamed
        } else if let Some(step) = self.step_that_prepares(sql, values, earlier) {
            Form::PreparedBy(step)
        } else {
            Form::Preparing(self.statements.new_name())
        };
        let name = match &form {
            Form::Preparing(name) => name,
            Form::PreparedBy(step) => self.steps[*step].gives_name(sql, earlier).unwrap_or_default(),
            Form::Prepared | Form::Unnamed => "",
        };
        if !matches!(form, Form::PreparedBy(_)) {
            parse(self.wire, name, sql, values)?;
        }
        bind(self.wire, "", name, values)?;
        if !matches!(form, Form::PreparedBy(_)) {
            describe(self.wire, "")?;
        }
        execute(self.wire)?;
        self.steps.push(Step::new(kind, form));
        Ok(())
    }

    /// Refuses a statement that would leave something behind where the pooler does not keep the session.
    fn check_state(&self, statement: &Statement) -> Result<()> {
        self.pooler.map_or(Ok(()), |pooler| pooler.check(statement))
    }

    /// Returns the step of this pipeline that prepares the same statement for the same types.
    fn step_that_prepares(
        &self,
        sql: &str,
        values: &[Value],
        earlier: &mut [&mut dyn Query],
    ) -> Option<usize> {
        self.steps.iter().position(|step| {
            step.gives_name(sql, earlier).is_some()
                && matches!(step.kind, StepKind::Query(place) if has_types_of(earlier[place].request().values(), values))
        })
    }

    /// Opens a portal over a query, whose rows are fetched later.
    fn cursor(&mut self, place: usize, queries: &mut [&mut dyn Query]) -> Result<()> {
        let request = queries[place].request();
        let (sql, values) = (request.statement.sql(Dialect::Postgres), request.values());
        self.check_state(&request.statement)?;
        check_count(sql, values.len())?;
        parse(self.wire, "", sql, values)?;
        bind(self.wire, PORTAL, "", values)?;
        describe(self.wire, PORTAL)?;
        self.steps.push(Step::new(StepKind::Cursor(place), Form::Unnamed));
        Ok(())
    }
}

fn has_types_of(values: &[Value], others: &[Value]) -> bool {
    values.len() == others.len()
        && values.iter().zip(others).all(|(value, other)| value.kind() == other.kind())
}

fn parse(wire: &mut Wire, name: &str, sql: &str, values: &[Value]) -> Result<()> {
    let types: SmallVec<[Oid; 16]> = values.iter().map(|value| oid_of(value.kind())).collect();
    frontend::parse(name, sql, types, wire.output()).map_err(|_| convert(zero_in_text()))
}

/// Returns the type that a placeholder is declared with; 0 leaves it to the server.
pub(crate) fn oid_of(kind: SqlType) -> Oid {
    match kind {
        SqlType::Enum => 0,
        kind => type_of(kind).oid(),
    }
}

fn bind(wire: &mut Wire, portal: &str, name: &str, values: &[Value]) -> Result<()> {
    const TEXT: i16 = 0;
    const BINARY: i16 = 1;
    let formats = values.iter().map(|value| if value.kind() == SqlType::Enum { TEXT } else { BINARY });
    let mut number = 0;
    let bound = frontend::bind(
        portal,
        name,
        formats,
        values,
        |value, output| {
            number += 1;
            Ok(match Param(value).to_sql(&type_of(value.kind()), output)? {
                IsNullValue::Yes => IsNull::Yes,
                IsNullValue::No => IsNull::No,
            })
        },
        [BINARY],
        wire.output(),
    );
    bound.map_err(|error| match error {
        BindError::Conversion(problem) => Error::invalid_value(format!("${number}"), problem.to_string()),
        BindError::Serialization(problem) => Error::invalid_value("parameters", problem.to_string()),
    })
}

fn describe(wire: &mut Wire, portal: &str) -> Result<()> {
    frontend::describe(b'P', portal, wire.output()).map_err(|_| convert(zero_in_text()))
}

fn execute(wire: &mut Wire) -> Result<()> {
    frontend::execute("", 0, wire.output()).map_err(|_| convert(zero_in_text()))
}

/// Returns the highest number of a parameter such as `$7`, even inside quotes or a comment.
pub(super) fn highest_parameter(sql: &str) -> usize {
    let numbers = sql.split('$').skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..end].parse().ok()
    });
    numbers.max().unwrap_or(0)
}

/// Refuses superfluous parameters, which PostgreSQL would ignore.
fn check_count(sql: &str, given: usize) -> Result<()> {
    // PostgreSQL reports missing ones: it knows which `$1` is inside quotes.
    let used = highest_parameter(sql);
    if given <= used {
        return Ok(());
    }
    Err(Error::parameter_count(given, used))
}
