//! The journal of a session: what it sends and how that ends, for everybody who wants to know.

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::Span;

use super::core::Shared;
use super::detect::{Answered, Sent, Ticket, Trace};
use super::line::{Ended, Line};
use super::running::Seat;
use super::scope::{Open, Scope};
use super::statement::{Run, Statement};
use super::{failure, span};
use crate::call::Call;
use crate::error::Error;
use crate::observe::{Journal, Opened, Outcome};
use crate::query::Query;
use crate::row::{Key, Taken};
use crate::settings::Engine;
use crate::stopwatch::Timing;

/// Buffers for keys that are kept for later.
const SPARE_KEYS: usize = 8;
/// Larger ones are not kept.
const SPARE_KEYS_SIZE: usize = 4_096;

/// One session's journal. Kept for later sessions when its own is over, so that a session costs no
/// allocation.
pub(super) struct SessionJournal {
    /// None between two sessions.
    monitor: Option<Arc<Shared>>,
    number: u64,
    /// How long the connection was waited for, until a statement is charged with it.
    waited: Duration,
    /// Statements sent.
    statements: u64,
    /// One of them changed the schema.
    changed_schema: bool,
    /// What is under way, and the number in its session of the first of it.
    flight: Vec<(Arc<Statement>, Call)>,
    first: u64,
    since: Instant,
    /// The tickets of what is under way, of the session's own trace and of the scopes.
    own_ticket: Option<Ticket>,
    tickets: Vec<(Scope, Ticket)>,
    span: Span,
    seat: Arc<Seat>,
    /// The trace of the session, for what runs in no scope.
    trace: Trace,
    /// Tells the scope that it was opened in when it is closed.
    open: Option<Open>,
    spare: Vec<Vec<Key>>,
}

impl SessionJournal {
    pub(super) fn new(seat: Arc<Seat>) -> Self {
        Self {
            monitor: None,
            number: 0,
            waited: Duration::ZERO,
            statements: 0,
            changed_schema: false,
            flight: Vec::new(),
            first: 0,
            since: Instant::now(),
            own_ticket: None,
            tickets: Vec::new(),
            span: Span::none(),
            seat,
            trace: Trace::default(),
            open: None,
            spare: Vec::new(),
        }
    }

    pub(super) fn open(&mut self, monitor: Arc<Shared>, number: u64, session: Opened, scope: Option<Scope>) {
        self.open = scope.map(|scope| scope.opened(session.at, &monitor));
        self.monitor = Some(monitor);
        self.number = number;
        self.waited = session.waited;
        self.statements = 0;
        self.changed_schema = false;
    }

    fn monitor(&self) -> &Shared {
        self.monitor.as_ref().expect("a journal that is written has a session")
    }

    /// Notes the statements that are about to be sent.
    fn note(&mut self, queries: &mut [&mut dyn Query], traced: bool) {
        let Some(monitor) = &self.monitor else { return };
        for query in queries {
            let (has_rows, of_several) = (query.columns().is_some(), query.has_several_rows());
            let request = query.request();
            let statement = monitor.find(&request.statement);
            if traced && has_rows {
                let keys = self.spare.pop().unwrap_or_default();
                request.taken = Some(Taken::new(statement.keys.get().cloned(), keys, of_several));
            }
            self.flight.push((statement, request.call));
        }
    }

    /// Takes a seat among what is running, where the watch can see it.
    fn sit(&mut self) {
        self.first = self.statements + 1;
        if let Some((statement, call)) = self.flight.first() {
            self.seat.take(statement, *call, self.since, self.number, self.first);
        }
    }

    /// Writes what is sent into the traces of the scopes, or of the session where there is none.
    fn trace_sent(&mut self, queries: &mut [&mut dyn Query], scope: Option<&Scope>) {
        let (number, since) = (self.number, self.since);
        let flight = &self.flight;
        let engine = self.monitor.as_ref().map_or(Engine::Postgres, |monitor| monitor.place.engine);
        let mut sent = |trace: &mut Trace| {
            let sent = flight.iter().zip(queries.iter_mut()).map(|((statement, call), query)| {
                let request = &*query.request();
                Sent { statement, call: *call, sql: request.statement.sql(engine), values: request.values() }
            });
            trace.sent(number, since, sent)
        };
        match scope {
            None => self.own_ticket = Some(sent(&mut self.trace)),
            Some(scope) => {
                let tickets = scope.chain().map(|scope| (scope.clone(), sent(&mut scope.trace())));
                self.tickets.extend(tickets);
            }
        }
    }

    fn trace_answered(&mut self, queries: &mut [&mut dyn Query], elapsed: Duration) {
        let flight = &self.flight;
        let mut answered =
            |trace: &mut Trace, ticket| {
                let answered = flight.iter().zip(queries.iter_mut()).map(|((statement, call), query)| {
                    Answered { statement, call: *call, taken: query.request().taken.as_ref() }
                });
                trace.answered(ticket, elapsed, answered);
            };
        if let Some(ticket) = self.own_ticket.take() {
            answered(&mut self.trace, ticket);
        }
        for (scope, ticket) in self.tickets.drain(..) {
            answered(&mut scope.trace(), ticket);
        }
    }

    fn trace_failed(&mut self, elapsed: Duration) {
        if let Some(ticket) = self.own_ticket.take() {
            self.trace.failed(ticket, elapsed);
        }
        for (scope, ticket) in self.tickets.drain(..) {
            scope.trace().failed(ticket, elapsed);
        }
    }

