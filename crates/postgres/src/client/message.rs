//! Messages of the server, and the parts of their bodies.

use postgres_types::Oid;

/// Tags of the messages that an exchange handles.
pub(crate) mod tag {
    pub(crate) const AUTHENTICATION: u8 = b'R';
    pub(crate) const BACKEND_KEY: u8 = b'K';
    pub(crate) const COMMAND_COMPLETE: u8 = b'C';
    pub(crate) const COPY_BOTH: u8 = b'W';
    pub(crate) const COPY_IN: u8 = b'G';
    pub(crate) const COPY_OUT: u8 = b'H';
    pub(crate) const EMPTY_QUERY: u8 = b'I';
    pub(crate) const ERROR: u8 = b'E';
    pub(crate) const NOTICE: u8 = b'N';
    pub(crate) const NOTIFICATION: u8 = b'A';
    pub(crate) const NO_DATA: u8 = b'n';
    pub(crate) const PARAMETERS: u8 = b't';
    pub(crate) const PARAMETER_STATUS: u8 = b'S';
    pub(crate) const PARSE_COMPLETE: u8 = b'1';
    pub(crate) const BIND_COMPLETE: u8 = b'2';
    pub(crate) const CLOSE_COMPLETE: u8 = b'3';
    pub(crate) const PROTOCOL_VERSION: u8 = b'v';
    pub(crate) const READY: u8 = b'Z';
    pub(crate) const ROW: u8 = b'D';
    pub(crate) const ROW_DESCRIPTION: u8 = b'T';
}

/// A complete message of the server, still in the read buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) tag: u8,
    pub(crate) body: &'a [u8],
}

/// A problem with a message: the server broke the protocol.
pub(crate) type Malformed = &'static str;

const TOO_SHORT: Malformed = "the server sends a message that ends too early";

impl Message<'_> {
    /// Returns the number of rows in the tag of a completed command, such as `INSERT 0 3`.
    pub(crate) fn rows_affected(&self) -> u64 {
        let text = self.body.strip_suffix(b"\0").unwrap_or(self.body);
        let number = text.rsplit(|&byte| byte == b' ').next().and_then(|word| std::str::from_utf8(word).ok());
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    /// Returns whether the tag of a completed command begins with a word.
    pub(crate) fn is_command(&self, word: &str) -> bool {
        self.body
            .strip_prefix(word.as_bytes())
            .is_some_and(|rest| matches!(rest.first(), Some(0 | b' ') | None))
    }
}

/// Reads the parts of a body in their order.
pub(crate) struct Parts<'a>(pub(crate) &'a [u8]);

impl<'a> Parts<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (bytes, rest) = self.0.split_first_chunk::<N>().ok_or(TOO_SHORT)?;
        self.0 = rest;
        Ok(*bytes)
    }

    /// Reads a count or a short number.
    #[inline]
    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        self.take().map(u16::from_be_bytes)
    }

    /// Reads a number.
    #[inline]
    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.take().map(u32::from_be_bytes)
    }

    /// Reads a text that ends with a zero.
    pub(crate) fn text(&mut self) -> Result<&'a [u8], Malformed> {
        let end = self.0.iter().position(|&byte| byte == 0).ok_or(TOO_SHORT)?;
        let text = &self.0[..end];
        self.0 = &self.0[end + 1..];
        Ok(text)
    }

    /// Reads a value of a row: its length and its bytes. `None` is NULL.
    #[inline]
    pub(crate) fn value(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        match self.u32()? {
            u32::MAX => Ok(None),
            length => {
                let (value, rest) = self.0.split_at_checked(length as usize).ok_or(TOO_SHORT)?;
                self.0 = rest;
                Ok(Some(value))
            }
        }
    }

    /// Reads the number of values of a row, which must be that of its columns.
    #[inline]
    pub(crate) fn row_of(&mut self, columns: usize) -> Result<(), Malformed> {
        match usize::from(self.u16()?) == columns {
            true => Ok(()),
            false => Err("the server sends a row with another number of values than columns"),
        }
    }

    /// Checks that nothing is left.
    #[inline]
    pub(crate) fn end(&self) -> Result<(), Malformed> {
        match self.0 {
            [] => Ok(()),
            _ => Err("the server sends a message that is longer than its parts"),
        }
    }
}

/// A column of a result, as the server describes it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ColumnDescription {
    pub(crate) name: String,
    /// False for an expression.
    pub(crate) is_of_table: bool,
    pub(crate) type_oid: Oid,
}

/// Parses the body of a RowDescription.
pub(crate) fn row_description(body: &[u8]) -> Result<Vec<ColumnDescription>, Malformed> {
    let mut parts = Parts(body);
    let count = parts.u16()?;
    let mut columns = Vec::new();
    for _ in 0..count {
        let name = String::from_utf8_lossy(parts.text()?).into_owned();
        let is_of_table = parts.u32()? != 0;
        let _number = parts.u16()?;
        let type_oid = parts.u32()?;
        let _size_modifier_and_format = parts.take::<8>()?;
        columns.push(ColumnDescription { name, is_of_table, type_oid });
    }
    parts.end()?;
    Ok(columns)
}

/// Parses the body of a ParameterDescription.
pub(crate) fn parameter_types(body: &[u8]) -> Result<Vec<Oid>, Malformed> {
    let mut parts = Parts(body);
    let types = (0..parts.u16()?).map(|_| parts.u32()).collect::<Result<_, _>>()?;
    parts.end()?;
    Ok(types)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_of_a_result_are_read() {
        let body = b"\0\x02id\0\0\0\x40\x00\0\x01\0\0\0\x14\0\x08\xff\xff\xff\xff\0\x01\
                     sum\0\0\0\0\0\0\0\0\0\x06\xa4\xff\xff\xff\xff\xff\xff\0\x01";
        let column = |name: &str, is_of_table, type_oid| ColumnDescription {
            name: name.to_owned(),
            is_of_table,
            type_oid,
        };
        assert_eq!(row_description(body).unwrap(), [column("id", true, 20), column("sum", false, 1700)]);
        for end in 0..body.len() {
            assert_eq!(row_description(&body[..end]), Err(TOO_SHORT), "cut after {end} bytes");
        }
    }

    #[test]
    fn the_tag_of_a_command_tells_what_it_did_to_how_many_rows() {
        let message = |body| Message { tag: tag::COMMAND_COMPLETE, body };
        for (body, rows) in
            [(&b"INSERT 0 3\0"[..], 3), (b"UPDATE 12\0", 12), (b"CREATE TABLE\0", 0), (b"", 0)]
        {
            assert_eq!(message(body).rows_affected(), rows);
        }
        assert!(
            message(b"COMMIT\0").is_command("COMMIT")
                && message(b"DEALLOCATE ALL\0").is_command("DEALLOCATE")
        );
        assert!(!message(b"COMMITTED\0").is_command("COMMIT"));
    }

    #[test]
    fn a_value_that_is_longer_than_its_row_is_refused() {
        assert_eq!(Parts(b"\xff\xff\xff\xff").value(), Ok(None));
        assert_eq!(Parts(b"\0\0\0\x02ab").value(), Ok(Some(&b"ab"[..])));
        for body in [&b"\0\0\0\x03ab"[..], b"\x7f\xff\xff\xffab", b"\xff\xff\xff\xfeab", b"\0\0"] {
            assert_eq!(Parts(body).value(), Err(TOO_SHORT));
        }
    }
}
