use std::{
    io::{self, Write},
    process,
    sync::{Mutex, Once, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// Time limit of a test, generous enough for a busy machine.
const LIMIT: Duration = Duration::from_secs(600);
const POLL_INTERVAL: Duration = Duration::from_secs(1);

static TESTS: Mutex<Vec<Test>> = Mutex::new(Vec::new());

/// A running test.
struct Test {
    thread: thread::ThreadId,
    name: String,
    limit: Duration,
    end: Instant,
}

/// Unregisters the test when its thread ends.
struct Guard;

thread_local! {
    static GUARD: Guard = Guard::new();
}

/// Aborts the whole test program, and names the test, if the calling test is still running after ten minutes.
/// Everything in the testkit calls it.
pub(crate) fn watch() {
    let _ = GUARD.try_with(|_| ());
}

/// Sets the time limit of the calling test to `limit` from now on; for tests that take long on purpose.
pub fn takes_at_most(limit: Duration) {
    watch();
    let thread = thread::current().id();
    for test in tests().iter_mut().filter(|test| test.thread == thread) {
        (test.limit, test.end) = (limit, Instant::now() + limit);
    }
}

impl Guard {
    fn new() -> Self {
        static WATCHDOG: Once = Once::new();
        let thread = thread::current();
        // Each test has a thread with its name, unless all tests share one thread.
        if let Some(name) = thread.name().filter(|&name| name != "main" && !name.starts_with("tokio")) {
            let test = Test {
                thread: thread.id(),
                name: name.to_owned(),
                limit: LIMIT,
                end: Instant::now() + LIMIT,
            };
            tests().push(test);
            WATCHDOG.call_once(|| {
                thread::spawn(look_on);
            });
        }
        Self
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let thread = thread::current().id();
        tests().retain(|test| test.thread != thread);
    }
}

fn tests() -> std::sync::MutexGuard<'static, Vec<Test>> {
    TESTS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn look_on() {
    loop {
        thread::sleep(POLL_INTERVAL);
        let now = Instant::now();
        if let Some(Test { name, limit, .. }) = tests().iter().find(|test| test.end <= now) {
            // The macros would write to the test's captured output, which is lost when the program ends.
            let _ = writeln!(io::stderr(), "\nthe test {name} has not ended within {} s", limit.as_secs());
            process::exit(101);
        }
    }
}