    /// Counts and logs one run.
    fn ran(&mut self, place: usize, query: &mut dyn Query, timing: Timing) {
        let waited = mem::take(&mut self.waited);
        let (statement, call) = &self.flight[place];
        let request = query.request();
        let run = Run { call: *call, waited, timing, rows: request.rows, bytes: request.bytes };
        statement.ran(&run);
        self.changed_schema |= statement.fingerprint.changes_schema();
        if let Some(columns) = request.taken.as_ref().and_then(|taken| taken.columns.as_ref()) {
            statement.keys.get_or_init(|| Arc::clone(columns));
        }
        let line = self.line(place, Some(request), Ended::Ran(run));
        self.monitor().line(&line);
    }

    fn failed(
        &mut self,
        place: usize,
        request: Option<&crate::query::Request>,
        took: Duration,
        error: &Error,
    ) {
        let Some((statement, call)) = self.flight.get(place) else { return };
        let failure = failure::of(error);
        statement.failed(failure.kind, failure.is_code, took, *call);
        let line = self.line(place, request, Ended::Failed { took, error });
        self.monitor().line(&line);
    }

    fn line<'a>(
        &'a self,
        place: usize,
        request: Option<&'a crate::query::Request>,
        ended: Ended<'a>,
    ) -> Line<'a> {
        let (statement, call) = &self.flight[place];
        Line {
            session: self.number,
            number: self.first + place as u64,
            statement,
            call: *call,
            request,
            ended,
        }
    }

    /// Makes ready for the next.
    fn rest(&mut self, queries: &mut [&mut dyn Query]) {
        for query in queries {
            if let Some(Taken { mut keys, .. }) = query.request().taken.take()
                && self.spare.len() < SPARE_KEYS
                && keys.capacity() <= SPARE_KEYS_SIZE
            {
                keys.clear();
                self.spare.push(keys);
            }
        }
        self.flight.clear();
        self.seat.leave();
        self.span = Span::none();
    }
}

impl Journal for SessionJournal {
    fn sent(&mut self, queries: &mut [&mut dyn Query]) -> (Option<Instant>, Span) {
        let scope = Scope::current();
        let traced = scope.is_some() || self.monitor().traces_sessions();
        self.note(queries, traced);
        self.since = Instant::now();
        if traced {
            self.trace_sent(queries, scope.as_ref());
        }
        self.sit();
        self.statements += self.flight.len() as u64;
        self.span = span::of(&self.flight, &self.monitor().place);
        (Some(self.since), self.span.clone())
    }

    fn answered(&mut self, queries: &mut [&mut dyn Query], error: Option<&Error>) {
        let failed = error.map(|error| error.position().unwrap_or(0));
        let mut elapsed = Duration::ZERO;
        for (place, query) in queries.iter_mut().enumerate().take(failed.unwrap_or(usize::MAX)) {
            if let Some(timing) = query.request().timing {
                elapsed += timing.total();
                self.ran(place, *query, timing);
            }
        }
        match (error, failed) {
            (Some(error), Some(place)) => {
                let request = queries.get_mut(place).map(|query| &*query.request());
                let took = request.and_then(|request| request.timing);
                let took = took
                    .map_or_else(|| self.since.elapsed().saturating_sub(elapsed), |timing| timing.total());
                self.failed(place, request, took, error);
                span::failed(&self.span, error);
                self.trace_failed(elapsed + took);
            }
            _ => self.trace_answered(queries, elapsed),
        }
        self.rest(queries);
    }

    fn sent_text(&mut self, sql: &str, call: Call) {
        self.flight.push((self.monitor().catalog.find(sql), call));
        self.since = Instant::now();
        self.sit();
    }

    fn answered_text(&mut self, outcome: Outcome<'_>) {
        let took = outcome.busy.unwrap_or_else(|| self.since.elapsed());
        match outcome.error {
            Some(error) => self.failed(0, None, took, error),
            None => {
                let timing = Timing { execute: took, ..Timing::default() };
                let (statement, call) = &self.flight[0];
                let waited = mem::take(&mut self.waited);
                let run = Run { call: *call, waited, timing, rows: outcome.rows, bytes: 0 };
                statement.ran(&run);
                self.monitor().line(&self.line(0, None, Ended::Ran(run)));
            }
        }
        self.rest(&mut []);
    }

    fn abandoned(&mut self) {
        let took = self.since.elapsed();
        if let Some((statement, call)) = self.flight.first() {
            statement.failed(failure::ABANDONED, false, took, *call);
            self.monitor().line(&self.line(0, None, Ended::Abandoned { took }));
        }
        self.trace_failed(took);
        self.rest(&mut []);
    }

    fn closed(mut self: Box<Self>, kept: bool) {
        let Some(monitor) = self.monitor.take() else { return };
        if !kept {
            self.trace.rolled_back(self.number);
            for scope in self.open.iter().flat_map(|open| open.scope().chain()) {
                scope.trace().rolled_back(self.number);
            }
        }
        if self.changed_schema && kept {
            monitor.catalog.relations.may_have_changed();
        }
        self.open = None;
        monitor.judge(&mut self.trace, None);
        if self.trace.is_large() {
            self.trace = Trace::default();
        }
        monitor.park(self);
    }
}
