//! The program as its users run it.

mod adopt;
mod architecture;
mod bad_input;
mod bench_indexes;
mod bench_load;
mod csv;
mod demo;
mod doctor;
mod fuzz;
mod guarantees;
mod help;
mod histories;
mod hostile;
mod killed;
mod migrate;
mod opening;
mod privileges;
mod report;
mod schemas;
mod seed;
mod settings;
mod support;
mod waiting;
mod watch;
mod watched;
