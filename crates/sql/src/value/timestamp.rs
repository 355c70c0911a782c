//! Timestamps in whole microseconds, which both dialects store exactly.

use std::ops::Range;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, SubsecRound, Timelike, Utc};

use super::timestamp_forms::{TEXT_LEN, canonical};

/// Microseconds from 1970-01-01 to 2000-01-01, the epoch of PostgreSQL's timestamps.
pub const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

/// Microseconds since 1970 that columns can hold in both dialects: the years 0001 to 9999.
pub const RANGE: Range<i64> = -62_135_596_800_000_000..253_402_300_800_000_000;

/// Returns the current time in whole microseconds, the precision of a column. Binding [`Utc::now`], which has
/// nanoseconds, is refused rather than rounded.
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

/// Refuses a time that would not read back equal.
pub(super) fn check(moment: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
    // chrono stores a leap second as nanoseconds from 1,000,000,000 on; no column can hold it.
    if !moment.nanosecond().is_multiple_of(1_000) || moment.nanosecond() >= 1_000_000_000 {
        return Err(format!(
            "{moment} is finer than the microseconds a column keeps; use now() or trunc_subsecs(6)"
        ));
    }
    if !(1..=9999).contains(&moment.year()) {
        return Err(format!("{moment} is outside the years 0001 to 9999"));
    }
    Ok(moment)
}

/// Formats a time as `YYYY-MM-DD HH:MM:SS.ffffff`, as SQLAlchemy does on SQLite.
pub fn format_timestamp(moment: DateTime<Utc>) -> String {
    let mut text = *b"0000-00-00 00:00:00.000000";
    let fields: [(usize, usize, u32); 7] = [
        (0, 4, moment.year().unsigned_abs()),
        (5, 2, moment.month()),
        (8, 2, moment.day()),
        (11, 2, moment.hour()),
        (14, 2, moment.minute()),
        (17, 2, moment.second()),
        (20, 6, moment.nanosecond() / 1_000),
    ];
    for (start, len, mut number) in fields {
        for digit in text[start..start + len].iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
    }
    text.iter().copied().map(char::from).collect()
}

/// Parses the text of a timestamp in an SQLite column: the form of [`format_timestamp`], or one of other programs, with `T`
/// instead of the space, a fraction of any length, or `Z` at the end.
pub fn parse_timestamp(text: &str) -> Option<DateTime<Utc>> {
    parse_fixed(text.as_bytes()).or_else(|| parse_fixed(&canonical(text)?))
}

/// Parses a timestamp from a person or another program: a text that a column may hold, or any other form of one moment,
/// such as a time with an offset from UTC.
pub fn parse_foreign(text: &str) -> Option<DateTime<Utc>> {
    parse_timestamp(text).or_else(|| parse_general(text))
}

/// Describes a text that [`parse_timestamp`] refuses, without its value.
pub fn unreadable(text: &str) -> &'static str {
    match parse_general(text) {
        Some(moment) if !(1..=9999).contains(&moment.year()) => "a time outside the years 0001 to 9999",
        Some(moment) if check(moment).is_err() => "a time finer than microseconds",
        Some(_) if has_offset(text) => "a time with an offset from UTC",
        Some(_) => "a time in another form",
        None if NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok() => "a date without a time",
        None => "a text that is no timestamp",
    }
}

fn has_offset(text: &str) -> bool {
    DateTime::parse_from_rfc3339(text).is_ok_and(|moment| moment.offset().local_minus_utc() != 0)
}

