use std::{
    io::{self, Write},
    process,
    sync::{Mutex, Once, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// What a test may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(600);
const BETWEEN: Duration = Duration::from_secs(1);

static TESTS: Mutex<Vec<Test>> = Mutex::new(Vec::new());

/// A test that has not ended yet.
struct Test {
    thread: thread::ThreadId,
    name: String,
    limit: Duration,
    end: Instant,
}

/// Forgets the test when its thread ends.
struct Guard;

thread_local! {
    static GUARD: Guard = Guard::new();
}

/// Ends the whole test program, and says which test it was, if the test that calls this has not ended after ten
/// minutes. All of the kit calls it for the test that uses it.
pub(crate) fn watch() {
    let _ = GUARD.try_with(|_| ());
}

/// The same, after `limit` from now on; for tests that take long by intent.
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
        // Each test has a thread of its own, with its name, unless there is one thread for all of them.
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
        thread::sleep(BETWEEN);
        let now = Instant::now();
        if let Some(Test { name, limit, .. }) = tests().iter().find(|test| test.end <= now) {
            // The macros would write where the output of a test is kept, which ends with the program.
            let _ = writeln!(io::stderr(), "\nthe test {name} has not ended within {} s", limit.as_secs());
            process::exit(101);
        }
    }
}
