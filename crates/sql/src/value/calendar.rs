//! Dates and times of day, and the texts that SQLite keeps of them.

use chrono::{NaiveDate, NaiveTime, Timelike};

use super::timestamp::{self, format_timestamp, parse_timestamp};

/// Length of `YYYY-MM-DD`.
const DATE_LEN: usize = 10;

/// Refuses a day outside the years 0001 to 9999, whose text would not sort and SQLite's functions would not read.
pub(super) fn check_date(date: NaiveDate) -> Result<NaiveDate, String> {
    timestamp::check(date.and_time(NaiveTime::MIN).and_utc())
        .map(|_| date)
        .map_err(|_| format!("{date} is outside the years 0001 to 9999"))
}

/// Refuses a time of day finer than microseconds, and a leap second.
pub(super) fn check_time(time: NaiveTime) -> Result<NaiveTime, String> {
    // chrono stores a leap second as nanoseconds from 1,000,000,000 on; no column can hold it.
    if time.nanosecond().is_multiple_of(1_000) && time.nanosecond() < 1_000_000_000 {
        Ok(time)
    } else {
        Err(format!("{time} is finer than the microseconds a column keeps; use trunc_subsecs(6)"))
    }
}

/// Formats a day as `YYYY-MM-DD`.
pub fn format_date(date: NaiveDate) -> String {
    let mut text = format_timestamp(date.and_time(NaiveTime::MIN).and_utc());
    text.truncate(DATE_LEN);
    text
}

/// Formats a time of day as `HH:MM:SS.ffffff`.
pub fn format_time(time: NaiveTime) -> String {
    format_timestamp(NaiveDate::default().and_time(time).and_utc()).split_off(DATE_LEN + 1)
}

/// Parses `YYYY-MM-DD`, the years 0001 to 9999.
pub fn parse_date(text: &str) -> Option<NaiveDate> {
    let is_date = text.len() == DATE_LEN;
    is_date.then(|| parse_timestamp(&format!("{text} 00:00:00.000000")))?.map(|moment| moment.date_naive())
}

/// Parses `HH:MM:SS`, alone or with a fraction whose digits after the sixth are zeros.
pub fn parse_time(text: &str) -> Option<NaiveTime> {
    // A timestamp may end with `Z` or an offset; a time of day has none.
    let is_local = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.'));
    is_local.then(|| parse_timestamp(&format!("2000-01-01 {text}")))?.map(|moment| moment.time())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_day_survives_the_text_form(day in 1..=3_652_059_i32) {
            let date = NaiveDate::from_num_days_from_ce_opt(day).expect("in range");
            prop_assert_eq!(parse_date(&format_date(date)), Some(date));
            prop_assert_eq!(format_date(date), date.to_string());
            prop_assert_eq!(check_date(date), Ok(date));
        }

        #[test]
        fn every_microsecond_of_a_day_survives_the_text_form(micros in 0..86_400_000_000_u64) {
            let (seconds, micros) = ((micros / 1_000_000) as u32, (micros % 1_000_000) as u32);
            let time = NaiveTime::from_num_seconds_from_midnight_opt(seconds, micros * 1_000).expect("in range");
            let text = format_time(time);
            prop_assert_eq!(text.len(), 15);
            prop_assert_eq!(parse_time(&text), Some(time));
            prop_assert_eq!(check_time(time), Ok(time));
        }
    }

    #[test]
    fn only_the_days_of_the_years_0001_to_9999_can_be_bound_and_read() {
        let first = NaiveDate::from_ymd_opt(1, 1, 1).unwrap();
        let last = NaiveDate::from_ymd_opt(9999, 12, 31).unwrap();
        assert_eq!((check_date(first), check_date(last)), (Ok(first), Ok(last)));
        for outside in [first.pred_opt().unwrap(), last.succ_opt().unwrap(), NaiveDate::MIN, NaiveDate::MAX] {
            assert_eq!(check_date(outside), Err(format!("{outside} is outside the years 0001 to 9999")));
        }
        for text in
            ["0000-12-31", "10000-01-01", "2023-02-29", "2023-2-01", "2023-02-01 00:00:00", "", "yesterday"]
        {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }

    #[test]
    fn times_of_other_programs_are_read_and_no_moments() {
        let half = NaiveTime::from_hms_milli_opt(9, 30, 0, 500).unwrap();
        for text in ["09:30:00.5", "09:30:00.500", "09:30:00.500000000"] {
            assert_eq!(parse_time(text), Some(half), "{text}");
        }
        for text in [
            "9:30:00",
            "09:30",
            "09:30:00Z",
            "09:30:00+00:00",
            "24:00:00",
            "09:30:60",
            "09:30:00.0000001",
            "",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
        let nanos = |nanos| NaiveTime::from_num_seconds_from_midnight_opt(86_399, nanos).unwrap();
        assert!(check_time(nanos(999_999_000)).is_ok());
        for finer in [1, 999_999_999, 1_000_000_000, 1_500_000_000] {
            assert!(
                check_time(nanos(finer)).unwrap_err().contains("is finer than the microseconds"),
                "{finer}"
            );
        }
    }
}