fn parse_fixed(text: &[u8]) -> Option<DateTime<Utc>> {
    let text: &[u8; TEXT_LEN] = text.try_into().ok()?;
    let separators = [(4, b'-'), (7, b'-'), (10, b' '), (13, b':'), (16, b':'), (19, b'.')];
    if separators.iter().any(|&(at, byte)| text[at] != byte) {
        return None;
    }
    let year = number(&text[0..4])?;
    let (month, day) = (number(&text[5..7])?, number(&text[8..10])?);
    let (hour, minute, second) = (number(&text[11..13])?, number(&text[14..16])?, number(&text[17..19])?);
    let micros = number(&text[20..26])?;
    if year == 0
        || !(1..=12).contains(&month)
        || day == 0
        || day > days_in(year, month)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let seconds = days_from_civil(i64::from(year), i64::from(month), i64::from(day)) * 86_400
        + i64::from(hour * 3_600 + minute * 60 + second);
    DateTime::from_timestamp(seconds, micros * 1_000)
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, &byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then(|| number * 10 + u32::from(digit))
    })
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Returns the days from 1970-01-01 to a Gregorian date, for years from 0 on (Howard Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms", `days_from_civil`).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn parse_general(text: &str) -> Option<DateTime<Utc>> {
    let naive = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    match naive {
        Some(naive) => Some(naive.and_utc()),
        None => DateTime::parse_from_rfc3339(text).ok().map(|moment| moment.with_timezone(&Utc)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_microsecond_survives_the_text_form(micros in RANGE) {
            let moment = DateTime::from_timestamp_micros(micros).expect("in range");
            let text = format_timestamp(moment);
            prop_assert_eq!(parse_fixed(text.as_bytes()), Some(moment));
            prop_assert_eq!(parse_general(&text), Some(moment));
        }

        #[test]
        fn the_fixed_parser_accepts_only_what_chrono_accepts(
            text in "[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-5][0-9]\\.[0-9]{6}"
        ) {
            let general = parse_general(&text).filter(|moment| check(*moment).is_ok());
            prop_assert_eq!(parse_fixed(text.as_bytes()), general);
        }
    }

    #[test]
    fn other_programs_forms_are_read() {
        let moment = DateTime::from_timestamp_micros(1_700_000_000_000_000).unwrap();
        for text in [
            "2023-11-14 22:13:20",
            "2023-11-14T22:13:20",
            "2023-11-14 22:13:20.0",
            "2023-11-14T22:13:20Z",
            "2023-11-14 22:13:20.000+00:00",
            "2023-11-14T22:13:20.000000000-00:00",
        ] {
            assert_eq!(parse_timestamp(text), Some(moment), "{text}");
            assert_eq!(parse_foreign(text), Some(moment), "{text}");
        }
        assert_eq!(parse_foreign("2023-11-14T23:13:20+01:00"), Some(moment));
    }

    #[test]
    fn what_a_column_may_not_hold_is_named_without_its_value() {
        for (text, description) in [
            ("2023-11-14", "a date without a time"),
            ("2023-11-14T23:13:20+01:00", "a time with an offset from UTC"),
            ("2023-11-14 22:13:20.0000001", "a time finer than microseconds"),
            ("2023-11-14 22:13:60", "a time finer than microseconds"),
            ("2023-11-14 9:13:20", "a time in another form"),
            ("0000-11-14 22:13:20", "a time outside the years 0001 to 9999"),
            ("2023-02-30 22:13:20", "a text that is no timestamp"),
            ("2023-11-14 22:13:20.", "a text that is no timestamp"),
            ("yesterday", "a text that is no timestamp"),
            ("", "a text that is no timestamp"),
        ] {
            assert_eq!(parse_timestamp(text), None, "{text}");
            assert_eq!(unreadable(text), description, "{text}");
        }
    }

    #[test]
    fn the_first_and_the_last_of_every_field_are_read_and_nothing_outside() {
        for (text, is_read) in [
            ("0000-12-31 23:59:59.999999", false),
            ("0001-01-01 00:00:00.000000", true),
            ("9999-12-31 23:59:59.999999", true),
            ("2024-00-15 12:00:00.000000", false),
            ("2024-13-15 12:00:00.000000", false),
            ("2024-01-00 12:00:00.000000", false),
            ("2024-01-31 12:00:00.000000", true),
            ("2024-01-32 12:00:00.000000", false),
            ("2024-04-30 12:00:00.000000", true),
            ("2024-04-31 12:00:00.000000", false),
            ("2023-02-28 12:00:00.000000", true),
            ("2023-02-29 12:00:00.000000", false),
            ("2024-02-29 12:00:00.000000", true),
            ("2024-02-30 12:00:00.000000", false),
            ("1900-02-28 12:00:00.000000", true),
            ("1900-02-29 12:00:00.000000", false),
            ("2000-02-29 12:00:00.000000", true),
            ("2100-02-29 12:00:00.000000", false),
            ("2024-01-01 23:00:00.000000", true),
            ("2024-01-01 24:00:00.000000", false),
            ("2024-01-01 12:59:00.000000", true),
            ("2024-01-01 12:60:00.000000", false),
            ("2024-01-01 12:00:59.000000", true),
            ("2024-01-01 12:00:60.000000", false),
            ("2024-01-01 12:00:61.000000", false),
            ("2016-12-31 23:59:60.000000", false),
        ] {
            let read = parse_timestamp(text);
            assert_eq!(read.map(format_timestamp).as_deref(), is_read.then_some(text), "{text}");
            if is_read {
                assert_eq!(read, parse_general(text), "{text}");
            }
        }
    }

    #[test]
    fn the_years_0001_to_9999_can_be_bound_and_no_others() {
        let first = NaiveDate::from_ymd_opt(1, 1, 1).unwrap().and_hms_opt(0, 0, 0).unwrap().and_utc();
        let micros = chrono::TimeDelta::microseconds(1);
        let end = NaiveDate::from_ymd_opt(10_000, 1, 1).unwrap().and_hms_opt(0, 0, 0).unwrap().and_utc();
        assert!(check(first).is_ok() && check(end - micros).is_ok());
        for outside in [first - micros, end] {
            assert!(check(outside).unwrap_err().ends_with("is outside the years 0001 to 9999"), "{outside}");
        }
        assert_eq!(RANGE, first.timestamp_micros()..end.timestamp_micros());
        assert_eq!(
            DateTime::from_timestamp_micros(POSTGRES_EPOCH).unwrap().to_rfc3339(),
            "2000-01-01T00:00:00+00:00"
        );
    }

    #[test]
    fn nanoseconds_and_leap_seconds_are_refused() {
        let moment = |nanos| DateTime::from_timestamp(1_483_228_799, nanos).unwrap();
        assert!(check(moment(999_999_000)).is_ok());
        for nanos in [1, 999, 1_001, 999_999_999, 1_000_000_000, 1_500_000_000] {
            assert!(check(moment(nanos)).unwrap_err().contains("now()"), "{nanos}");
        }
    }

    #[test]
    fn now_can_be_bound() {
        assert!(check(now()).is_ok());
    }
}
